#!/usr/bin/env python3
"""Plays the kubelets of a few nodes against a real API server: registers the nodes, renews their leases, and writes the status of the
pods bound to them. No container runs.

    fake_kubelet.py --server URL --ca FILE --token TOKEN --nodes a,b,c,d --control FILE

How a pod fares stands in its annotation `behaves` (absent: well): image-pull, crash, oom, never-ready. FILE is JSON and read again all the
time: {"dead": ["b"]} makes the kubelet of b fall silent.
"""
import argparse
import datetime
import json
import pathlib
import threading
import time

from api import Api, ApiError

TICK_SECONDS = 0.2
LEASE_SECONDS = 3
STARTUP_SECONDS = 0.6
PULL_SECONDS = 1.5          # then the second attempt fails and the back-off begins
RESTART_SECONDS = 6         # between two crashes
POOLS = ("plain", "plain", "gpu", "lonely")  # label of the nodes in turn; gpu is tainted, on lonely nothing else runs


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Kubelets:
    def __init__(self, api: Api, nodes, control: pathlib.Path):
        self.api, self.nodes, self.control = api, nodes, control
        self.lock = threading.Lock()
        self.pods = {}       # uid -> pod, guarded by lock
        self.first_seen = {}
        self.written = {}    # uid -> what was last written, without times
        self.events = set()

    def dead(self):
        try:
            return set(json.loads(self.control.read_text())["dead"])
        except (OSError, ValueError, KeyError):
            return set()

    # Nodes

    def register(self):
        for index, name in enumerate(self.nodes):
            body = {"apiVersion": "v1", "kind": "Node",
                    "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "pool": POOLS[index]}}}
            if POOLS[index] == "gpu":
                body["spec"] = {"taints": [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]}
            self.api.create("/api/v1/nodes", body)
            size = {"cpu": "8", "memory": "16Gi", "pods": "110"}
            self.api.patch(f"/api/v1/nodes/{name}/status", {"status": {
                "capacity": size, "allocatable": size, "conditions": [
                    {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": now(),
                     "lastTransitionTime": now()}]}})
            self.api.create("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", {
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
                "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": micro_now()}})

    def renew_leases(self):
        while True:
            dead = self.dead()
            for name in self.nodes:
                if name in dead:
                    continue
                try:
                    self.api.patch(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}",
                                   {"spec": {"renewTime": micro_now()}})
                except (ApiError, OSError):
                    pass
            time.sleep(LEASE_SECONDS)

    # Pods

    def follow_pods(self):
        while True:
            try:
                listed = self.api.get("/api/v1/pods")
                with self.lock:
                    self.pods = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
                for kind, pod in self.api.watch("/api/v1/pods", listed["metadata"]["resourceVersion"]):
                    if kind == "ERROR":
                        break
                    with self.lock:
                        if kind == "DELETED":
                            self.pods.pop(pod["metadata"]["uid"], None)
                        else:
                            self.pods[pod["metadata"]["uid"]] = pod
            except (ApiError, OSError, ValueError):
                time.sleep(0.5)

    def run(self):
        self.register()
        for work in (self.renew_leases, self.follow_pods):
            threading.Thread(target=work, daemon=True).start()
        while True:
            with self.lock:
                pods = list(self.pods.items())
            dead = self.dead()
            for uid, pod in pods:
                if pod["spec"].get("nodeName") in self.nodes and pod["spec"]["nodeName"] not in dead:
                    try:
                        self.tend(uid, pod)
                    except (ApiError, OSError):
                        pass  # changed under our hands; the next tick sees it
            time.sleep(TICK_SECONDS)

    def tend(self, uid, pod):
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        if pod["metadata"].get("deletionTimestamp"):
            self.api.delete(path)
            return
        age = time.monotonic() - self.first_seen.setdefault(uid, time.monotonic())
        behaviour = pod["metadata"].get("annotations", {}).get("behaves", "")
        phase, ready, state, last, restarts, event = fate(behaviour, age, pod["spec"]["containers"][0]["image"])
        mark = json.dumps([phase, ready, state, last, restarts])
        if self.written.get(uid) == mark:
            return
        condition = {True: "True", False: "False"}[ready]
        container = pod["spec"]["containers"][0]
        if "running" in state:
            state["running"]["startedAt"] = now()
        self.api.patch(path + "/status", {"status": {
            "phase": phase, "startTime": pod["status"].get("startTime", now()),
            "conditions": [{"type": kind, "status": value, "lastTransitionTime": now()} for kind, value in (
                ("Initialized", "True"), ("Ready", condition), ("ContainersReady", condition), ("PodScheduled", "True"))],
            "containerStatuses": [{"name": container["name"], "image": container["image"], "imageID": "", "ready": ready,
                                   "restartCount": restarts, "state": state, "lastState": last}]}})
        self.written[uid] = mark
        if event and (uid, event[0]) not in self.events:
            self.events.add((uid, event[0]))
            self.report(pod, *event)

    def report(self, pod, reason, message):
        space = pod["metadata"]["namespace"]
        self.api.create(f"/api/v1/namespaces/{space}/events", {
            "apiVersion": "v1", "kind": "Event", "metadata": {"generateName": pod["metadata"]["name"] + "."},
            "involvedObject": {"kind": "Pod", "namespace": space, "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
            "reason": reason, "message": message, "type": "Warning", "count": 1, "firstTimestamp": now(), "lastTimestamp": now(),
            "source": {"component": "kubelet", "host": pod["spec"]["nodeName"]}})


def fate(behaviour: str, age: float, image: str):
    """phase, ready, state, last state, restarts, event: of a pod `age` seconds after its kubelet heard of it."""
    def waiting(reason, message=""):
        return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    if behaviour == "image-pull" and age >= STARTUP_SECONDS:
        event = ("Failed", f'Failed to pull image "{image}": rpc error: code = NotFound: failed to resolve reference "{image}"')
        if age < STARTUP_SECONDS + PULL_SECONDS:
            return "Pending", False, waiting("ErrImagePull", event[1]), {}, 0, event
        return "Pending", False, waiting("ImagePullBackOff", f'Back-off pulling image "{image}"'), {}, 0, event
    if age < STARTUP_SECONDS:
        return "Pending", False, waiting("ContainerCreating"), {}, 0, None
    if behaviour in ("crash", "oom"):
        restarts = int((age - STARTUP_SECONDS) / RESTART_SECONDS)
        ended = {"reason": "OOMKilled", "exitCode": 137} if behaviour == "oom" else {"reason": "Error", "exitCode": 1}
        within = (age - STARTUP_SECONDS) % RESTART_SECONDS
        last = {"terminated": ended} if restarts else {}
        if within < 1:
            return "Running", False, {"running": {}}, last, restarts, None
        return ("Running", False, waiting("CrashLoopBackOff", "back-off restarting failed container"), {"terminated": ended}, restarts,
                ("BackOff", "Back-off restarting failed container"))
    if behaviour == "never-ready":
        return "Running", False, {"running": {}}, {}, 0, ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    return "Running", True, {"running": {}}, {}, 0, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("server", "ca", "token", "nodes", "control"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    Kubelets(Api(given.server, given.ca, given.token), given.nodes.split(","), pathlib.Path(given.control)).run()


if __name__ == "__main__":
    main()
