"""One real control plane on loopback: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and fake kubelets."""
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

from api import Api, ApiError

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))
from demo_stack.stack import Child  # noqa: E402

ADMIN, READER, READER_CERTIFICATE = "admin-token", "reader-token", "aerie-certificate"
NODE_GRACE_SECONDS = 16
AUDIT_POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    users: [aerie, aerie-certificate]
  - level: None
"""
# The same as packaging/kubernetes/senders/read-only-user.yaml grants; tests/packaging/manifests_test.py compares them.
READER_ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "aerie"},
    "rules": [{"apiGroups": [""], "resources": ["pods", "nodes", "events", "resourcequotas", "namespaces"], "verbs": ["list", "watch"]},
              {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["list", "watch"]}]}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def openssl(*words, text=""):
    subprocess.run(["openssl", *map(str, words)], input=text, text=True, check=True, capture_output=True)


class Cluster:
    def __init__(self, name: str, folder: pathlib.Path, kubernetes: pathlib.Path, servers: pathlib.Path):
        self.name, self.folder = name, folder / name
        self.folder.mkdir(parents=True)
        self.programs = {"etcd": servers / "etcd", **{one: kubernetes / one for one in (
            "kube-apiserver", "kube-controller-manager", "kube-scheduler")}}
        self.etcd_port, self.peer_port, self.port, self.manager_port, self.scheduler_port = free_ports(5)
        self.server = f"https://127.0.0.1:{self.port}"
        self.nodes = [f"{name}-node-{i}" for i in (1, 2, 3, 4)]
        self.children = {}
        self.control = self.folder / "control.json"
        self.audit_log = self.folder / "audit.log"
        self._certificates()
        self.api = Api(self.server, str(self.folder / "ca.crt"), ADMIN)

    def _certificates(self):
        def path(name):
            return self.folder / name
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", "-x509", *key, "-keyout", path("ca.key"), "-out", path("ca.crt"), "-subj", "/CN=test-ca", "-days", "30")
        for name, subject, extension in (("server", "/CN=kube-apiserver", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
                                         ("reader", f"/CN={READER_CERTIFICATE}", "extendedKeyUsage=clientAuth")):
            path("extension").write_text(extension)
            openssl("req", *key, "-keyout", path(f"{name}.key"), "-out", path(f"{name}.csr"), "-subj", subject)
            openssl("x509", "-req", "-in", path(f"{name}.csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key"), "-CAcreateserial",
                    "-days", "30", "-out", path(f"{name}.crt"), "-extfile", path("extension"))
        openssl("genrsa", "-out", path("accounts.key"), "2048")
        path("tokens.csv").write_text(f"{ADMIN},admin,admin,system:masters\n{READER},aerie,aerie\n")
        path("audit.yml").write_text(AUDIT_POLICY)

    def kubeconfig(self, name: str, user: dict) -> pathlib.Path:
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "c", "cluster": {"server": self.server, "certificate-authority": str(self.folder / "ca.crt")}}],
            "users": [{"name": "u", "user": user}], "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u"}}]}, indent=1))
        return path

    def reader_kubeconfig(self, by_certificate: bool) -> pathlib.Path:
        if by_certificate:
            return self.kubeconfig("reader", {"client-certificate": str(self.folder / "reader.crt"),
                                              "client-key": str(self.folder / "reader.key")})
        return self.kubeconfig("reader", {"token": READER})

    def _child(self, name, *command):
        child = Child(f"{self.name}-{name}", command, self.folder / f"{name}.log", self.folder)
        child.start()
        self.children[name] = child

    def start(self):
        at = "http://127.0.0.1:"
        self._child("etcd", self.programs["etcd"], "--name", "one", "--data-dir", self.folder / "etcd", "--listen-client-urls",
                    f"{at}{self.etcd_port}", "--advertise-client-urls", f"{at}{self.etcd_port}", "--listen-peer-urls",
                    f"{at}{self.peer_port}", "--initial-advertise-peer-urls", f"{at}{self.peer_port}", "--initial-cluster",
                    f"one={at}{self.peer_port}", "--logger", "zap", "--log-level", "error")
        file = self.folder.joinpath
        self._child("apiserver", self.programs["kube-apiserver"], f"--etcd-servers={at}{self.etcd_port}", "--bind-address=127.0.0.1",
                    f"--secure-port={self.port}", f"--tls-cert-file={file('server.crt')}", f"--tls-private-key-file={file('server.key')}",
                    f"--client-ca-file={file('ca.crt')}", f"--token-auth-file={file('tokens.csv')}", "--authorization-mode=RBAC",
                    "--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount",
                    "--service-account-issuer=https://test", f"--service-account-key-file={file('accounts.key')}",
                    f"--service-account-signing-key-file={file('accounts.key')}", "--endpoint-reconciler-type=none",
                    f"--audit-log-path={self.audit_log}", f"--audit-policy-file={file('audit.yml')}", "--profiling=false")

    def finish_start(self):
        self.wait(lambda: self.api.get("/api/v1/namespaces/default"), 60, "its API server")
        admin = self.kubeconfig("admin", {"token": ADMIN})
        self._child("controller-manager", self.programs["kube-controller-manager"], f"--kubeconfig={admin}", "--leader-elect=false",
                    "--bind-address=127.0.0.1", f"--secure-port={self.manager_port}", "--port=0", f"--cert-dir={self.folder}",
                    "--controllers=deployment,replicaset,nodelifecycle,namespace,garbagecollector,resourcequota,disruption",
                    "--node-monitor-period=1s", f"--node-monitor-grace-period={NODE_GRACE_SECONDS}s")
        self._child("scheduler", self.programs["kube-scheduler"], f"--kubeconfig={admin}", "--leader-elect=false",
                    "--bind-address=127.0.0.1", f"--secure-port={self.scheduler_port}", "--port=0", f"--cert-dir={self.folder}")
        self.wait(lambda: self.api.get("/api/v1/namespaces/kube-node-lease"), 60, "namespace kube-node-lease")
        self.kill_nodes([])
        self._child("kubelets", sys.executable, HERE / "fake_kubelet.py", "--server", self.server, "--ca", self.folder / "ca.crt",
                    "--token", ADMIN, "--nodes", ",".join(self.nodes), "--control", self.control)
        role = "/apis/rbac.authorization.k8s.io/v1/cluster"
        self.api.create(f"{role}roles", READER_ROLE)
        self.api.create(f"{role}rolebindings", {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "aerie"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "aerie"},
            "subjects": [{"kind": "User", "name": name} for name in ("aerie", READER_CERTIFICATE)]})
        self.wait(lambda: len(self.api.get("/api/v1/nodes")["items"]) == 4, 60, "its nodes")

    def wait(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for child in self.children.values():
                if not child.running():
                    raise AssertionError(f"{child.name} ended:\n{child.last_lines(20)}")
            try:
                if condition():
                    return
            except (ApiError, OSError, ValueError):
                pass
            time.sleep(0.2)
        raise AssertionError(f"{self.name}: waited {seconds} s for {what}\n{self.children['apiserver'].last_lines(20)}")

    def kill_nodes(self, names):
        self.control.write_text(json.dumps({"dead": names}))

    def cut(self, off: bool):
        """The network between it and the world: its API server keeps its connections and says nothing."""
        self.children["apiserver"].process.send_signal(signal.SIGSTOP if off else signal.SIGCONT)

    def stop(self):
        for child in reversed(list(self.children.values())):
            if child.running():
                child.process.send_signal(signal.SIGCONT)
                child.stop(signal.SIGKILL)
        for child in self.children.values():
            child.wait(10)

    def requests_of_aerie(self):
        """(verb, URI) of every request its audit log has of aerie's two users."""
        lines = self.audit_log.read_text().splitlines() if self.audit_log.exists() else []
        return [(one["verb"], one["requestURI"]) for one in map(json.loads, lines)]
