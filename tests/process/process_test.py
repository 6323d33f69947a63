#!/usr/bin/env python3
"""What an operator sees of the programs: start, stop, exit codes and the text of every common mistake.

    process_test.py AERIE AERIECTL FOLDER

Starts the real programs on free loopback ports below FOLDER; prints one line per test and `N passed, N failed`.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

AERIE, AERIECTL, FOLDER = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
DEADLINE_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fresh(name: str) -> pathlib.Path:
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def wait_until(condition, what: str):
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE_SECONDS} s for {what}")


def http(method: str, url: str, body: bytes = b"", headers=None):
    request = urllib.request.Request(url, data=body or None, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Server:
    def __init__(self, folder: pathlib.Path, *flags: str, port: int = 0):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = folder / "aerie.log"
        self.process = subprocess.Popen(
            [AERIE, f"--storage.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}", *flags],
            stderr=open(self.log_path, "ab"), stdout=subprocess.DEVNULL)

    def log(self) -> str:
        return self.log_path.read_text()

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"aerie ended with {self.process.poll()}:\n{self.log()}"
            return http("GET", self.url + "/-/ready")[0] == 200
        wait_until(ready, "readiness")
        return self

    def wait_end(self) -> int:
        return self.process.wait(timeout=DEADLINE_SECONDS)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running(folder, *flags, **options):
    server = Server(folder, *flags, **options)
    try:
        yield server.wait_ready()
    finally:
        server.kill()


def must(condition, text):
    assert condition, text


def refused(folder, *flags, exit_code, says, **options):
    """The server must end by itself with this code and a log or message that holds all of `says`."""
    server = Server(folder, *flags, **options)
    try:
        code = server.wait_end()
    finally:
        server.kill()
    must(code == exit_code, f"exit code {code}, wanted {exit_code}:\n{server.log()}")
    for part in says:
        must(part in server.log(), f"wanted {part!r} in:\n{server.log()}")


# --- a snappy block and a remote-write request of one sample, by hand ---------------------------------------------------------

def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def write_request(labels: dict, value: float, t_ms: int) -> bytes:
    import struct
    encoded = b"".join(field(1, field(1, n.encode()) + field(2, v.encode())) for n, v in sorted(labels.items()))
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + varint(t_ms)
    return field(1, encoded + field(2, sample))


def snappy(raw: bytes) -> bytes:
    out = varint(len(raw))
    for start in range(0, len(raw), 60):  # literals only
        chunk = raw[start:start + 60]
        out += bytes([(len(chunk) - 1) << 2]) + chunk
    return out


WRITE_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
                 "X-Prometheus-Remote-Write-Version": "0.1.0"}


def write(server, labels, value, t_ms):
    return http("POST", server.url + "/api/v1/write", snappy(write_request(labels, value, t_ms)), WRITE_HEADERS)


def query(server, expression):
    url = server.url + "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    return json.loads(http("GET", url)[1])["data"]["result"]


# --- the tests ----------------------------------------------------------------------------------------------------------------

def test_starts_without_any_file_and_stops_in_order():
    folder = fresh("plain")
    with running(folder) as server:
        must(http("GET", server.url + "/-/healthy")[0] == 200, "healthy")
        must("aerie_build_info" in http("GET", server.url + "/metrics")[1], "build info")
        now = int(time.time() * 1000)
        must(write(server, {"__name__": "up", "cluster": "a"}, 42, now)[0] == 204, "write")
        must(query(server, "up")[0]["value"][1] == "42", "read your write")
        server.process.send_signal(signal.SIGINT)
        started = time.monotonic()
        must(server.wait_end() == 0, f"exit code:\n{server.log()}")
        must(time.monotonic() - started < 5, "took more than 5 s to stop")
    must("Server is ready to receive web requests." in server.log(), server.log())
    with running(folder) as server:
        must(query(server, "up")[0]["value"][1] == "42", "lost over an orderly stop")


def test_kill_9_loses_nothing_acknowledged():
    folder = fresh("kill")
    now = int(time.time() * 1000)
    for round_number in range(3):
        with running(folder) as server:
            must(len(query(server, "sum(x)")) == (1 if round_number else 0), "earlier rounds")
            for i in range(50):
                labels = {"__name__": "x", "cluster": "a", "i": str(i), "round": str(round_number)}
                must(write(server, labels, i, now + round_number)[0] == 204, "write")
            server.process.send_signal(signal.SIGKILL)
            server.wait_end()
    with running(folder) as server:
        must(query(server, "count(x)")[0]["value"][1] == "150", "acknowledged samples are missing")


def test_wrong_flag():
    done = subprocess.run([AERIE, "--no-such-flag"], capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    must(done.returncode == 2 and "--no-such-flag" in done.stderr and "--help" in done.stderr, done.stderr)


def test_broken_config():
    folder = fresh("config")
    (folder / "aerie.yml").write_text("global:\n  evaluation_intervall: 1s\n")
    refused(folder, f"--config.file={folder / 'aerie.yml'}", exit_code=2,
            says=["aerie.yml:2:3", "evaluation_interval"])
    refused(folder, f"--config.file={folder / 'absent.yml'}", exit_code=2, says=["absent.yml", "--config.file"])


def test_broken_rule_file():
    folder = fresh("rules")
    (folder / "rules.yml").write_text("groups:\n- name: a\n  rules:\n  - record: x\n    expr: sum(\n")
    (folder / "aerie.yml").write_text("rule_files: [rules.yml]\n")
    refused(folder, f"--config.file={folder / 'aerie.yml'}", exit_code=1, says=["rules.yml", "parse error"])


def test_port_in_use():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        refused(fresh("port"), exit_code=1, says=[f"127.0.0.1:{port}", "in use", "--web.listen-address"], port=port)


def test_storage_path_is_a_file_or_foreign():
    folder = fresh("foreign")
    (folder / "data").write_text("not a folder")
    refused(folder, exit_code=1, says=["data"])
    (folder / "data").unlink()
    (folder / "data").mkdir()
    (folder / "data" / "holiday.jpg").write_text("x")
    refused(folder, exit_code=1, says=["holiday.jpg", "--storage.path"])
    must((folder / "data" / "holiday.jpg").exists(), "the foreign file was touched")


def test_storage_path_in_use():
    folder = fresh("locked")
    with running(folder) as server:
        second = fresh("locked2")
        (second / "data").symlink_to(folder / "data")
        refused(second, exit_code=1, says=["in use", str(server.process.pid)])
        must(http("GET", server.url + "/-/ready")[0] == 200, "the first one suffered")


def test_bad_writes():
    with running(fresh("writes")) as server:
        url = server.url + "/api/v1/write"
        status, text = http("POST", url, b"this is not snappy", WRITE_HEADERS)
        must(status == 400 and "snappy" in text, f"{status} {text}")
        bomb = varint(3 << 30) + b"\x00"
        status, text = http("POST", url, bomb, WRITE_HEADERS)
        must(status == 400 and ("limit" in text or "at most" in text), f"{status} {text}")
        status, _ = http("POST", url, b"{}", {"Content-Type": "application/json"})
        must(status == 415, f"{status}")
        status, text = write(server, {"cluster": "a"}, 1, int(time.time() * 1000))
        must(status == 400, f"a series without a name: {status} {text}")
        must(http("GET", server.url + "/nothing/here") == (404, "404 page not found\n"), "404")
        must(http("GET", server.url + "/-/healthy")[0] == 200, "still healthy")


def test_reload():
    folder = fresh("reload")
    config = folder / "aerie.yml"
    config.write_text("global: {evaluation_interval: 10s}\n")
    with running(folder, f"--config.file={config}", "--web.enable-lifecycle") as server:
        config.write_text("global: {evaluation_interval: 20s}\n")
        must(http("POST", server.url + "/-/reload")[0] == 200, "reload")
        must("20s" in http("GET", server.url + "/api/v1/status/config")[1], "new config")
        config.write_text("nonsense: 1\n")
        status, text = http("POST", server.url + "/-/reload")
        must(status == 500 and "aerie.yml:1:1" in text, f"{status} {text}")
        must("20s" in http("GET", server.url + "/api/v1/status/config")[1], "old config kept")
        must("aerie_config_last_reload_successful 0" in http("GET", server.url + "/metrics")[1], "metric")
    with running(fresh("noreload")) as server:
        must(http("POST", server.url + "/-/reload")[0] == 403, "lifecycle is off by default")


def test_identity_on_both_paths():
    """With bindings only known tokens write samples and relay alerts, each as its own cluster."""
    folder = fresh("identity")
    token = hashlib.sha256(str(time.time()).encode()).hexdigest()
    digest = hashlib.sha256(token.encode()).hexdigest()
    (folder / "aerie.yml").write_text(
        f"clusters: [{{name: gondor, environment: prod, zone: eu, tokens: ['sha256:{digest}']}}]\n")
    alert = json.dumps([{"labels": {"alertname": "A", "cluster": "mordor", "prometheus_replica": "a"}}]).encode()
    json_type = {"Content-Type": "application/json"}
    with running(folder, f"--config.file={folder / 'aerie.yml'}") as server:
        bearer = {"Authorization": f"Bearer {token}"}
        request = snappy(write_request({"__name__": "up", "cluster": "mordor"}, 1, int(time.time() * 1000)))
        must(http("POST", server.url + "/api/v1/write", request, WRITE_HEADERS)[0] == 401, "write without a token")
        must(http("POST", server.url + "/api/v1/write", request, WRITE_HEADERS | bearer)[0] == 204, "write")
        metric = query(server, "up")[0]["metric"]
        must(metric == {"__name__": "up", "cluster": "gondor", "environment": "prod", "zone": "eu",
                        "exported_cluster": "mordor"}, f"{metric}")
        must(http("POST", server.url + "/api/v2/alerts", alert, json_type)[0] == 401, "alert without a token")
        must(http("POST", server.url + "/api/v2/alerts", alert, json_type | bearer)[0] == 200, "alert")
        labels = json.loads(http("GET", server.url + "/api/v2/alerts")[1])[0]["labels"]
        must(labels["cluster"] == "gondor" and labels["zone"] == "eu" and "prometheus_replica" not in labels, f"{labels}")


def all_paths():
    """Every path that the sources register, with something in the place of names."""
    root = pathlib.Path(__file__).resolve().parents[2]
    found = {"/", "/nowhere"}
    for folder in ("server", "query", "clusters", "alerting", "ingest", "dashboards"):
        for source in (root / folder).glob("*.cc"):
            found |= set(re.findall(r'"(/(?:-/|api/|metrics|assets/|licenses|federate)[^"\s]*)"', source.read_text()))
    return sorted(re.sub(r"\{[^}]*\}", "x", path) for path in found)


def test_a_cluster_credential_only_writes():
    """Over all endpoints and methods: what is not for members answers 403 to a member's token."""
    folder = fresh("matrix")
    token = "matrix-token"
    digest = hashlib.sha256(token.encode()).hexdigest()
    (folder / "aerie.yml").write_text(f"clusters: [{{name: gondor, tokens: ['sha256:{digest}']}}]\n")
    bearer = {"Authorization": f"Bearer {token}"}
    writes = {"/api/v1/write", "/api/v1/push", "/api/v1/receive"}
    otlp = "/api/v1/otlp/v1/metrics"
    paths = all_paths()
    must(len(paths) > 30 and "/api/v1/query_range" in paths, f"{paths}")
    with running(folder, f"--config.file={folder / 'aerie.yml'}", "--web.enable-lifecycle", "--web.enable-admin-api") as server:
        for path in paths:
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
                for prefix in ("", "/prometheus"):
                    status = http(method, server.url + prefix + path, b"", bearer)[0]
                    if path in writes and method in ("GET", "HEAD", "POST"):
                        must(status in (400, 405), f"{method} {path}: {status}")
                    elif path == otlp and method == "POST":
                        must(status == 415, f"{method} {path}: {status}")
                    elif path == "/api/v2/alerts" and method == "POST":
                        must(status == 400, f"{method} {path}: {status}")
                    else:
                        must(status == 403, f"{method} {prefix}{path}: {status}")
        must(http("POST", server.url + "/api/v1/write", b"", {"Authorization": "Bearer x"})[0] == 401, "another token")
        must(http("GET", server.url + "/api/v1/query?query=1")[0] == 200, "reading without a credential")


def test_web_config():
    """Passwords are asked for everywhere; a cluster's token stands in for one where it writes."""
    folder = fresh("web_config")
    token = "web-token"
    digest = hashlib.sha256(token.encode()).hexdigest()
    (folder / "aerie.yml").write_text(f"clusters: [{{name: gondor, tokens: ['sha256:{digest}']}}]\n")
    # Password: secret.
    (folder / "web.yml").write_text("basic_auth_users: {alice: $2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW}\n")
    flags = [f"--config.file={folder / 'aerie.yml'}", f"--web.config.file={folder / 'web.yml'}"]
    server = Server(folder, *flags)
    try:
        alice = {"Authorization": "Basic YWxpY2U6c2VjcmV0"}
        wait_until(lambda: http("GET", server.url + "/-/ready", b"", alice)[0] == 200, "readiness")
        must(http("GET", server.url + "/-/ready")[0] == 401, "nobody")
        must(http("GET", server.url + "/api/v1/query?query=1", b"", alice)[0] == 200, "alice")
        headers = WRITE_HEADERS | {"Authorization": f"Bearer {token}"}
        must(http("POST", server.url + "/api/v1/write", b"\0", headers)[0] == 204, "gondor writes")
        must(http("GET", server.url + "/api/v1/query?query=1", b"", headers)[0] == 403, "gondor reads")
    finally:
        server.process.terminate()
        server.process.wait(DEADLINE_SECONDS)
    (folder / "web.yml").write_text("basic_auth_users: {alice: secret}\n")
    refused(folder, f"--web.config.file={folder / 'web.yml'}", exit_code=1, says=["web.yml:1:", "bcrypt"])


def test_onboarding():
    """aeriectl puts a token into the configuration; after a reload it works, after revoking it does not."""
    folder = fresh("onboarding")
    config = folder / "aerie.yml"
    config.write_text(f"clusters:\n  - name: gondor\n    tokens: ['sha256:{'a' * 64}']  # old\n")
    ctl = lambda *arguments: subprocess.run([AERIECTL, *arguments], capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    done = ctl("token", "create", "gondor", "--config.file", str(config))
    must(done.returncode == 0, done.stderr)
    token = done.stdout.strip()
    must(token not in config.read_text() and config.read_text().endswith("]  # old\n"), config.read_text())
    headers = WRITE_HEADERS | {"Authorization": f"Bearer {token}"}
    with running(folder, f"--config.file={config}", "--web.enable-lifecycle") as server:
        must(http("POST", server.url + "/api/v1/write", b"\0", headers)[0] == 204, "the new token")
        done = ctl("token", "revoke", "gondor", token, "--config.file", str(config))
        must(done.returncode == 0, done.stderr)
        must(http("POST", server.url + "/-/reload")[0] == 200, "reload")
        must(http("POST", server.url + "/api/v1/write", b"\0", headers)[0] == 401, "revoked")
    for kind in ("remote-write", "prometheus-operator", "vmagent"):
        done = ctl("gen", kind, "gondor", "--token", token, "--filter-kube")
        must(done.returncode == 0 and token in done.stdout and "kube_deployment_spec_replicas" in done.stdout, done.stdout)
    must(ctl("gen", "telegraf", "gondor").returncode == 2, "unknown kind")


def test_openapi_describes_every_route():
    with running(fresh("openapi")) as server:
        status, document = http("GET", server.url + "/api/v1/openapi.yaml")
        must(status == 200 and document.startswith("openapi: 3.1.0"), document[:200])
        undocumented = [line for line in document.split("\n  \"") if "x-undocumented" in line]
        must(not undocumented, f"server/openapi.cc has no words for {undocumented}")
        for path in ("/api/v1/query_range", "/api/v1/write", "/api/v1/rules", "/api/v1/clusters", "/federate", "/-/ready"):
            must(f'"{path}":' in document, f"{path} is not described")


def test_aeriectl():
    folder = fresh("ctl")
    with running(folder) as server:
        write(server, {"__name__": "up", "cluster": "a"}, 1, int(time.time() * 1000))
        done = subprocess.run([AERIECTL, "--url", server.url, "query", "instant", "up"], capture_output=True, text=True)
        must(done.returncode == 0 and done.stdout.startswith('up{cluster="a"} => 1 @['), done.stdout + done.stderr)
        listing = lambda: subprocess.run([AERIECTL, "--url", server.url, "get", "clusters"], capture_output=True, text=True)
        wait_until(lambda: listing().stdout.startswith("CLUSTER"), "the first verdicts")
        done = subprocess.run([AERIECTL, "--url", server.url, "query", "instant", "up("], capture_output=True, text=True)
        must(done.returncode == 1 and "parse error" in done.stderr, done.stderr)
        done = subprocess.run([AERIECTL, "--url", server.url, "query", "explain", "sum(up)"], capture_output=True, text=True)
        must(done.returncode == 0 and done.stdout.startswith("EXPRESSION") and "  up " in done.stdout, done.stdout + done.stderr)
    done = subprocess.run([AERIECTL, "--url", server.url, "get", "clusters"], capture_output=True, text=True)
    must(done.returncode == 1 and "is aerie running" in done.stderr, done.stderr)
    (folder / "bad.yml").write_text("groups: [{name: a, rules: [{record: x, expr: 'sum('}]}]\n")
    done = subprocess.run([AERIECTL, "check", "rules", str(folder / "bad.yml")], capture_output=True, text=True)
    must(done.returncode == 3 and "parse error" in done.stderr, done.stderr)
    done = subprocess.run([AERIECTL, "query"], capture_output=True, text=True)
    must(done.returncode == 2, f"exit code {done.returncode}")


def aeriectl(*arguments):
    return subprocess.run([AERIECTL, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE_SECONDS)


def test_snapshot_and_check():
    folder = fresh("snapshot")
    now = int(time.time() * 1000)
    with running(folder, "--web.enable-admin-api") as server:
        write(server, {"__name__": "up", "cluster": "a"}, 1, now - 1000)
        must(http("POST", server.url + "/api/v1/admin/tsdb/flush")[0] == 204, "flush")
        write(server, {"__name__": "up", "cluster": "a"}, 2, now)
        done = aeriectl("--url", server.url, "snapshot")
        must(done.returncode == 0 and done.stdout.startswith("snapshots/"), done.stdout + done.stderr)
        name = done.stdout.split()[0]
        write(server, {"__name__": "up", "cluster": "a"}, 3, now + 1000)
        must(http("POST", server.url + "/api/v1/admin/tsdb/snapshot?skip_head=maybe")[0] == 400, "not a boolean")
        done = aeriectl("--url", server.url, "check", "running")
        must(done.returncode == 0 and "Everything is as it must be." in done.stdout, done.stdout + done.stderr)
        done = aeriectl("check", folder / "data")
        must(done.returncode == 1 and str(server.process.pid) in done.stderr and "check running" in done.stderr, done.stderr)
        server.process.send_signal(signal.SIGTERM)
        server.wait_end()
    done = aeriectl("check", folder / "data")
    must(done.returncode == 0 and "1 whole" in done.stdout, done.stdout + done.stderr)
    restored = fresh("restored")
    shutil.copytree(folder / "data" / name, restored / "data")
    with running(restored) as server:
        held = query(server, f"count_over_time(up[10s] @ {now / 1000 + 2})")
        must(held[0]["value"][1] == "2", f"what the snapshot holds: {held}")
    with running(fresh("noadmin")) as server:
        must(http("POST", server.url + "/api/v1/admin/tsdb/snapshot")[0] == 403, "the admin API is off by default")


def test_damaged_log_is_refused_and_passed_over_on_request():
    folder = fresh("damaged")
    now = int(time.time() * 1000)
    with running(folder) as server:
        for i in range(5):
            must(write(server, {"__name__": "up", "cluster": "a"}, i, now + i)[0] == 204, "write")
        server.process.send_signal(signal.SIGTERM)
        server.wait_end()
    segment = sorted((folder / "data" / "log").glob("*.seg"))[0]
    content = bytearray(segment.read_bytes())
    content[64 + 24 + 10] ^= 1  # in the first record
    segment.write_bytes(content)
    done = aeriectl("check", "store", folder / "data")
    must(done.returncode == 3 and "PROBLEM: log" in done.stdout, done.stdout + done.stderr)
    refused(folder, exit_code=1, says=[segment.name, "record", "bytes", "--storage.skip-corrupt-log"])
    with running(folder, "--storage.skip-corrupt-log") as server:
        must("passing over a damaged part" in server.log(), server.log())
    with running(folder) as server:
        must(http("GET", server.url + "/-/ready")[0] == 200, "starts without the flag afterwards")


def run_tests(functions) -> int:
    """Runs every `test_…` among the functions by name; the exit code."""
    names = [os.environ["AERIE_ONLY"]] if os.environ.get("AERIE_ONLY") else [name for name in functions if name.startswith("test_")]
    failed = 0
    for name in names:
        try:
            functions[name]()
            print(f"ok    {name}", flush=True)
        except Exception:  # noqa: BLE001 - a test may fail in any way
            failed += 1
            print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
