#!/usr/bin/env python3
"""Asks aerie and a real Prometheus the same, over the same samples, and compares the answers.

  promtool_check.py PROMQL_SERVE [--compliance FILE]

promtool (and prometheus beside it) come from $AERIE_PROMTOOL or build/third_party (tools/fetch-servers brings them). Without them the
check is skipped, loudly, with exit code 77. Prometheus 2 counts the left edge of a window, so no time asked for falls on a sample.
"""
import argparse
import itertools
import json
import math
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BASE = 1_700_000_000
START = BASE + 3602.3  # between samples, an hour of data behind it
END = START + 600
STEP = 10
TOLERANCE = 1e-9
# Prometheus 2 refuses these names, Prometheus 3 takes any UTF-8.
ONLY_OLD_FAILS = ("~invalid",)

VARIANTS = {
    "range": ["1s", "15s", "1m", "5m", "15m", "1h"],
    "offset": ["1m", "5m", "10m"],
    "simpleAggrOp": ["sum", "avg", "max", "min", "count", "stddev", "stdvar"],
    "simpleTimeAggrOp": ["sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last"],
    "topBottomOp": ["topk", "bottomk"],
    "quantile": ["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"],
    "arithBinOp": ["+", "-", "*", "/", "%", "^"],
    "compBinOp": ["==", "!=", "<", ">", "<=", ">="],
    "binOp": ["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="],
    "simpleMathFunc": ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"],
    "extrapolatedRateFunc": ["delta", "rate", "increase"],
    "clampFunc": ["clamp_min", "clamp_max"],
    "instantRateFunc": ["idelta", "irate"],
    "dateFunc": ["day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"],
}


def expand(template):
    names = list(dict.fromkeys(re.findall(r"\{\{\.(\w+)\}\}", template)))
    for values in itertools.product(*(VARIANTS[name] for name in names)):
        query = template
        for name, value in zip(names, values):
            query = query.replace("{{." + name + "}}", value)
        yield query


def compliance_queries(path):
    for line in path.read_text().splitlines():
        found = re.match(r"\s*(?:- )?(?:- # .*)?query: (.*)$", line)
        if not found:
            continue
        text = found.group(1).strip()
        if text[:1] in "'\"" and text[-1:] == text[:1]:
            quote = text[0]
            text = text[1:-1]
            text = text.replace("''", "'") if quote == "'" else json.loads('"' + text + '"')
        yield from expand(text)


def plain_queries():
    for line in (HERE / "reference" / "queries.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            yield line


def promtool_path():
    given = os.environ.get("AERIE_PROMTOOL")
    path = pathlib.Path(given) if given else ROOT / "build/third_party/usr/bin/promtool"
    return path if path.exists() and (path.parent / "prometheus").exists() else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, path, **parameters):
    """(status, decoded answer) of a query."""
    full = url + "/api/v1/" + path + "?" + urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(full, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def close(a, b):
    x, y = float(a), float(b)
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    if x == y:
        return True
    if math.isinf(x) or math.isinf(y):
        return False
    return abs(x - y) <= TOLERANCE * (abs(x) + abs(y))


def points_of(entry):
    return entry["values"] if "values" in entry else [entry["value"]]


def difference(ours, theirs):
    """What differs between two decoded answers, or None."""
    if ours[0] != theirs[0]:
        return f"status {ours[0]} instead of {theirs[0]}: {ours[1].get('error')} | {theirs[1].get('error')}"
    if ours[0] != 200:
        return None
    a, b = ours[1]["data"], theirs[1]["data"]
    if a["resultType"] != b["resultType"]:
        return f"{a['resultType']} instead of {b['resultType']}"
    if a["resultType"] in ("scalar", "string"):
        same = a["result"] == b["result"] or (a["resultType"] == "scalar" and close(a["result"][1], b["result"][1]))
        return None if same else f"{a['result']} instead of {b['result']}"
    mine = {json.dumps(entry["metric"], sort_keys=True): points_of(entry) for entry in a["result"]}
    other = {json.dumps(entry["metric"], sort_keys=True): points_of(entry) for entry in b["result"]}
    if mine.keys() != other.keys():
        return f"series {sorted(mine.keys() ^ other.keys())[:3]} are in one answer only"
    for name, points in other.items():
        if len(mine[name]) != len(points):
            return f"{name}: {len(mine[name])} points instead of {len(points)}"
        for (t1, v1), (t2, v2) in zip(mine[name], points):
            if t1 != t2 or not close(v1, v2):
                return f"{name}: {v1} at {t1} instead of {v2} at {t2}"
    return None


def compare_by_api(ours, theirs, queries):
    wrong = 0
    for query in queries:
        if any(name in query for name in ONLY_OLD_FAILS):
            continue
        pairs = (
            ("query_range", {"query": query, "start": START, "end": END, "step": STEP}),
            ("query", {"query": query, "time": START}),
        )
        for path, parameters in pairs:
            found = difference(ask(ours, path, **parameters), ask(theirs, path, **parameters))
            if found:
                wrong += 1
                print(f"{path} {query}\n    {found}")
    return wrong


def tool_output(promtool, *arguments):
    """Lines of promtool, sorted, without the parts that hold numbers."""
    done = subprocess.run([str(promtool), "query", *arguments], capture_output=True, text=True, timeout=60)
    lines = [re.sub(r"(=> ).*? @", r"\1# @", line) for line in done.stdout.splitlines()]
    return done.returncode, sorted(lines)


def compare_by_promtool(promtool, ours, theirs, queries):
    calls = [("instant", "URL", query, f"--time={START}") for query in queries]
    calls += [("range", "URL", "up", f"--start={START}", f"--end={START + 60}", "--step=15s")]
    calls += [("series", "URL", "--match=up", "--match=demo_num_cpus", f"--start={START}", f"--end={END}")]
    calls += [("labels", "URL", "instance"), ("labels", "URL", "type")]
    wrong = 0
    for call in calls:
        answers = [
            tool_output(promtool, *(url if word == "URL" else word for word in call)) for url in (ours, theirs)
        ]
        if answers[0] != answers[1]:
            # Range answers hold bare points below each series: their order is that of time, the numbers are compared by the API above.
            wrong += 1
            print(f"promtool query {' '.join(call)}\n    {answers[0]}\n    {answers[1]}")
    return wrong, len(calls)


class Servers:
    """aerie's query API and a Prometheus, over the same samples."""

    def __init__(self, serve, promtool, folder):
        self.processes = []
        samples = folder / "samples.txt"
        script = HERE / "reference" / "demo.test"
        arguments = [serve, "--script", script, "--base-seconds", str(BASE), "--openmetrics", samples]
        aerie = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.processes.append(aerie)
        self.ours = f"http://127.0.0.1:{int(aerie.stdout.readline())}"
        data = folder / "data"
        subprocess.run(
            [str(promtool), "tsdb", "create-blocks-from", "openmetrics", str(samples), str(data)],
            check=True, stdout=subprocess.DEVNULL)
        (folder / "prometheus.yml").write_text("{}\n")
        port = free_port()
        self.theirs = f"http://127.0.0.1:{port}"
        self.log = open(folder / "prometheus.log", "w")
        self.processes.append(subprocess.Popen(
            [str(promtool.parent / "prometheus"), f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=100y",
             f"--web.listen-address=127.0.0.1:{port}"], stderr=self.log))
        self.wait_until_ready()

    def wait_until_ready(self):
        for _ in range(300):
            try:
                urllib.request.urlopen(self.theirs + "/-/ready", timeout=1)
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        raise SystemExit("the reference Prometheus did not become ready")

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=20)
        self.log.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("serve", type=pathlib.Path)
    parser.add_argument("--compliance", type=pathlib.Path)
    arguments = parser.parse_args()
    promtool = promtool_path()
    if not promtool:
        print("SKIPPED: no promtool; tools/fetch-servers brings it, or set AERIE_PROMTOOL", file=sys.stderr)
        return 77
    queries = list(plain_queries())
    compliance = []
    if arguments.compliance and arguments.compliance.exists():
        compliance = list(compliance_queries(arguments.compliance))
    else:
        print("SKIPPED: the compliance queries are absent")
    with tempfile.TemporaryDirectory(prefix="promtool-check-") as folder:
        servers = Servers(arguments.serve, promtool, pathlib.Path(folder))
        try:
            wrong = compare_by_api(servers.ours, servers.theirs, queries + compliance)
            wrong_tool, calls = compare_by_promtool(promtool, servers.ours, servers.theirs, queries)
        finally:
            servers.stop()
    print(f"{len(queries)} + {len(compliance)} queries by the API, instant and range, and {calls} calls of promtool: "
          f"{wrong + wrong_tool} differ")
    return 1 if wrong + wrong_tool else 0


if __name__ == "__main__":
    sys.exit(main())
