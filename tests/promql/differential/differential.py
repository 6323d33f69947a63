#!/usr/bin/env python3
"""Asks aerie and Prometheus 3.5 the same random queries over the same remote-written samples and compares the answers.

  differential.py AERIE [--queries N] [--invalid N] [--seed S] [--only I] [--keep-going]

Prometheus comes from $AERIE_PEERS (a folder of programs) or build/third_party/peers, where bench/peers puts it. Without one of
version 3 the test is skipped, loudly, with exit code 77. The seed and the number of a query replay it: --seed S --only I.
"""
import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import compare
import dataset
import grammar
import known_differences
import remote_write

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
AERIE_FEATURES = "promql-experimental-functions"
PROMETHEUS_FEATURES = "promql-experimental-functions,native-histograms,exemplar-storage,promql-duration-expr"


def prometheus_program():
    """The reference, if it is of version 3."""
    folder = os.environ.get("AERIE_PEERS")
    path = pathlib.Path(folder) if folder else ROOT / "build/third_party/peers/usr/bin"
    program = path / "prometheus"
    if not program.exists():
        return None
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return program if re.search(r"version 3\.", told.stdout + told.stderr) else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One of the two, with a connection that stays open."""

    def __init__(self, arguments, port, log):
        self.port, self.log = port, open(log, "w")
        self.process = subprocess.Popen([str(a) for a in arguments], stdout=self.log, stderr=self.log)
        self.url = f"http://127.0.0.1:{port}"
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def wait_until_ready(self):
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.process.args[0]} ended, see {self.log.name}")
            try:
                urllib.request.urlopen(self.url + "/-/ready", timeout=1)
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise SystemExit(f"{self.process.args[0]} did not become ready")

    def ask(self, path, parameters):
        body = urllib.parse.urlencode(parameters, encoding="utf-8", errors="surrogateescape")
        self.connection.request("POST", "/api/v1/" + path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def answer(self):
        """(status, decoded body)."""
        response = self.connection.getresponse()
        text = response.read()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, {"error": text.decode(errors="replace")}

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def sum_of_magnitudes(query):
    """`sum by (a) (abs(x))` of `sum by (a) (x)`; None of what is not a sum as a whole."""
    found = re.match(r"sum\s*((?:by|without)\s*\([^()]*\)\s*)?\(", query)
    if not found:
        return None
    depth, quote = 0, ""
    for at in range(found.end() - 1, len(query)):
        letter = query[at]
        if quote:
            quote = "" if letter == quote and query[at - 1] != "\\" else quote
        elif letter in "\"'`":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                break
    rest = query[at + 1:].strip()
    if depth != 0 or (rest and not re.fullmatch(r"(?:by|without)\s*\([^()]*\)", rest)):
        return None
    return f"{query[:found.end()]}abs({query[found.end():at]})) {rest}"


class Pair:
    """Both servers over the samples of one seed."""

    def __init__(self, aerie, prometheus, folder, seed, delayed_names):
        more = ",promql-delayed-name-removal" if delayed_names else ""
        ports = free_port(), free_port()
        (folder / "prometheus.yml").write_text("{}\n")
        self.ours = Server([
            aerie, f"--storage.path={folder}/aerie", f"--web.listen-address=127.0.0.1:{ports[0]}", "--storage.retention.time=0",
            "--storage.log-sync=off", f"--enable-feature={AERIE_FEATURES}{more}"], ports[0], folder / "aerie.log")
        self.theirs = Server([
            prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{ports[1]}", "--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y",
            f"--enable-feature={PROMETHEUS_FEATURES}{more}"], ports[1], folder / "prometheus.log")
        self.both = (self.ours, self.theirs)
        self.sums = 0  # whose inputs were looked at
        for server in self.both:
            server.wait_until_ready()
        for batch in dataset.Dataset(seed).requests():
            for server in self.both:
                remote_write.send(server.url, batch)

    def compare(self, path, parameters, ordered):
        for server in self.both:
            server.ask(path, {**parameters, "completeness": "0"})
        ours, theirs = (server.answer() for server in self.both)
        found = compare.difference(parameters["query"], "step" in parameters, ours, theirs, ordered)
        return found or self.compare_sum(path, parameters, ours, theirs), theirs

    def compare_sum(self, path, parameters, ours, theirs):
        """Sums are held to their inputs: cancellation makes relative errors of results say little."""
        magnitudes = sum_of_magnitudes(parameters["query"])
        if magnitudes is None or theirs[0] != 200 or theirs[1]["data"]["resultType"] == "scalar" or not compare.inexact(ours, theirs):
            return None
        self.theirs.ask(path, {**parameters, "query": magnitudes})
        answer = self.theirs.answer()
        self.sums += 1
        return compare.sum_difference(ours, theirs, answer) if answer[0] == 200 else None

    def stop(self):
        for server in self.both:
            server.stop()


class Question:
    """The query with number `index` of a seed, and when it is asked."""

    def __init__(self, seed, index, invalid=False):
        chooser = random.Random(f"when:{seed}:{index}:{invalid}")
        self.is_range = chooser.random() < 0.5
        tree = grammar.Grammar(f"{seed}:{index}", self.is_range).query()
        self.tree = None if invalid else tree
        self.query = grammar.broken(str(tree), chooser) if invalid else str(tree)
        at = dataset.BASE_MS + chooser.randint(-20, 270) * dataset.INTERVAL_MS + chooser.choice([0, 0, 0, 1, 7001, -1])
        if not self.is_range:
            self.when = {"time": f"{at / 1000:.3f}"}
            return
        step_ms = chooser.choice([1000, 7300, 15_000, 15_000, 30_000, 60_000, 61_001, 300_000])
        end = at + step_ms * chooser.choice([0, 1, 5, 20, 63, 64, 65, 130])
        self.when = {"start": f"{at / 1000:.3f}", "end": f"{end / 1000:.3f}", "step": f"{step_ms / 1000:.3f}"}

    @property
    def path(self):
        return "query_range" if self.is_range else "query"

    def order(self):
        """By what the answer is ordered: "value", "label" or None."""
        found = None if self.is_range else re.match(r"sort(_by_label)?(_desc)?\(", self.query)
        return found and ("label" if found.group(1) else "value")

    def ask(self, pair, text=None):
        query = self.query if text is None else text
        found, theirs = pair.compare(self.path, {"query": query, **self.when}, self.order() if text is None else None)
        if found and known_differences.explains(query, found):
            return "known", theirs
        return found, theirs

    def smallest(self, pair):
        """The smallest part of the query whose answers differ as well."""
        for node in self.tree.inner() if self.tree else []:
            if node.kind in "vs" or (node.kind == "m" and not self.is_range):
                found, _ = self.ask(pair, str(node))
                if found and found != "known":
                    return str(node), found
        return None


class Run:
    def __init__(self, arguments):
        self.arguments = arguments
        self.counts = collections.Counter()
        self.words = collections.Counter()

    def report(self, number, question, found, pair):
        self.counts["different"] += 1
        when = " ".join(f"{key}={value}" for key, value in question.when.items())
        print(f"--seed {self.arguments.seed} --only {number}: {question.path} {when}\n  {question.query}\n    {found}")
        smaller = question.smallest(pair)
        if smaller and smaller[0] != question.query:
            print(f"  smallest: {smaller[0]}\n    {smaller[1]}")
        sys.stdout.flush()

    def ask(self, pair, number, invalid):
        question = Question(self.arguments.seed, number, invalid)
        found, theirs = question.ask(pair)
        refused = theirs[1].get("errorType") == "bad_data"
        self.counts["refused" if refused else "valid"] += 1
        self.counts["failing"] += theirs[0] not in (200, 400)
        self.counts["empty"] += theirs[0] == 200 and not theirs[1]["data"]["result"]
        if theirs[0] == 200:
            self.words.update(set(re.findall(r"[a-z_]\w*|[-+*/%^@]|[<>!=]=?", question.query)))
        if found == "known":
            self.counts["known"] += 1
        elif found:
            self.report(number, question, found, pair)

    def all(self, pair):
        """Until as many valid and invalid queries as wanted were asked; what the grammar meant to be valid counts as what it is."""
        wanted = self.arguments
        if wanted.only is not None:
            self.ask(pair, wanted.only, wanted.invalid_only)
            return
        number = 0
        while self.counts["valid"] < wanted.queries:
            self.ask(pair, number, False)
            number += 1
        number = 0
        while self.counts["refused"] < wanted.invalid:
            self.ask(pair, number, True)
            number += 1

    def unseen_words(self):
        return sorted({word for word in grammar.ALL_WORDS if self.words[word] == 0})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("aerie", type=pathlib.Path)
    parser.add_argument("--queries", type=int, default=int(os.environ.get("AERIE_DIFFERENTIAL_QUERIES", "2000")), help="valid ones")
    parser.add_argument("--invalid", type=int, default=2000)
    parser.add_argument("--seed", default=os.environ.get("AERIE_SEED", "1"))
    parser.add_argument("--only", type=int, help="the number of one query")
    parser.add_argument("--invalid-only", action="store_true", help="--only means an invalid one")
    parser.add_argument("--delayed-names", action="store_true", help="both with promql-delayed-name-removal")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for data and logs that is kept")
    arguments = parser.parse_args()
    prometheus = prometheus_program()
    if not prometheus:
        print("SKIPPED: no Prometheus 3; bench/peers brings it, or set AERIE_PEERS to its folder", file=sys.stderr)
        return 77
    folder = arguments.keep or pathlib.Path(tempfile.mkdtemp(prefix="differential-"))
    folder.mkdir(parents=True, exist_ok=True)
    run, started = Run(arguments), time.time()
    try:
        pair = Pair(arguments.aerie, prometheus, folder, arguments.seed, arguments.delayed_names)
        try:
            run.all(pair)
        finally:
            pair.stop()
            run.counts["sums"] = pair.sums
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    counts = run.counts
    print(f"seed {arguments.seed}: {counts['valid']} valid queries ({counts['failing']} failing, {counts['empty']} empty), "
          f"{counts['refused']} refused, {counts['known']} known differences, "
          f"{counts['sums']} sums held to their inputs, {counts['different']} differ, {time.time() - started:.0f} s")
    if arguments.only is None and arguments.queries >= 2000 and run.unseen_words():
        print("never part of an answered query:", ", ".join(run.unseen_words()))
        return 1
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
