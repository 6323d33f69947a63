#!/usr/bin/env python3
"""aeriectl import against a real aerie: a text file of several days, and what a real Prometheus holds by remote read.

    import_test.py AERIE AERIECTL FOLDER

The second part needs Prometheus (AERIE_PROGRAMS names the folder of the fetched servers) and says so where it is absent.
"""
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.parse

from process_test import AERIECTL, free_port, fresh, http, must, run_tests, running, wait_until

DAY = 86_400


def aeriectl(folder, server, *arguments):
    return subprocess.run([AERIECTL, "--url", server.url, "import", *arguments], capture_output=True, text=True, cwd=folder)


def value_of(base, expression):
    status, body = http("GET", f"{base}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    must(status == 200, body)
    result = json.loads(body)["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def write_history(path, first, hours, jump=0):
    lines = ["# HELP room_celsius How warm it was.", "# TYPE room_celsius gauge"]
    for room in ("hall", "attic"):
        for hour in range(hours):
            lines.append(f'room_celsius{{room="{room}"}} {20 + hour / 8} {first + hour * 3600}')
    if jump:
        lines.append(f'room_celsius{{room="hall"}} 1 {first + jump}')
    path.write_text("\n".join(lines + ["# EOF", ""]))


def test_openmetrics_is_sent_day_by_day_and_once():
    folder = fresh("import_text")
    now = int(time.time())
    write_history(folder / "old.txt", now - 3 * DAY, 70)
    with running(folder) as server:
        for _ in range(2):  # the second time everything is there already
            done = aeriectl(folder, server, "openmetrics", "old.txt", "--label", "cluster=gondor")
            must(done.returncode == 0 and "Imported 140 samples." in done.stdout, done.stdout + done.stderr)
            must(value_of(server.url, 'sum(count_over_time(room_celsius{cluster="gondor"}[4d]))') == 140, "samples")
        must(value_of(server.url, "sum(sum_over_time(room_celsius[4d]))") == 2 * sum(20 + hour / 8 for hour in range(70)), "values")
        must("How warm it was." in http("GET", server.url + "/api/v1/metadata")[1], "metadata")
        must(not list(folder.glob("*.progress")), "the progress file stays")


def test_openmetrics_goes_on_where_it_stopped():
    folder = fresh("import_resume")
    now = int(time.time())
    with running(folder) as server:
        write_history(folder / "old.txt", now - 2 * DAY, 20, jump=4 * DAY)  # the last sample lies in the future
        done = aeriectl(folder, server, "openmetrics", "old.txt", "--progress", "state")
        must(done.returncode == 1 and "answered 400" in done.stderr and "goes on where" in done.stderr, done.stderr)
        done = aeriectl(folder, server, "openmetrics", "old.txt", "--progress", "state", "--keep-going")
        must("Going on at" in done.stderr and done.returncode == 1 and "1 requests had samples refused" in done.stderr, done.stderr)
        must(value_of(server.url, "sum(count_over_time(room_celsius[4d]))") == 40, "samples")
        (folder / "cut.txt").write_text("a 1 2\n")
        done = aeriectl(folder, server, "openmetrics", "cut.txt")
        must(done.returncode == 3 and "expected # EOF" in done.stderr and "Nothing was sent" in done.stderr, done.stderr)
    done = aeriectl(folder, server, "openmetrics", "old.txt")
    must(done.returncode == 1 and "is aerie running at" in done.stderr, done.stderr)


def test_remote_read_copies_what_a_prometheus_holds():
    program = pathlib.Path(os.environ.get("AERIE_PROGRAMS", "/nonexistent")) / "prometheus"
    if not program.exists():
        print("SKIPPED: no Prometheus here (tools/fetch-servers brings it)", flush=True)
        return
    folder = fresh("import_remote")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, external_labels: {cluster: rohan}}\n"
        f"scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n")
    with open(folder / "prometheus.log", "w") as log:
        prometheus = subprocess.Popen(
            [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        wait_until(lambda: http("GET", base + "/-/ready")[0] == 200, "Prometheus")
        wait_until(lambda: (value_of(base, "count_over_time(up[1h])") or 0) >= 4, "four scrapes")
        until = int(time.time()) - 1
        with running(folder) as server:
            done = aeriectl(folder, server, "remote-read", base, "--from", str(until - 3600), "--to", str(until), "--window", "10m",
                            "--label", "zone=east", "--label", "cluster=never")
            must(done.returncode == 0, done.stderr)
            for expression in ("sum(count_over_time(prometheus_http_requests_total[1h] @ %d))", "count(last_over_time({job='self'}[1h] @ %d))",
                               "sum(sum_over_time(go_goroutines[1h] @ %d))"):
                ours, theirs = (value_of(url, expression % until) for url in (server.url, base))
                must(ours == theirs and ours, f"{expression}: {ours} for {theirs}")
            must(value_of(server.url, 'count(up{cluster="rohan",zone="east"} @ %d)' % until) == 1, "labels")
    finally:
        prometheus.terminate()
        prometheus.wait()


if __name__ == "__main__":
    sys.exit(run_tests(dict(globals())))
