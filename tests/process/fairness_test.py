#!/usr/bin/env python3
"""Ten clusters write to one aerie; then one of them sends twenty times its share, and the other nine must hardly notice.

    fairness_test.py AERIE AERIE_LOAD FOLDER [SECONDS]     each of the two phases; 60 by default

The nine must keep 95 % of their throughput, and the 99th percentile of their requests 1.5 times what it was, or 25 ms, where it lies
below what one wait for the disk takes. Everything acknowledged must be in the store. Senders and server share this machine.
"""
import hashlib
import json
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

AERIE, LOAD, FOLDER = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
SECONDS = float(sys.argv[4]) if len(sys.argv) > 4 else 60
MODEST = 3_000  # samples a second
TARGETS = 6
SERIES = 507 * TARGETS
UNNOTICED_SECONDS = 0.025
CLUSTERS = [f"cluster-{i}" for i in range(10)]


def load(url: str, cluster: str, factor: int, start_ms: int) -> subprocess.Popen:
    return subprocess.Popen(
        [LOAD, url + "/api/v1/write", f"--bearer-token={cluster}", f"--targets={TARGETS}", "--samples-per-request=500",
         f"--scrapes={int(SECONDS * MODEST * factor / SERIES)}", f"--samples-per-second={MODEST * factor}",
         f"--start-ms={start_ms}", "--interval-ms=1000" if factor == 1 else "--interval-ms=100",
         f"--connections={1 if factor == 1 else 4}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def phase(url: str, noisy: bool, start_ms: int):
    senders = {cluster: load(url, cluster, 20 if noisy and cluster == CLUSTERS[0] else 1, start_ms) for cluster in CLUSTERS}
    results = {}
    for cluster, sender in senders.items():
        out, error = sender.communicate()
        assert sender.returncode == 0, f"{cluster}: {error.decode()}"
        results[cluster] = json.loads(out)
    return results


def figures(results):
    nine = [results[cluster] for cluster in CLUSTERS[1:]]
    return (sum(one["samples"] / one["seconds"] for one in nine), statistics.median(one["p99_request_seconds"] for one in nine))


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    config = "clusters:\n" + "".join(f"- name: {name}\n  tokens: ['sha256:{hashlib.sha256(name.encode()).hexdigest()}']\n"
                                     for name in CLUSTERS)
    (FOLDER / "aerie.yml").write_text(config)
    aerie = subprocess.Popen([AERIE, f"--config.file={FOLDER / 'aerie.yml'}", f"--storage.path={FOLDER / 'data'}",
                              f"--web.listen-address=127.0.0.1:{port}"], stdout=open(FOLDER / "aerie.log", "wb"),
                             stderr=subprocess.STDOUT)
    peak, ended = [0], threading.Event()

    def watch():
        while not ended.wait(0.5):
            status = pathlib.Path(f"/proc/{aerie.pid}/status").read_text()
            peak[0] = max(peak[0], int(status.split("VmRSS:")[1].split()[0]) // 1024)

    failed = 0
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(url + "/-/ready", timeout=2).read()
                break
            except OSError:
                time.sleep(0.05)
        threading.Thread(target=watch, daemon=True).start()
        now = int(time.time() * 1000)
        quiet = phase(url, False, now - 1_800_000)
        loud = phase(url, True, now - 900_000)
        (rate, p99), (loud_rate, loud_p99) = figures(quiet), figures(loud)
        noisy = loud[CLUSTERS[0]]
        print(f"nine clusters: {rate:.0f} samples/s, p99 {p99 * 1000:.1f} ms; beside one that sends {noisy['samples'] / noisy['seconds']:.0f}: "
              f"{loud_rate:.0f} samples/s (ratio {loud_rate / rate:.3f}), p99 {loud_p99 * 1000:.1f} ms (ratio {loud_p99 / p99:.2f}); "
              f"peak memory {peak[0]} MiB, {noisy['retries']} retries of the loud one")
        assert loud_rate >= 0.95 * rate, "the others lost throughput"
        assert loud_p99 <= max(1.5 * p99, UNNOTICED_SECONDS), "the others waited"
        assert sum(loud[cluster]["retries"] for cluster in CLUSTERS[1:]) == 0, "the others were refused"
        assert peak[0] < 1024, "memory"
        status = json.load(urllib.request.urlopen(url + "/api/v1/ingest", timeout=10))["data"]
        for row in status:
            sent = quiet[row["cluster"]]["samples"] + loud[row["cluster"]]["samples"]
            assert row["written"] == sent and row["rejected"] == {}, f"{row['cluster']}: {row['written']} of {sent} {row['rejected']}"
        # Every series of a metric has a sample of every scrape.
        def ask(expression: str) -> int:
            question = urllib.parse.urlencode({"query": expression, "time": now / 1000})
            return int(json.load(urllib.request.urlopen(f"{url}/api/v1/query?{question}", timeout=60))["data"]["result"][0]["value"][1])

        for name in (CLUSTERS[0], CLUSTERS[9]):
            window = f'node_cpu_seconds_total{{cluster="{name}"}}[40m]'
            scrapes = quiet[name]["samples"] // SERIES + loud[name]["samples"] // SERIES
            found, wanted = ask(f"sum(count_over_time({window}))"), ask(f"count(last_over_time({window}))") * scrapes
            assert found == wanted, f"{name}: {found} of {wanted} samples are found"
    except AssertionError as error:
        failed = 1
        print(f"FAILED: {error}")
    finally:
        ended.set()
        aerie.send_signal(signal.SIGTERM)
        aerie.wait(60)
    return failed


if __name__ == "__main__":
    sys.exit(main())
