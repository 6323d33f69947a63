#!/usr/bin/env python3
"""The matrix of faults on three real Kubernetes clusters: does aerie name phase and cause right, and in time?

    matrix.py AERIE FOLDER THIRD_PARTY [--paths 1,2] [--report FILE]

THIRD_PARTY holds kubernetes/bin (build_kubernetes) and usr/bin (tools/fetch-servers). Path 1: an exporter of kube-state-metrics text, a
real Prometheus per cluster, remote write. Path 2: aerie asks the API servers itself. Both aeries look at the same clusters at the same
time. Exits 77 when a program is missing, 1 when a verdict is wrong, late, or an API server saw a write. Takes about 5 minutes.
"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import kube_state
from cluster import Cluster, free_ports
from scenarios import DESIRED_STATE, QUOTAS, SCENARIOS, create

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))
from demo_stack.stack import Child, get  # noqa: E402

SCRAPE_SECONDS = 5
OWN_TIME = {1: 2 * SCRAPE_SECONDS + 15, 2: 5}  # what each path may add to a hold
UNKNOWN_SECONDS = 90
POLL_SECONDS = 0.5
FLAVOURS = {"gondor": "2.17", "rohan": "2.4", "shire": "1.9"}
CUT_OFF = "shire"
Said = collections.namedtuple("Said", "at phase reason message")


class Truth(threading.Thread):
    """Asks the API servers all the time and notes when each scenario's truth began."""

    def __init__(self, clusters):
        super().__init__(daemon=True)
        self.clusters, self.began, self.waiting, self.lock = clusters, {}, set(), threading.Lock()
        self.paused = set()

    def expect(self, scenario):
        with self.lock:
            self.began.pop(scenario.name, None)
            self.waiting.add(scenario.name)

    def run(self):
        while True:
            for cluster in self.clusters.values():
                if cluster.name not in self.paused:
                    try:
                        self._look(cluster)
                    except Exception:  # noqa: BLE001
                        pass  # asked again in half a second
            time.sleep(POLL_SECONDS)

    def _look(self, cluster):
        deployments = {(one["metadata"]["namespace"], one["metadata"]["name"]): one
                       for one in cluster.api.get("/apis/apps/v1/deployments")["items"]}
        pods = cluster.api.get("/api/v1/pods")["items"]
        now = time.monotonic()
        for scenario in SCENARIOS:
            if scenario.cluster != cluster.name or scenario.name not in self.waiting:
                continue
            own = [pod for pod in pods if pod["metadata"].get("labels", {}).get("app") == scenario.deployment and
                   pod["metadata"]["namespace"] == scenario.space]
            if scenario.truth(deployments.get((scenario.space, scenario.deployment)), own):
                with self.lock:
                    self.began[scenario.name] = now
                    self.waiting.discard(scenario.name)


class Ear(threading.Thread):
    """Asks one aerie all the time and keeps what it said of each Deployment, changes only."""

    def __init__(self, path, url):
        super().__init__(daemon=True)
        self.path, self.url, self.said = path, url, collections.defaultdict(list)

    def run(self):
        while True:
            status, text = get(self.url + "/api/v1/deployments")
            now = time.monotonic()
            if status == 200:
                rows = {}
                data = json.loads(text)["data"]
                for row in data["deployments"] if isinstance(data, dict) else data:
                    rows[(row["cluster"], row["namespace"], row["name"])] = Said(now, row["phase"], row["reason"], row["message"])
                for key in set(rows) | set(self.said):
                    new = rows.get(key, Said(now, "gone", "", ""))
                    if not self.said[key] or self.said[key][-1][1:3] != new[1:3]:
                        self.said[key].append(new)
                    else:  # the same verdict; its words may have become more exact
                        self.said[key][-1] = self.said[key][-1]._replace(message=new.message)
            time.sleep(POLL_SECONDS)

    def latest(self, scenario):
        said = self.said.get((scenario.cluster, scenario.space, scenario.deployment))
        return said[-1] if said else Said(0, "gone", "", "")


def right(scenario, said) -> bool:
    if scenario.phase == "gone":
        return said.phase in ("gone", "NotPropagated")
    return said.phase == scenario.phase and (not scenario.reasons or said.reason.startswith(scenario.reasons))


class Matrix:
    def __init__(self, given):
        self.given, self.folder = given, pathlib.Path(given.folder).resolve()
        third_party = pathlib.Path(given.third_party).resolve()
        self.servers, self.kubernetes = third_party / "usr/bin", third_party / "kubernetes/bin"
        self.paths = [int(one) for one in given.paths.split(",")]
        self.children, self.clusters, self.ears, self.failures, self.rows = [], {}, {}, [], []

    def missing(self):
        wanted = [self.servers / "prometheus", self.servers / "etcd", self.kubernetes / "kube-apiserver"]
        return [str(one) for one in wanted if not one.exists()]

    def say(self, text):
        print(f"{time.monotonic() - self.started:6.1f} s  {text}", flush=True)

    # Start

    def start(self):
        self.started = time.monotonic()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for name in FLAVOURS:
            self.clusters[name] = Cluster(name, self.folder, self.kubernetes, self.servers)
            self.clusters[name].start()
        for cluster in self.clusters.values():
            cluster.finish_start()
        self.say("three clusters are up")
        ports = free_ports(2 + len(self.paths) + len(self.clusters))
        self.exporter_port = ports.pop()
        kube_state.serve({name: (cluster.api, FLAVOURS[name]) for name, cluster in self.clusters.items()}, self.exporter_port)
        (self.folder / "desired.yml").write_text(DESIRED_STATE)
        for path in self.paths:
            self.start_aerie(path, ports.pop())
        for name in self.clusters if 1 in self.paths else ():
            self.start_prometheus(name, ports.pop())

    def child(self, name, *command):
        child = Child(name, command, self.folder / f"{name}.log", self.folder)
        child.start()
        self.children.append(child)
        return child

    def start_aerie(self, path, port):
        config = f"desired_state:\n  file: {self.folder}/desired.yml\n"
        if path == 2:
            config += "kubernetes:\n"
            for index, (name, cluster) in enumerate(self.clusters.items()):
                config += f"  - {{cluster: {name}, environment: production, kubeconfig: {cluster.reader_kubeconfig(index == 1)}}}\n"
        file = self.folder / f"aerie-{path}.yml"
        file.write_text(config)
        self.child(f"aerie-{path}", pathlib.Path(self.given.aerie).resolve(), f"--config.file={file}", f"--storage.path={self.folder}/data-{path}",
                   f"--web.listen-address=127.0.0.1:{port}", "--log.level=debug")
        self.ears[path] = Ear(path, f"http://127.0.0.1:{port}")

    def start_prometheus(self, name, port):
        file = self.folder / f"prometheus-{name}.yml"
        file.write_text(f"""global:
  scrape_interval: {SCRAPE_SECONDS}s
  scrape_timeout: {SCRAPE_SECONDS - 1}s
  external_labels: {{cluster: {name}, environment: production, prometheus: main, prometheus_replica: a}}
scrape_configs:
  - job_name: kube-state-metrics
    honor_labels: true
    metrics_path: /clusters/{name}/metrics
    static_configs: [{{targets: ["127.0.0.1:{self.exporter_port}"]}}]
remote_write:
  - url: {self.ears[1].url}/api/v1/write
    queue_config: {{max_backoff: 1s, batch_send_deadline: 1s}}
""")
        self.child(f"prometheus-{name}", self.servers / "prometheus", f"--config.file={file}",
                   f"--storage.tsdb.path={self.folder}/prometheus-{name}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")

    # The play

    def prepare(self):
        for cluster in self.clusters.values():
            for space in sorted({one.space for one in SCENARIOS if one.cluster == cluster.name}):
                cluster.api.create("/api/v1/namespaces", {"metadata": {"name": space}})
                if (cluster.name, space) in QUOTAS:
                    cluster.api.create(f"/api/v1/namespaces/{space}/resourcequotas",
                                       {"metadata": {"name": "q"}, "spec": {"hard": QUOTAS[(cluster.name, space)]}})
        self.truth = Truth(self.clusters)
        self.truth.start()
        for ear in self.ears.values():
            ear.start()
        for scenario in SCENARIOS:
            if scenario.body is not None:
                create(self.clusters[scenario.cluster], scenario, scenario.body)
            if scenario.befall is None:
                self.truth.expect(scenario)
        self.say("Deployments created")
        self.wait(lambda: all(ear.latest(one).phase == "Complete" for ear in self.ears.values() for one in SCENARIOS if one.body),
                  90, lambda: [(ear.path, one.name, ear.latest(one)[1:3]) for ear in self.ears.values() for one in SCENARIOS
                               if one.body and ear.latest(one).phase != "Complete"])
        self.say("all that was created is Complete")

    def wait(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for child in self.children:
                if not child.running():
                    raise AssertionError(f"{child.name} ended:\n{child.last_lines(20)}")
            if condition():
                return True
            time.sleep(0.2)
        self.failures.append(f"waited {seconds} s: {what()}")
        print(f"FAIL  {self.failures[-1]}", flush=True)
        return False

    def befall(self):
        for scenario in SCENARIOS:
            if scenario.befall is not None:
                scenario.befall(self.clusters[scenario.cluster], scenario)
                self.truth.expect(scenario)
        self.say("faults made")
        longest = max(one.hold for one in SCENARIOS) + OWN_TIME[min(self.paths)]
        end = time.monotonic() + 45 + longest  # 45 s: the slowest truth, a deadline or a dead node
        while time.monotonic() < end and not self.settled():
            time.sleep(1)
        self.say("verdicts have settled" if self.settled() else "time is up")
        time.sleep(10)  # and must stay so

    def settled(self):
        return all(one.name in self.truth.began and right(one, ear.latest(one)) for one in SCENARIOS for ear in self.ears.values())

    def judge(self):
        for scenario in SCENARIOS:
            truth = self.truth.began.get(scenario.name)
            row = [scenario.name, scenario.cluster, " ".join([scenario.phase, *scenario.reasons[:1]])]
            for ear in self.ears.values():
                row.append(self.judge_one(scenario, ear, truth))
            self.rows.append(row)

    def judge_one(self, scenario, ear, truth) -> str:
        said = ear.latest(scenario)
        bound = scenario.hold + OWN_TIME[ear.path]
        shown = f"{said.phase} {said.reason}".strip()
        if truth is None:
            verdict, after = "its truth never came", None
        else:
            after = said.at - truth
            verdict = "wrong" if not right(scenario, said) else "late" if after > bound else ""
            if not verdict and ear.path == 2 and scenario.words not in said.message:
                verdict = f"without the words '{scenario.words}'"
        if verdict:
            history = self.ears[ear.path].said[(scenario.cluster, scenario.space, scenario.deployment)]
            told = ", ".join(f"{one.at - (truth or one.at):+.1f} s {one.phase} {one.reason}" for one in history)
            self.failures.append(f"path {ear.path}, {scenario.name}: {verdict}: {shown} (bound {bound} s; {told}; {said.message})")
            print(f"FAIL  {self.failures[-1]}", flush=True)
        else:
            print(f"ok    path {ear.path}, {scenario.name}: {shown} after {after:.1f} s of at most {bound} s", flush=True)
        return f"{shown}, {max(after or 0, 0):.1f} s of {bound} s" + (f" ({verdict})" if verdict else "")

    def cut_off(self):
        self.truth.paused.add(CUT_OFF)
        began = time.monotonic()
        self.hold_prometheus(signal.SIGSTOP)
        self.clusters[CUT_OFF].cut(True)
        self.say(f"{CUT_OFF} is cut off")

        def rows(ear):
            return {key: said[-1] for key, said in ear.said.items() if key[0] == CUT_OFF and said[-1].phase != "gone"}
        row = ["cluster cut off", CUT_OFF, "Unknown within 90 s, never Complete"]
        waiting, times = dict(self.ears), {}
        while waiting and time.monotonic() - began < UNKNOWN_SECONDS + 10:
            for path, ear in list(waiting.items()):
                if all(said.phase == "Unknown" for said in rows(ear).values()):
                    times[path] = max(said.at for said in rows(ear).values()) - began
                    del waiting[path]
            time.sleep(POLL_SECONDS)
        time.sleep(10)
        for path, ear in self.ears.items():
            last = {key[2]: f"{said.phase} {said.reason}" for key, said in rows(ear).items() if said.phase != "Unknown"}
            good = path in times and times[path] <= UNKNOWN_SECONDS and not last
            self.note(good, f"path {path}, cluster cut off: Unknown after {times.get(path, 0):.1f} s {last or ''}")
            row.append(f"Unknown, {times[path]:.1f} s of {UNKNOWN_SECONDS} s" if good else "wrong")
        self.rows.append(row)
        self.clusters[CUT_OFF].cut(False)
        self.hold_prometheus(signal.SIGCONT)
        back = time.monotonic()
        web = next(one for one in SCENARIOS if one.cluster == CUT_OFF and one.phase == "Complete")
        self.wait(lambda: all(ear.latest(web).phase == "Complete" for ear in self.ears.values()), 60, lambda: "no recovery after the cut")
        self.rows.append(["back again", CUT_OFF, "Complete", *[f"Complete, {ear.latest(web).at - back:.1f} s" for ear in self.ears.values()]])

    def hold_prometheus(self, with_signal):
        for child in self.children:
            if child.name == f"prometheus-{CUT_OFF}":
                child.process.send_signal(with_signal)

    def note(self, good, text):
        print(f"{'ok   ' if good else 'FAIL '} {text}", flush=True)
        if not good:
            self.failures.append(text)

    def audit(self):
        seen = collections.Counter(verb for cluster in self.clusters.values() for verb, _ in cluster.requests_of_aerie())
        self.verbs = ", ".join(f"{count} {verb}" for verb, count in sorted(seen.items())) or "none"
        self.note(set(seen) <= {"get", "list", "watch"}, f"requests of aerie in the audit logs: {self.verbs}")
        if 2 in self.paths:
            self.note({"list", "watch"} <= set(seen), "aerie listed and watched as its own users")

    def base_is_accepted(self):
        """A real API server takes what the Kustomize base and the senders' files hold, as far as it knows the kinds."""
        cluster = self.clusters["gondor"]
        admin = cluster.folder / "admin.kubeconfig"
        kubectl = [str(self.servers / "kubectl"), f"--kubeconfig={admin}", "--cache-dir", str(self.folder / "kubectl")]
        packaging = HERE.parent.parent / "packaging/kubernetes"
        built = subprocess.run([*kubectl, "kustomize", str(packaging / "base")], capture_output=True, text=True, check=True).stdout
        foreign = ("kind: ServiceMonitor", "kind: PrometheusRule")  # of prometheus-operator
        ours = [one for one in built.split("\n---\n") if not any(kind in one for kind in foreign)]
        ours.append((packaging / "senders/read-only-user.yaml").read_text())
        for space in ("aerie", "monitoring"):
            cluster.api.create("/api/v1/namespaces", {"metadata": {"name": space}})
        done = subprocess.run([*kubectl, "apply", "--dry-run=server", "-f", "-"], input="\n---\n".join(ours), capture_output=True,
                              text=True, check=False)
        self.note(done.returncode == 0, f"the API server accepts {len(done.stdout.splitlines())} objects of packaging/kubernetes"
                  + ("" if done.returncode == 0 else f": {done.stderr.strip()}"))

    def cost(self) -> str:
        """What each aerie took of the machine so far."""
        told = []
        for path in self.paths:
            process = next(child for child in self.children if child.name == f"aerie-{path}").process.pid
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            peak = next(line for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM"))
            told.append(f"path {path} {seconds:.1f} CPU seconds, {int(peak.split()[1]) // 1024} MB at most")
        return "; ".join(told)

    def report(self, path: pathlib.Path):
        commit = subprocess.run(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
        head = ["case", "cluster", "must be"] + [f"path {one}" for one in self.paths]
        lines = ["# Last run of the Kubernetes matrix", "",
                 f"Commit {commit.strip()}, {time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores; made by `make test-kubernetes`. "
                 "Three real control planes (1.20.2) with fake kubelets; `tests/kubernetes/scenarios.py` has the cases. Path 1: "
                 "kube-state-metrics series (2.17 in gondor, 2.4 in rohan, 1.9 in shire) through a real Prometheus, scraped every "
                 f"{SCRAPE_SECONDS} s; path 2: the API servers themselves. Times run from when the API server shows the fact; the bound is "
                 "the hold of the cause plus the path's own time.", "",
                 "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        lines += ["", f"Requests of aerie in the audit logs of the three API servers: {self.verbs}; no write.",
                  f"aerie itself, over {time.monotonic() - self.started:.0f} s: {self.cost()}.", "", f"{len(self.failures)} failures{':' if self.failures else '.'}"]
        path.write_text("\n".join(lines + [f"- {one}" for one in self.failures]) + "\n")

    def stop(self):
        for child in reversed(self.children):
            if child.running():
                child.process.send_signal(signal.SIGCONT)
                child.stop()
        for child in self.children:
            child.wait(10)
        for cluster in self.clusters.values():
            cluster.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("aerie", "folder", "third_party"):
        parser.add_argument(name)
    parser.add_argument("--paths", default="1,2")
    parser.add_argument("--report")
    given = parser.parse_args()
    matrix = Matrix(given)
    if matrix.missing():
        print(f"matrix: missing {', '.join(matrix.missing())}: tests/kubernetes/build_kubernetes and tools/fetch-servers bring them")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        matrix.start()
        matrix.prepare()
        matrix.befall()
        matrix.judge()
        matrix.cut_off()
        matrix.base_is_accepted()
        matrix.audit()
        if given.report:
            matrix.report(pathlib.Path(given.report))
    finally:
        matrix.stop()
    total = len(matrix.rows) * len(matrix.paths)
    print(f"{total - len(matrix.failures)} passed, {len(matrix.failures)} failed in {time.monotonic() - matrix.started:.0f} s")
    return 1 if matrix.failures else 0


if __name__ == "__main__":
    sys.exit(main())
