#!/usr/bin/env python3
"""Real Prometheus servers and vmagents write to a real aerie: every sample that is read back equals what they scraped.

    senders_test.py AERIE FOLDER BINARIES          Prometheus 2.42 and 3.5, as server and agent, in 1.0 and 2.0; vmagent in snappy and zstd
    senders_test.py AERIE FOLDER BINARIES pair     an HA pair whose replicas are killed in turns, with and without replica label, and the
                                                   same samples in a VictoriaMetrics that deduplicates; five minutes

BINARIES holds usr/bin/prometheus (2.42) and, if it was fetched, peers/usr/bin/prometheus (3.5); AERIE_PROGRAMS and AERIE_PEERS name
other folders. Exits 77 without any.
"""
import contextlib
import http.server
import json
import math
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

AERIE, FOLDER, BINARIES = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
SCRAPES = 15
DEADLINE_SECONDS = 40


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Exporter(http.server.BaseHTTPRequestHandler):
    """Values that tell which scrape they come from."""
    scrapes = 0

    def do_GET(self):
        Exporter.scrapes += 1
        n = Exporter.scrapes
        lines = [
            "# HELP jobs_total Jobs done.", "# TYPE jobs_total counter", f"jobs_total {n}",
            "# HELP load A number with many digits.", "# TYPE load gauge", f"load {n / 7}", "odd NaN", "far +Inf",
            "# TYPE wait_seconds histogram", f'wait_seconds_bucket{{le="0.5"}} {n}', f'wait_seconds_bucket{{le="+Inf"}} {2 * n}',
            f"wait_seconds_sum {n * 1.5}", f"wait_seconds_count {2 * n}"]
        if n % 5 != 0:  # goes and comes: stale markers
            lines.append(f"sometimes {n}")
        lines += [f'wide{{index="{i}"}} {n * i}' for i in range(300)]
        lines.append(f"clock_total {int(time.time() * 100)}")
        body = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def query(url: str, expression: str, at: float):
    parameters = urllib.parse.urlencode({"query": expression, "time": f"{at:.3f}"})
    with urllib.request.urlopen(f"{url}/api/v1/query?{parameters}", timeout=DEADLINE_SECONDS) as answer:
        return json.load(answer)["data"]["result"]


def check_scraped(found):
    """Every value tells by itself which scrape it must come from."""
    named = {}
    for labels, (values, _) in found.items():
        labels = json.loads(labels)
        named[labels["__name__"], labels.get("index", labels.get("le", ""))] = values
    scrape_at = {t: int(value) for t, value in named["jobs_total", ""]}
    checked = 0
    truth = {("load", ""): lambda n: n / 7, ("odd", ""): lambda n: math.nan, ("far", ""): lambda n: math.inf,
             ("wait_seconds_bucket", "0.5"): lambda n: n, ("wait_seconds_bucket", "+Inf"): lambda n: 2 * n,
             ("wait_seconds_sum", ""): lambda n: n * 1.5, ("wait_seconds_count", ""): lambda n: 2 * n}
    truth.update({("wide", str(i)): (lambda n, i=i: n * i) for i in range(300)})
    for series, value_of in truth.items():
        assert len(named[series]) == len(scrape_at), f"{series}: {len(named[series])} of {len(scrape_at)} scrapes"
        for t, text in named[series]:
            want, got = float(value_of(scrape_at[t])), float(text)
            assert got == want or math.isnan(got) and math.isnan(want), f"{series} at {t}: {got}, scraped {want}"
            checked += 1
    sometimes = {scrape_at[t] for t, _ in named["sometimes", ""]}
    assert sometimes == {n for n in scrape_at.values() if n % 5 != 0}, sometimes
    return checked


def by_labels(result, dropped=("cluster",)):
    found = {}
    for series in result:
        labels = {name: value for name, value in series["metric"].items() if name not in dropped}
        found[json.dumps(labels, sort_keys=True)] = (series.get("values", []), series.get("histograms", []))
    return found


def wait_until(condition, what: str):
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError(f"waited {DEADLINE_SECONDS} s for {what}")


@contextlib.contextmanager
def running(command, log: pathlib.Path):
    process = subprocess.Popen(command, stdout=open(log, "wb"), stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def prometheus_config(port: int, exporter: int, aerie: int, version2: bool, agent: bool) -> str:
    message = "io.prometheus.write.v2.Request" if version2 else "prometheus.WriteRequest"
    chosen = f"    protobuf_message: {message}\n" if version2 else ""
    return (f"global: {{scrape_interval: 1s, external_labels: {{cluster: tested}}}}\n"
            f"scrape_configs:\n"
            f"  - job_name: exporter\n    static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]\n"
            f"  - job_name: self\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
            f"remote_write:\n  - url: http://127.0.0.1:{aerie}/api/v1/write\n{chosen}"
            f"    send_exemplars: true\n    send_native_histograms: true\n"
            f"    queue_config: {{batch_send_deadline: 1s}}\n    metadata_config: {{send_interval: 1s}}\n")


def check_sender(name: str, binary: pathlib.Path, version2: bool, agent: bool):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    Exporter.scrapes = 0
    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    port, aerie_port = free_port(), free_port()
    aerie = f"http://127.0.0.1:{aerie_port}"
    (folder / "prometheus.yml").write_text(
        prometheus_config(port, exporter.server_address[1], aerie_port, version2, agent))
    old = "2." in subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    features = ["native-histograms", "exemplar-storage"] + (["metadata-wal-records"] if version2 else [])
    features += ["agent"] if agent and old else []
    command = [binary, f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address=127.0.0.1:{port}",
               f"--enable-feature={','.join(features)}"]
    command += [f"--storage.agent.path={folder / 'wal'}"] if agent else [f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += ["--agent"] if agent and not old else []
    with running([AERIE, f"--storage.path={folder / 'aerie'}", f"--web.listen-address=127.0.0.1:{aerie_port}"],
                 folder / "aerie.log"):
        wait_until(lambda: urllib.request.urlopen(aerie + "/-/ready", timeout=5).status == 200, "aerie")
        with running(command, folder / "prometheus.log"):
            wait_until(lambda: Exporter.scrapes >= SCRAPES, "scrapes")
            at = time.time() - 2
            expected = {} if agent else by_labels(query(f"http://127.0.0.1:{port}", '{job=~".+"}[1m]', at))
        # Prometheus has stopped and has sent what it had.
        found = by_labels(query(aerie, '{cluster="tested", job=~".+"}[1m]', at))
        compare(expected or None, found)
        with urllib.request.urlopen(aerie + "/api/v1/ingest", timeout=5) as answer:
            status = json.load(answer)["data"]
        assert [row["cluster"] for row in status] == ["tested"], status
        assert status[0]["rejected"] == {}, status
        if not (agent and version2):  # such an agent sends none
            with urllib.request.urlopen(aerie + "/api/v1/metadata?metric=jobs_total", timeout=5) as answer:
                metadata = json.load(answer)["data"]
            assert metadata["jobs_total"][0]["help"] == "Jobs done.", metadata
    exporter.shutdown()
    samples = sum(len(values) + len(histograms) for values, histograms in found.values())
    histograms = sum(len(histograms) for _, histograms in found.values())
    return f"{len(found)} series, {samples} samples, {histograms} of them native histograms"


def check_vmagent(name: str, binary: pathlib.Path, options):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    Exporter.scrapes = 0
    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    aerie_port = free_port()
    aerie = f"http://127.0.0.1:{aerie_port}"
    (folder / "scrape.yml").write_text(
        "global: {scrape_interval: 1s, external_labels: {cluster: tested}}\nscrape_configs:\n"
        f"  - job_name: exporter\n    static_configs: [{{targets: ['127.0.0.1:{exporter.server_address[1]}']}}]\n")
    command = [binary, f"-promscrape.config={folder / 'scrape.yml'}", f"-remoteWrite.url={aerie}/api/v1/write",
               f"-remoteWrite.tmpDataPath={folder / 'queue'}", f"-httpListenAddr=127.0.0.1:{free_port()}", *options]
    with running([AERIE, f"--storage.path={folder / 'aerie'}", f"--web.listen-address=127.0.0.1:{aerie_port}"],
                 folder / "aerie.log"):
        wait_until(lambda: urllib.request.urlopen(aerie + "/-/ready", timeout=5).status == 200, "aerie")
        with running(command, folder / "vmagent.log"):
            wait_until(lambda: Exporter.scrapes >= SCRAPES, "scrapes")
            at = time.time() - 2
        found = by_labels(query(aerie, '{cluster="tested", job=~".+"}[1m]', at))
        compare(None, found)
        checked = check_scraped(found)
        with urllib.request.urlopen(aerie + "/api/v1/ingest", timeout=5) as answer:
            status = json.load(answer)["data"]
        assert [row["cluster"] for row in status] == ["tested"] and status[0]["rejected"] == {}, status
    exporter.shutdown()
    log = (folder / "vmagent.log").read_text()
    assert "witching to Prometheus" not in log and "doesn't support" not in log, "vmagent gave zstd up: " + log[-1000:]
    return f"{len(found)} series, {checked} samples equal what was scraped"


def compare(expected, found):
    jobs = [values for labels, (values, _) in found.items() if json.loads(labels)["__name__"] == "jobs_total"]
    assert len(jobs) == 1, f"{len(jobs)} series jobs_total"
    counted = [int(value) for _, value in jobs[0]]
    assert len(counted) >= SCRAPES - 5, counted
    assert counted == list(range(counted[0], counted[0] + len(counted))), f"scrapes are missing: {counted}"
    if expected is None:
        return
    assert len(expected) > 300, len(expected)
    missing = sorted(set(expected) - set(found))
    assert not missing, f"{len(missing)} series are missing: {missing[:3]}"
    for labels, rows in expected.items():
        assert rows == found[labels], f"{labels}\n  scraped {rows}\n  stored  {found[labels]}"
    assert set(found) == set(expected), sorted(set(found) - set(expected))[:3]


def pair_table(rows) -> str:
    head = "| stored by | samples | least spacing | largest spacing | resets | increase | truth |\n|---|---|---|---|---|---|---|"
    return "\n".join([head] + [f"| {name} | {row['samples']} | {row['least']:.3f} s | {row['most']:.3f} s | {row['resets']} | "
                               f"{row['increase']:.0f} | {row['truth']:.0f} |" for name, row in rows.items()])


def look_at_pair(url: str, cluster: str, began: float, at: float):
    """What a store has kept of the counter that counts hundredths of seconds."""
    window = f'clock_total{{cluster="{cluster}"}}[{int(at - began)}s]'
    samples = query(url, window, at)[0]["values"]
    times = [float(t) for t, _ in samples]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    resets = sum(float(later) < float(earlier) for (_, earlier), (_, later) in zip(samples, samples[1:]))
    return {"samples": len(samples), "least": min(gaps), "most": max(gaps), "resets": resets, "last": times[-1],
            "increase": float(samples[-1][1]) - float(samples[0][1]), "truth": (times[-1] - times[0]) * 100}


def check_pair(binary: pathlib.Path, victoria: pathlib.Path):
    """Two replicas at 5 s; once they are known, each is killed and returns in turns for three minutes. They write to aerie twice, with
    the replica label and without, and to VictoriaMetrics, which keeps the last sample of every 5 s."""
    folder = FOLDER / "pair"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    aerie_port, victoria_port = free_port(), free_port()
    aerie, peer = f"http://127.0.0.1:{aerie_port}", f"http://127.0.0.1:{victoria_port}"
    drop = "{action: labeldrop, regex: __replica__}"
    rename = "{target_label: cluster, replacement: dropped}"
    writes = f"  - {{url: '{aerie}/api/v1/write'}}\n  - {{url: '{aerie}/api/v1/write', write_relabel_configs: [{drop}, {rename}]}}\n"
    if victoria.exists():
        writes += f"  - {{url: '{peer}/api/v1/write', write_relabel_configs: [{drop}]}}\n"

    def start(replica: str):
        (folder / f"{replica}.yml").write_text(
            f"global: {{scrape_interval: 5s, external_labels: {{cluster: pair, __replica__: {replica}}}}}\n"
            f"scrape_configs:\n  - job_name: exporter\n    static_configs: [{{targets: ['127.0.0.1:{exporter.server_address[1]}']}}]\n"
            f"remote_write:\n{writes}")
        return subprocess.Popen(
            [binary, f"--config.file={folder / replica}.yml", f"--web.listen-address=127.0.0.1:{free_port()}",
             f"--storage.tsdb.path={folder / replica}"], stdout=open(folder / f"{replica}.log", "ab"), stderr=subprocess.STDOUT)

    with contextlib.ExitStack() as servers:
        servers.enter_context(running([AERIE, f"--storage.path={folder / 'aerie'}", f"--web.listen-address=127.0.0.1:{aerie_port}"],
                                      folder / "aerie.log"))
        if victoria.exists():
            servers.enter_context(running(
                [victoria, f"-storageDataPath={folder / 'victoria'}", f"-httpListenAddr=127.0.0.1:{victoria_port}",
                 "-dedup.minScrapeInterval=5s", "-search.latencyOffset=0s"], folder / "victoria.log"))
            wait_until(lambda: urllib.request.urlopen(peer + "/health", timeout=5).status == 200, "VictoriaMetrics")
        wait_until(lambda: urllib.request.urlopen(aerie + "/-/ready", timeout=5).status == 200, "aerie")
        replicas = {name: start(name) for name in "ab"}
        began = time.time()
        try:
            time.sleep(110)  # until aerie knows how often each sends
            for turn in range(4):
                name = "ab"[turn % 2]
                replicas[name].kill()
                replicas[name].wait()
                time.sleep(22)
                replicas[name] = start(name)
                time.sleep(20)  # it scrapes and sends again before the other one goes
        finally:
            for process in replicas.values():
                process.terminate()
            for process in replicas.values():
                process.wait(60)
        at = time.time()
        rows = {"aerie": look_at_pair(aerie, "pair", began, at), "aerie, label dropped": look_at_pair(aerie, "dropped", began + 60, at)}
        if victoria.exists():
            urllib.request.urlopen(peer + "/internal/force_flush", timeout=60).read()
            rows["VictoriaMetrics, dedup 5 s"] = look_at_pair(peer, "pair", began, at)
    exporter.shutdown()
    table = pair_table(rows)
    for name, least, most in (("aerie", 2.5, 7.5), ("aerie, label dropped", 3.75, 8.75)):
        row = rows[name]
        assert least <= row["least"] and row["most"] < most, f"{name}\n{table}"
        assert row["resets"] == 0, f"{name}\n{table}"
        assert abs(row["increase"] - row["truth"]) <= 500, f"{name}\n{table}"
        assert row["last"] - began > 250, f"{name}\n{table}"
    return f"{rows['aerie']['samples']} samples, spacing {rows['aerie']['least']:.3f} to {rows['aerie']['most']:.3f} s of 5 s\n{table}"


def main() -> int:
    binaries = {"2.42": pathlib.Path(os.environ.get("AERIE_PROGRAMS", BINARIES / "usr/bin")) / "prometheus",
                "3.5": pathlib.Path(os.environ.get("AERIE_PEERS", BINARIES / "peers/usr/bin")) / "prometheus"}
    if sys.argv[4:] == ["pair"]:
        if not binaries["2.42"].exists():
            return 77
        try:
            print("pair:", check_pair(binaries["2.42"], binaries["3.5"].parent / "victoria-metrics"))
        except AssertionError as error:
            print(f"pair: FAILED: {error}")
            return 1
        return 0
    senders = [("prometheus-2.42", "2.42", False, False), ("prometheus-2.42-agent", "2.42", False, True),
               ("prometheus-3.5", "3.5", False, False), ("prometheus-3.5-version2", "3.5", True, False),
               ("prometheus-3.5-agent", "3.5", True, True)]
    failed = ran = 0
    for name, version, version2, agent in senders:
        if not binaries[version].exists():
            print(f"{name}: not fetched")
            continue
        ran += 1
        try:
            print(f"{name}: {check_sender(name, binaries[version], version2, agent)}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"{name}: FAILED: {str(error)[:2000]}", flush=True)
    vmagent = binaries["3.5"].parent / "vmagent"
    for name, options in (("vmagent-zstd", []), ("vmagent-snappy", ["-remoteWrite.forcePromProto=true"])):
        if not vmagent.exists():
            print(f"{name}: not fetched")
            continue
        ran += 1
        try:
            print(f"{name}: {check_vmagent(name, vmagent, options)}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"{name}: FAILED: {str(error)[:2000]}", flush=True)
    if ran == 0:
        return 77
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
