"""Turns the objects of API servers into kube-state-metrics text, served as /clusters/NAME/metrics: what path 1 of the matrix scrapes.

Written after the documentation of kube-state-metrics; only the series that verdicts read. `flavour` is the version it speaks like:
"2.17" (conditions with reasons), "2.4" (without), "1.9" (no ready count of Deployments, a closed list of waiting reasons as 0 and 1).
"""
import http.server
import re
import threading

WAITING_1_9 = ("ContainerCreating", "CrashLoopBackOff", "CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff",
               "CreateContainerError", "InvalidImageName")
UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 1024, "Mi": 1024 ** 2, "Gi": 1024 ** 3}
CONDITION_REASONS = {"ReplicaSetUpdated", "ReplicaSetCreateError", "NewReplicaSetCreated", "FoundNewReplicaSet",
                     "NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused", "DeploymentResumed",
                     "MinimumReplicasAvailable", "MinimumReplicasUnavailable"}


def quantity(text) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * UNITS[unit]


class Text:
    """The exposition of one cluster, in the making."""

    def __init__(self):
        self.lines = []

    def add(self, name, value, **labels):
        inner = ",".join('{}="{}"'.format(key, str(one).replace("\\", r"\\").replace('"', r'\"')) for key, one in labels.items())
        self.lines.append(f"{name}{{{inner}}} {value}")

    def status(self, name, truth, **labels):
        for one in ("true", "false", "unknown"):
            self.add(name, int(truth.lower() == one), **labels, status=one)


def of_deployment(out: Text, one, flavour):
    spec, status = one["spec"], one.get("status", {})
    labels = {"namespace": one["metadata"]["namespace"], "deployment": one["metadata"]["name"]}
    out.add("kube_deployment_spec_replicas", spec.get("replicas", 1), **labels)
    out.add("kube_deployment_spec_paused", int(spec.get("paused", False)), **labels)
    out.add("kube_deployment_metadata_generation", one["metadata"]["generation"], **labels)
    out.add("kube_deployment_status_observed_generation", status.get("observedGeneration", 0), **labels)
    for series, key in (("replicas", "replicas"), ("replicas_ready", "readyReplicas"), ("replicas_available", "availableReplicas"),
                        ("replicas_unavailable", "unavailableReplicas"), ("replicas_updated", "updatedReplicas")):
        if series != "replicas_ready" or flavour != "1.9":
            out.add(f"kube_deployment_status_{series}", status.get(key, 0), **labels)
    for condition in status.get("conditions", []):
        reason = condition.get("reason", "")
        more = {"reason": reason if reason in CONDITION_REASONS else "unknown"} if flavour == "2.17" else {}
        out.status("kube_deployment_status_condition", condition["status"], **labels, condition=condition["type"], **more)


def of_replica_set(out: Text, one, flavour):
    labels = {"namespace": one["metadata"]["namespace"], "replicaset": one["metadata"]["name"]}
    out.add("kube_replicaset_spec_replicas", one["spec"].get("replicas", 1), **labels)
    out.add("kube_replicaset_status_replicas", one.get("status", {}).get("replicas", 0), **labels)
    out.add("kube_replicaset_status_ready_replicas", one.get("status", {}).get("readyReplicas", 0), **labels)
    for owner in one["metadata"].get("ownerReferences", []):
        out.add("kube_replicaset_owner", 1, **labels, owner_kind=owner["kind"], owner_name=owner["name"], owner_is_controller="true")
    if flavour == "2.17":
        revision = one["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", "")
        out.add("kube_replicaset_annotations", 1, **labels, annotation_deployment_kubernetes_io_revision=revision)


def of_pod(out: Text, one, flavour):
    spec, status = one["spec"], one.get("status", {})
    labels = {"namespace": one["metadata"]["namespace"], "pod": one["metadata"]["name"]}
    for owner in one["metadata"].get("ownerReferences", []):
        out.add("kube_pod_owner", 1, **labels, owner_kind=owner["kind"], owner_name=owner["name"], owner_is_controller="true")
    out.add("kube_pod_info", 1, **labels, node=spec.get("nodeName", ""), created_by_kind="ReplicaSet")
    for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown"):
        out.add("kube_pod_status_phase", int(status.get("phase") == phase), **labels, phase=phase)
    if flavour == "2.17" and "deletionTimestamp" in one["metadata"]:
        out.add("kube_pod_deletion_timestamp", 1, **labels)
    for condition in status.get("conditions", []):
        for kind, series in (("Ready", "ready"), ("PodScheduled", "scheduled")):
            if condition["type"] == kind:
                for truth in ("true", "false", "unknown"):
                    out.add(f"kube_pod_status_{series}", int(condition["status"].lower() == truth), **labels, condition=truth)
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            out.add("kube_pod_status_unschedulable", 1, **labels)
    for container in status.get("containerStatuses", []):
        of_container(out, container, {**labels, "container": container["name"]}, flavour)
    for container in spec["containers"]:
        for resource, amount in container.get("resources", {}).get("requests", {}).items():
            out.add("kube_pod_container_resource_requests", quantity(amount), **labels, container=container["name"], resource=resource,
                    unit="core" if resource == "cpu" else "byte", node=spec.get("nodeName", ""))


def of_container(out: Text, container, labels, flavour):
    out.add("kube_pod_container_status_restarts_total", container["restartCount"], **labels)
    reason = container.get("state", {}).get("waiting", {}).get("reason")
    if flavour == "1.9":
        for one in WAITING_1_9:
            out.add("kube_pod_container_status_waiting_reason", int(one == reason), **labels, reason=one)
    elif reason:
        out.add("kube_pod_container_status_waiting_reason", 1, **labels, reason=reason)
    last = container.get("lastState", {}).get("terminated")
    if last:
        out.add("kube_pod_container_status_last_terminated_reason", 1, **labels, reason=last["reason"])
        if flavour != "1.9":
            out.add("kube_pod_container_status_last_terminated_exitcode", last["exitCode"], **labels)


def of_node(out: Text, one, _):
    for condition in one["status"].get("conditions", []):
        out.status("kube_node_status_condition", condition["status"], node=one["metadata"]["name"], condition=condition["type"])


def of_quota(out: Text, one, _):
    for kind in ("hard", "used"):
        for resource, amount in one.get("status", {}).get(kind, {}).items():
            out.add("kube_resourcequota", quantity(amount), namespace=one["metadata"]["namespace"], resourcequota=one["metadata"]["name"],
                    resource=resource, type=kind)


def of_namespace(out: Text, one, _):
    out.add("kube_namespace_status_phase", 1, namespace=one["metadata"]["name"], phase=one["status"]["phase"])


SOURCES = (("/apis/apps/v1/deployments", of_deployment), ("/apis/apps/v1/replicasets", of_replica_set), ("/api/v1/pods", of_pod),
           ("/api/v1/nodes", of_node), ("/api/v1/resourcequotas", of_quota), ("/api/v1/namespaces", of_namespace))


def exposition(api, flavour: str) -> str:
    out = Text()
    for path, write in SOURCES:
        for one in api.get(path)["items"]:
            write(out, one, flavour)
    return "\n".join(out.lines) + "\n"


def serve(clusters: dict, port: int):
    """`clusters`: name -> (Api, flavour). Serves from a thread of its own until the process ends."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):  # noqa: N802
            api, flavour = clusters[self.path.split("/")[2]]
            try:
                status, body = 200, exposition(api, flavour).encode()
            except Exception as error:  # noqa: BLE001  (an API server that does not answer is a failed scrape)
                status, body = 503, str(error).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
