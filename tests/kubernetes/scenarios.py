"""The matrix: Deployments, what befalls them, and what must be said of it. docs/test-kubernetes.md shows the last result."""
import dataclasses
from typing import Callable, Optional

DEADLINE_SECONDS = 20  # progressDeadlineSeconds of every Deployment
# Holds of the causes (clusters/causes.cc): how long a cause lasts before it is believed. When the API server itself says that the
# deadline is over there is nothing to wait for.
HOLD_CREATE, HOLD_POD, HOLD_SCHEDULE, NO_HOLD = 15, 30, 60, 0


@dataclasses.dataclass
class Scenario:
    name: str
    cluster: str
    space: str
    deployment: str
    phase: str                       # what must be said; "gone": no row, or none but NotPropagated
    reasons: tuple                   # any of these, by their beginning; empty: no reason at all
    hold: int                        # seconds the verdict may take besides the path's own time
    truth: Callable                  # (deployment object or None, its pods) -> whether the API server shows it
    befall: Optional[Callable] = None  # (cluster, scenario): what happens to it after all had become Complete
    body: Optional[dict] = None      # created at the start; None: created by `befall`, or never
    words: str = ""                  # of Kubernetes, that path 2 must repeat

    @property
    def path(self):
        return f"/apis/apps/v1/namespaces/{self.space}/deployments/{self.deployment}"


def deployment(name, replicas=2, behaves="", cpu="100m", selector=None, tolerate=True, image="registry.example/app:1"):
    annotations = {"behaves": behaves} if behaves else {}
    pod = {"containers": [{"name": "app", "image": image, "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}],
           "nodeSelector": selector or {"pool": "plain"}}
    if tolerate:  # a dead node's pods stay where they are: their fate is the subject here, not their replacement
        pod["tolerations"] = [{"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute"}
                              for why in ("unreachable", "not-ready")]
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "progressDeadlineSeconds": DEADLINE_SECONDS, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}, "annotations": annotations}, "spec": pod}}}


def status(one, key):
    return one.get("status", {}).get(key, 0)


def condition(one, kind):
    return next((c for c in (one or {}).get("status", {}).get("conditions", []) if c["type"] == kind), {})


def is_complete(one, _pods):
    if not one:
        return False
    wanted = one["spec"]["replicas"]
    return (status(one, "observedGeneration") >= one["metadata"]["generation"] and
            all(status(one, f"{key}eplicas") == wanted for key in ("r", "updatedR", "readyR", "availableR")))


def deadline_over(one, _pods):
    return condition(one, "Progressing").get("reason") == "ProgressDeadlineExceeded"


def refused(one, _pods):
    return condition(one, "ReplicaFailure").get("status") == "True"


def waits_for(reason):
    def seen(_one, pods):
        return any(c.get("state", {}).get("waiting", {}).get("reason") == reason
                   for pod in pods for c in pod.get("status", {}).get("containerStatuses", []))
    return seen


def unscheduled(_one, pods):
    return any(c["type"] == "PodScheduled" and c["status"] == "False" for pod in pods for c in pod.get("status", {}).get("conditions", []))


def create(cluster, scenario, body):
    cluster.api.create(scenario.path.rsplit("/", 1)[0], body)


def creates(body):
    return lambda cluster, scenario: create(cluster, scenario, body)


def patches(spec):
    return lambda cluster, scenario: cluster.api.patch(scenario.path, {"spec": spec})


def deletes(cluster, scenario):
    cluster.api.delete(scenario.path)


def silence_node(cluster, _scenario):
    cluster.kill_nodes([cluster.nodes[3]])


BAD_TEMPLATE = {"template": {"metadata": {"annotations": {"behaves": "image-pull"}},
                             "spec": {"containers": [{"name": "app", "image": "registry.example/app:none"}]}}}
QUOTAS = {("gondor", "quota-scale"): {"pods": "2"}, ("rohan", "quota-new"): {"pods": "1"}}

SCENARIOS = (
    Scenario("healthy", "gondor", "apps", "web", "Complete", (), NO_HOLD, is_complete, body=deployment("web", 3)),
    Scenario("healthy, another cluster", "rohan", "apps", "web", "Complete", (), NO_HOLD, is_complete, body=deployment("web", 3)),
    Scenario("healthy, a third cluster", "shire", "apps", "web", "Complete", (), NO_HOLD, is_complete, body=deployment("web", 3)),
    Scenario("scaled to zero", "gondor", "apps", "idle", "Idle", (), NO_HOLD, is_complete, patches({"replicas": 0}),
             deployment("idle")),
    Scenario("quota", "rohan", "quota-new", "api", "Stalled", ("FailedCreate/Quota",), HOLD_CREATE, refused,
             creates(deployment("api", 3)), words="exceeded quota: q"),
    Scenario("image pull", "shire", "apps", "pull", "Stalled", ("ImagePull/ImagePullBackOff",), HOLD_POD,
             waits_for("ImagePullBackOff"), creates(deployment("pull", behaves="image-pull")), words="failed to resolve reference"),
    Scenario("crash loop", "gondor", "apps", "crash", "Stalled", ("CrashLoop",), HOLD_POD, waits_for("CrashLoopBackOff"),
             creates(deployment("crash", behaves="crash")), words="ack-off restarting failed container"),
    Scenario("out of memory", "rohan", "apps", "oom", "Stalled", ("CrashLoop/OOMKilled",), HOLD_POD, waits_for("CrashLoopBackOff"),
             creates(deployment("oom", behaves="oom"))),
    Scenario("too big", "gondor", "apps", "toobig", "Stalled", ("Unschedulable",), NO_HOLD, deadline_over,
             creates(deployment("toobig", 1, cpu="100")), words="Insufficient cpu"),
    Scenario("tainted", "shire", "apps", "tainted", "Stalled", ("Unschedulable",), NO_HOLD, deadline_over,
             creates(deployment("tainted", 1, selector={"pool": "gpu"})), words="dedicated: gpu"),
    Scenario("never ready", "rohan", "apps", "notready", "Stalled", ("NotReady",), NO_HOLD, deadline_over,
             creates(deployment("notready", behaves="never-ready")), words="Readiness probe failed"),
    Scenario("paused", "gondor", "apps", "paused", "Progressing", ("Paused",), NO_HOLD,
             lambda one, _: condition(one, "Progressing").get("reason") == "DeploymentPaused" and one["metadata"]["generation"] >= 2,
             patches({"paused": True, "template": {"metadata": {"annotations": {"version": "2"}}}}), deployment("paused")),
    Scenario("bad image over a good one", "shire", "apps", "badroll", "Stalled", ("ImagePull/ImagePullBackOff",), HOLD_POD,
             waits_for("ImagePullBackOff"), patches(BAD_TEMPLATE), deployment("badroll", 3)),
    Scenario("scale-up refused after completion", "gondor", "quota-scale", "scaleq", "Degraded", ("FailedCreate/Quota",), HOLD_CREATE,
             refused, patches({"replicas": 4}), deployment("scaleq"), words="exceeded quota: q"),
    Scenario("scale-up finds no room after completion", "rohan", "apps", "scalebig", "Degraded", ("Unschedulable",), HOLD_SCHEDULE,
             unscheduled, patches({"replicas": 9}), deployment("scalebig", cpu="2500m")),
    Scenario("node down", "rohan", "apps", "nodedown", "Degraded", ("NodeLost",), NO_HOLD,
             lambda one, _: bool(one) and status(one, "availableReplicas") < one["spec"]["replicas"], silence_node,
             deployment("nodedown", selector={"pool": "lonely"})),
    Scenario("missing in one cluster", "shire", "apps", "absent", "NotPropagated", ("NotPropagated",), 60, lambda one, _: one is None),
    Scenario("there in another cluster", "gondor", "apps", "absent", "Complete", (), NO_HOLD, is_complete, body=deployment("absent")),
    Scenario("deleted", "gondor", "apps", "deleted", "gone", (), 30, lambda one, _: one is None, deletes, deployment("deleted")),
)
DESIRED_STATE = """deployments:
  - {namespace: apps, name: absent, clusters: [gondor, shire]}
"""
