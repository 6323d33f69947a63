#!/usr/bin/env python3
"""aerie follows an API server: pages, watches, 410, refusals, a reload, and nothing but GET.

    kubernetes_test.py AERIE AERIECTL FOLDER

The API server is a small one of ours that speaks plain HTTP; tests/kubernetes/ does the same with real ones.
"""
import http.server
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

AERIE, FOLDER = sys.argv[1], pathlib.Path(sys.argv[3])
DEADLINE_SECONDS = 30
TOKEN = "reader"


def deployment(name: str, replicas: int, ready: int):
    return {"metadata": {"name": name, "namespace": "shop", "generation": 1, "resourceVersion": "1"}, "spec": {"replicas": replicas},
            "status": {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready,
                       "availableReplicas": ready, "conditions": [
                           {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
                           {"type": "Available", "status": "True" if ready == replicas else "False", "reason": ""}]}}


class ApiServer:
    """Lists one object a page, refuses streamed lists as older servers do, and lets tests push events into watches."""

    def __init__(self):
        self.objects = {"deployments": {}}
        self.requests, self.watches, self.lists = [], {}, {}
        self.token = TOKEN
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, body):
                payload = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def do_GET(self):  # noqa: N802
                address = urllib.parse.urlsplit(self.path)
                parameters = dict(urllib.parse.parse_qsl(address.query))
                owner.requests.append(("GET", self.path))
                if self.headers.get("Authorization") != f"Bearer {owner.token}":
                    return self.answer(401, {"kind": "Status", "message": "Unauthorized"})
                if address.path == "/version":
                    return self.answer(200, {"major": "1", "minor": "20"})
                collection = address.path.rsplit("/", 1)[1]
                if "sendInitialEvents" in parameters:
                    return self.answer(422, {"kind": "Status", "message": "sendInitialEvents is forbidden"})
                if "watch" in parameters:
                    return self.watch(collection)
                return self.list(collection, int(parameters.get("continue", 0)))

            def list(self, collection, begin):
                names = sorted(owner.objects.get(collection, {}))
                metadata = {"resourceVersion": "100"}
                if begin + 1 < len(names):
                    metadata["continue"] = str(begin + 1)
                owner.lists[collection] = owner.lists.get(collection, 0) + 1
                items = [owner.objects[collection][name] for name in names[begin:begin + 1]]
                self.answer(200, {"metadata": metadata, "items": items})

            def watch(self, collection):
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                events = owner.watches.setdefault(collection, queue.Queue())
                try:
                    while (event := events.get()) is not None:
                        line = json.dumps(event).encode() + b"\n"
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    pass

            def refuse(self):
                owner.requests.append((self.command, self.path))
                self.answer(405, {"kind": "Status"})
            do_POST = do_PUT = do_PATCH = do_DELETE = refuse  # noqa: N815

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def put(self, one, kind="MODIFIED"):
        self.objects["deployments"][one["metadata"]["name"]] = one
        if "deployments" in self.watches:
            self.watches["deployments"].put({"type": kind, "object": one})

    def kubeconfig(self, path: pathlib.Path, token=TOKEN) -> pathlib.Path:
        path.write_text(json.dumps({
            "current-context": "it", "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}],
            "users": [{"name": "u", "user": {"token": token}}]}))
        return path


class Aerie:
    def __init__(self, folder: pathlib.Path, config: str):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config, self.log_path = folder / "aerie.yml", folder / "aerie.log"
        self.config.write_text(config)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [AERIE, f"--config.file={self.config}", f"--storage.path={folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stderr=log, stdout=subprocess.DEVNULL)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return json.loads(answer.read())["data"]
        except (OSError, urllib.error.HTTPError, ValueError, KeyError):
            return None

    def rows(self):
        data = self.get("/api/v1/deployments")
        rows = data["deployments"] if isinstance(data, dict) else data
        return {row["name"]: row for row in rows or []}

    def phase(self, name):
        return self.rows().get(name, {}).get("phase")

    def log(self) -> str:
        return self.log_path.read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited {DEADLINE_SECONDS} s for {what() if callable(what) else what}")


def watching(folder, api, token=TOKEN):
    api.kubeconfig(folder / "gondor.kubeconfig", token)
    return Aerie(folder, "kubernetes:\n  - {cluster: gondor, zone: eu-1, kubeconfig: gondor.kubeconfig}\n")


def test_verdicts_from_pages_and_watches(folder):
    api = ApiServer()
    for index in range(3):
        api.put(deployment(f"web-{index}", 2, 2))
    with watching(folder, api) as aerie:
        wait_until(lambda: [aerie.phase(f"web-{index}") for index in range(3)] == ["Complete"] * 3, aerie.log)
        assert api.lists["deployments"] == 3, "three pages of one object"
        row = aerie.rows()["web-1"]
        assert (row["cluster"], row["ready"], row["desired"]) == ("gondor", 2, 2), row
        clusters = aerie.get("/api/v1/clusters")
        only = (clusters["clusters"] if isinstance(clusters, dict) else clusters)[0]
        assert (only["cluster"], only["zone"]) == ("gondor", "eu-1") and only["state"].lower() == "fresh", only
        api.put(deployment("web-3", 0, 0), "ADDED")
        wait_until(lambda: aerie.phase("web-3") == "Idle", "a Deployment that was added")
        api.put(deployment("web-1", 2, 1))
        wait_until(lambda: aerie.phase("web-1") in ("Progressing", "Degraded"), "one that lost a pod")
        assert all(verb == "GET" for verb, _ in api.requests), "something else than GET was asked"


def test_a_forgotten_place_is_listed_again(folder):
    api = ApiServer()
    api.put(deployment("web", 1, 1))
    with watching(folder, api) as aerie:
        wait_until(lambda: aerie.phase("web") == "Complete", aerie.log)
        api.objects["deployments"]["late"] = deployment("late", 1, 1)  # nobody tells the watch
        api.watches["deployments"].put({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}})
        wait_until(lambda: aerie.phase("late") == "Complete", "what came while nobody was told")


def test_a_refusal_is_told_and_says_nothing_of_the_workloads(folder):
    api = ApiServer()
    api.put(deployment("web", 1, 1))
    with watching(folder, api, token="wrong") as aerie:
        wait_until(lambda: "cannot be watched as a whole" in aerie.log(), "the warning")
        assert "401 Unauthorized" in aerie.log() and aerie.phase("web") is None


def test_a_reload_takes_up_and_lets_go(folder):
    api = ApiServer()
    api.put(deployment("web", 1, 1))
    with watching(folder, api) as aerie:
        wait_until(lambda: aerie.phase("web") == "Complete", aerie.log)
        text = aerie.config.read_text()
        aerie.config.write_text("kubernetes:\n  - {cluster: gondor, kubeconfig: missing}\n")
        os.kill(aerie.process.pid, signal.SIGHUP)
        wait_until(lambda: "missing" in aerie.log(), "the refusal of the new configuration")
        assert aerie.phase("web") == "Complete", "the old one no longer serves"
        aerie.config.write_text(text.replace("eu-1", "eu-2"))
        before = len(api.requests)
        os.kill(aerie.process.pid, signal.SIGHUP)
        wait_until(lambda: len(api.requests) > before + 10 and aerie.phase("web") == "Complete", "the new watch")
        aerie.process.send_signal(signal.SIGTERM)
        assert aerie.process.wait(10) == 0, aerie.log()


def test_a_kubeconfig_that_cannot_be_used_is_named(folder):
    (folder / "gondor.kubeconfig").write_text("current-context: it\ncontexts: []\n")
    with Aerie(folder, "kubernetes:\n  - {cluster: gondor, kubeconfig: gondor.kubeconfig}\n") as aerie:
        assert aerie.process.wait(DEADLINE_SECONDS) == 1
        assert "cluster gondor" in aerie.log() and "there is no context 'it'" in aerie.log(), aerie.log()


def main() -> int:
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        folder = (FOLDER / name).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            test(folder)
            passed += 1
            print(f"ok    {name[5:].replace('_', ' ')}", flush=True)
        except Exception:  # noqa: BLE001
            failed += 1
            print(f"FAIL  {name[5:].replace('_', ' ')}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
