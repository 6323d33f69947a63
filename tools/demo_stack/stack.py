"""The processes of the demo: their configuration, start, supervision and end."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

CLUSTERS = {
    "gondor": {"environment": "production", "zone": "eu-1"},
    "rohan": {"environment": "production", "zone": "eu-2"},
    "shire": {"environment": "production", "zone": "us-1"},
}
SCRAPE_SECONDS = 5
# Order of ports after the first, which is aerie's.
SIMULATOR, NODE_EXPORTER, ALERTMANAGER, PROMETHEUS = 3, 4, 5, 6


class Failure(Exception):
    """Something that the reader of the terminal must know; ends the demo."""


class Missing(Failure):
    """A server that tools/fetch-servers brings is not there."""


class ChildEnded(Failure):
    """A server ended by itself: there is no point in going on."""


def die_with_parent():
    """Even a kill -9 of this script must not leave servers behind (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def get(url, timeout=5.0, data=None):
    """Status and text; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, TimeoutError):
        return 0, ""


class Child:
    """One server process with its log file."""

    def __init__(self, name, command, log, folder):
        self.name, self.command, self.log, self.folder = name, [str(part) for part in command], log, folder
        self.process = None

    def start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=subprocess.STDOUT, cwd=self.folder,
                                            stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, with_signal=signal.SIGTERM):
        if self.running():
            self.process.send_signal(with_signal)

    def wait(self, seconds):
        if self.process is None:
            return
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_lines(self, count=8):
        try:
            lines = pathlib.Path(self.log).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join("    " + line[:300] for line in lines[-count:])


class Stack:
    """Everything between start and Ctrl-C. Use as a context manager: leaving it ends all processes."""

    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(options.data)
        self.children = {}
        self.allowed_down = set()
        self.started_at = 0.0
        self.first_port = options.ports[0]

    def __enter__(self):
        signal.signal(signal.SIGTERM, self._interrupted)
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Senders first, so that what they still have is taken; then aerie, then those it sends to.
        order = list(reversed(self.children.values()))
        for group in (lambda n: n.startswith("prometheus"), lambda n: n == "aerie", lambda n: True):
            stopping = [child for child in order if group(child.name) and child.running()]
            for child in stopping:
                child.stop()
            for child in stopping:
                child.wait(10)

    @staticmethod
    def _interrupted(*_):
        raise KeyboardInterrupt

    def port(self, offset=0):
        return self.first_port + offset

    def url(self, path="", offset=0):
        return f"http://127.0.0.1:{self.port(offset)}{path}"

    # Preparation

    def _program(self, folder, name, how):
        path = pathlib.Path(folder) / name
        if not path.exists():
            kind = Failure if folder == self.options.build else Missing
            raise kind(f"{path} is missing: {how}")
        return path.resolve()

    def _choose_ports(self):
        for candidate in self.options.ports:
            self.first_port = candidate
            refusal = self._port_refusal()
            if refusal is None:
                return
        raise Failure(refusal)

    def _port_refusal(self):
        for offset in [0, SIMULATOR, NODE_EXPORTER, ALERTMANAGER] + [PROMETHEUS + i for i in range(2 * len(CLUSTERS))]:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self.options.host, self.port(offset)))
                except OSError as error:
                    return (f"port {self.port(offset)} cannot be used: {error.strerror}. Who has it: "
                            f"ss -ltnp 'sport = :{self.port(offset)}'. Other ports: --port N")
        return None

    def _prepare(self):
        if not self.options.keep:
            shutil.rmtree(self.folder / "data", ignore_errors=True)
        for name in ("servers", "logs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("data", "servers", "logs", "config"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def _write(self, name, text):
        path = (self.folder / "config" / name).resolve()
        path.write_text(text)
        return path

    def _aerie_config(self):
        rules = self._write("demo-rules.yml", RULES)
        shipped = sorted((self.options.root / "dashboards/rules").glob("*.yml"))
        files = "".join(f"  - {path}\n" for path in [rules, *shipped])
        return self._write("aerie.yml", f"""global:
  evaluation_interval: {SCRAPE_SECONDS}s
rule_files:
{files}alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{self.port(ALERTMANAGER)}"]}}]
""")

    def _prometheus_config(self, cluster, replica):
        labels = CLUSTERS[cluster]
        # aerie's own metrics reach aerie through gondor, as they would reach it through the cluster it runs in.
        own = f"""  - job_name: aerie
    static_configs: [{{targets: ["127.0.0.1:{self.port()}"]}}]
""" if cluster == "gondor" else ""
        return self._write(f"prometheus-{cluster}-{replica}.yml", f"""global:
  scrape_interval: {SCRAPE_SECONDS}s
  scrape_timeout: {SCRAPE_SECONDS - 1}s
  external_labels:
    cluster: {cluster}
    environment: {labels["environment"]}
    zone: {labels["zone"]}
    prometheus: monitoring/k8s
    prometheus_replica: prometheus-k8s-{replica}
scrape_configs:
  - job_name: kube-state-metrics
    honor_labels: true
    metrics_path: /clusters/{cluster}/metrics
    static_configs: [{{targets: ["127.0.0.1:{self.port(SIMULATOR)}"]}}]
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{self.port(NODE_EXPORTER)}"]}}]
{own}remote_write:
  - url: {self.url("/api/v1/write")}
    queue_config: {{batch_send_deadline: 1s, min_backoff: 100ms, max_backoff: 2s}}
""")

    def _add(self, name, command):
        self.children[name] = Child(name, command, str(self.folder / "logs" / f"{name}.log"), str(self.folder))

    def _alertmanager(self, how):
        """Debian's Alertmanager reads its templates from /usr/share, where nothing is installed: a copy of the program looks for
        them below its working directory instead (the same number of bytes in the place of the old path)."""
        original = self._program(self.options.programs, "prometheus-alertmanager", how)
        old = b"/usr/share/prometheus/alertmanager"
        content = original.read_bytes()
        if pathlib.Path(old.decode()).exists() or old not in content:
            return original
        new = b"share/prometheus/alertmanager"
        new = b"./" * ((len(old) - len(new)) // 2) + new
        new = new.replace(b"share/", b"share" + b"/" * (1 + len(old) - len(new)), 1)
        copy = self.folder.resolve() / "servers" / "alertmanager-program"
        copy.write_bytes(content.replace(old, new))
        copy.chmod(0o755)
        share = self.folder / "share"
        share.unlink(missing_ok=True)
        share.symlink_to(original.parent.parent / "share")
        return copy

    def _describe_children(self):
        options = self.options
        build = "build it first: make build"
        fetch = "fetch it first: tools/fetch-servers"
        servers = self.folder.resolve() / "servers"
        self._add("aerie", [self._program(options.build, "server/aerie", build), f"--config.file={self._aerie_config()}",
                            f"--storage.path={self.folder.resolve() / 'data'}", "--web.enable-lifecycle",
                            f"--web.listen-address={options.host}:{self.port()}"])
        self._add("alertmanager", [self._alertmanager(fetch),
                                   f"--config.file={self._write('alertmanager.yml', ALERTMANAGER_CONFIG)}",
                                   f"--storage.path={servers / 'alertmanager'}", "--cluster.listen-address=",
                                   f"--web.listen-address=127.0.0.1:{self.port(ALERTMANAGER)}"])
        self._add("fleet_sim", [self._program(options.build, "tools/fleet_sim", build), "--scenario=demo",
                                f"--clusters={','.join(CLUSTERS)}", f"--listen={options.host}:{self.port(SIMULATOR)}"])
        self._add("node_exporter", [self._program(options.programs, "prometheus-node-exporter", fetch),
                                    f"--web.listen-address=127.0.0.1:{self.port(NODE_EXPORTER)}"])
        for replica in (0, 1):
            for number, cluster in enumerate(CLUSTERS):
                port = self.port(PROMETHEUS + 2 * number + replica)
                self._add(prometheus_name(cluster, replica), [
                    self._program(options.programs, "prometheus", fetch),
                    f"--config.file={self._prometheus_config(cluster, replica)}",
                    f"--storage.tsdb.path={servers / prometheus_name(cluster, replica)}",
                    "--storage.tsdb.retention.time=2h", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"])

    # Life

    def start(self):
        self._choose_ports()
        self._prepare()
        self._describe_children()
        self.started_at = time.monotonic()
        for child in self.children.values():
            child.start()
        self.wait_for("aerie to be ready", lambda: get(self.url("/-/ready"))[0] == 200, 60)

    def check_children(self):
        for name, child in self.children.items():
            if name not in self.allowed_down and child.process is not None and not child.running():
                raise ChildEnded(f"{name} ended with code {child.process.returncode}. The end of {child.log}:\n"
                              f"{child.last_lines()}")

    def wait_for(self, what, condition, seconds):
        """Seconds since the call until `condition` held."""
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            self.check_children()
            if condition():
                return time.monotonic() - begin
            time.sleep(0.25)
        raise Failure(f"waited {seconds} s in vain for {what}; logs are in {self.folder / 'logs'}")

    def stop_child(self, name, with_signal=signal.SIGTERM):
        self.allowed_down.add(name)
        self.children[name].stop(with_signal)
        self.children[name].wait(20)

    def start_child(self, name):
        self.children[name].start()
        self.allowed_down.discard(name)

    def watch(self):
        """Until Ctrl-C. Whoever kills a server wants to see what happens: aerie comes back, a Prometheus on SIGUSR1."""
        signal.signal(signal.SIGUSR1, lambda *_: self._start_those_down())
        while True:
            for name, child in self.children.items():
                if name in self.allowed_down or child.running():
                    continue
                if child.process.returncode > 0:
                    self.check_children()
                print(f"{name} was stopped.", end=" ", flush=True)
                if name == "aerie":
                    time.sleep(1)
                    child.start()
                    print(f"Started again, pid {child.process.pid}.", flush=True)
                else:
                    self.allowed_down.add(name)
                    print(f"kill -USR1 {os.getpid()} starts it again.", flush=True)
            time.sleep(0.5)

    def _start_those_down(self):
        for name in list(self.allowed_down):
            self.start_child(name)
            print(f"{name} started again, pid {self.children[name].process.pid}.", flush=True)

    # Questions

    def api(self, path, offset=0):
        """The `data` of an answer in Prometheus's envelope, or None."""
        status, text = get(self.url(path, offset))
        try:
            answer = json.loads(text)
        except ValueError:
            return None
        return answer.get("data") if status == 200 and isinstance(answer, dict) else None

    def query(self, expression, at=None):
        """The result of an instant query: a list of {metric, value(s)}; empty when there is no answer."""
        params = {"query": expression}
        if at is not None:
            params["time"] = f"{at:.3f}"
        data = self.api("/api/v1/query?" + urllib.parse.urlencode(params))
        return data["result"] if data else []

    def clusters(self):
        data = self.api("/api/v1/clusters")
        return {row["cluster"]: row for row in data["clusters"]} if data else {}

    def deployment(self, space, name):
        data = self.api(f"/api/v1/deployments/{space}/{name}")
        return {row["cluster"]: row for row in data["clusters"]} if data else {}

    def alerts(self):
        status, text = get(self.url("/api/v2/alerts", ALERTMANAGER))
        return json.loads(text) if status == 200 else []

    def fault(self, cluster, name, deployment, on):
        order = json.dumps({"cluster": cluster, "fault": name, "deployment": deployment, "on": on}).encode()
        status, text = get(self.url("/faults", SIMULATOR), data=order)
        if status != 200:
            raise Failure(f"the simulator refused a fault: {status} {text}")

    def populated(self):
        rows = self.clusters()
        return all(rows.get(name, {}).get("state") == "fresh" and sum(rows[name]["deployments"].values()) > 0
                   for name in CLUSTERS)

    def wait_until_populated(self):
        print("Starting aerie, three clusters and their Prometheus pairs …", flush=True)
        self.wait_for("three fresh clusters", self.populated, 90)

    def guide(self):
        seconds = time.monotonic() - self.started_at
        return GUIDE.format(seconds=seconds, aerie=self.url(), simulator=self.url("", SIMULATOR),
                            alertmanager=self.url("", ALERTMANAGER), prometheus=self.url("", PROMETHEUS),
                            last=self.port(PROMETHEUS + 2 * len(CLUSTERS) - 1), logs=self.folder / "logs",
                            pid=self.children["aerie"].process.pid, demo=os.getpid(),
                            pair=" ".join(str(self.children[prometheus_name("shire", r)].process.pid) for r in (0, 1)))


def prometheus_name(cluster, replica):
    return f"prometheus-{cluster}-{replica}"


ALERTMANAGER_CONFIG = """route: {receiver: nobody, group_by: [alertname], group_wait: 1s}
receivers: [{name: nobody}]
"""

RULES = """groups:
  - name: demo
    interval: 5s
    rules:
      - alert: DemoRolloutBroken
        expr: aerie_deployment_phase{phase=~"Stalled|Degraded|NotPropagated"} == 1
        for: 10s
        labels: {severity: critical}
        annotations:
          summary: '{{ $labels.namespace }}/{{ $labels.deployment }} is {{ $labels.phase }} in {{ $labels.cluster }}'
      - alert: DemoClusterSilent
        expr: aerie_cluster_up == 0
        labels: {severity: critical}
        annotations: {summary: 'nothing arrives from {{ $labels.cluster }}'}
"""

GUIDE = """
Populated after {seconds:.0f} s.

  {aerie}/                       the page: three clusters, nginx stalled in shire
  {simulator}/                       the simulated clusters: switch faults on and off
  {alertmanager}/                       Alertmanager, fed by aerie
  {prometheus} … {last}         the Prometheus pairs of gondor, rohan and shire

Ask it:
  curl {aerie}/api/v1/clusters
  curl {aerie}/api/v1/deployments/shop/nginx
  curl -G {aerie}/api/v1/query --data-urlencode 'query=sum by (cluster) (rate(node_cpu_seconds_total[1m]))'
  curl {alertmanager}/api/v2/alerts

Break it:
  curl -d '{{"cluster":"gondor","fault":"bad_image","deployment":"shop/checkout","on":true}}' {simulator}/faults
  curl -d '{{"cluster":"shire","fault":"quota","deployment":"shop/nginx","on":false}}' {simulator}/faults    # repairs nginx
  kill {pair}   # both Prometheus of shire: Unknown, not Complete; kill -USR1 {demo} starts them again
  kill -9 {pid}          # aerie itself: it is started again, and nothing is lost

Logs are in {logs}. Ctrl-C ends everything.
"""
