#!/usr/bin/env python3
"""What a request costs the server, by how it comes: the CPU time of aerie per million samples, from the first byte until all is flushed.

    bench/ingest/cost.py --build build/release [--targets 100] [--scrapes 60] [--rounds 3]

Rows: Remote-Write 1.0 (the measure of all others), 2.0, 1.0 with a token and enforced labels, 1.0 of the lead of an HA pair, and of the
pair, whose standby sends the same at the same time: what that costs more is the standby's. Each row in a fresh process with an empty folder, rounds interleaved, medians printed. The machine should be quiet.
"""
import argparse
import hashlib
import json
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

CONFIG = """clusters:
- name: eu
  tokens: ['sha256:{digest}']
  labels: {{cluster: eu, environment: prod}}
"""


LEAD, STANDBY = ["--label=__replica__=a"], ["--label=__replica__=b"]


def cpu_seconds(pid: int) -> float:
    """Of the threads that live, to the nanosecond: clock ticks are too coarse for what is cheap."""
    return sum(int(task.read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


class Server:
    def __init__(self, build: pathlib.Path, folder: pathlib.Path, config: str = ""):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        folder.mkdir(parents=True)
        command = [build / "server/aerie", f"--storage.path={folder / 'data'}", f"--web.listen-address={self.url[7:]}"]
        command.append("--web.enable-admin-api")
        if config:
            (folder / "aerie.yml").write_text(config)
            command.append(f"--config.file={folder / 'aerie.yml'}")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(folder / "log", "wb"))
        for _ in range(200):
            try:
                if urllib.request.urlopen(self.url + "/-/ready", timeout=2).status == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("aerie does not start: " + (folder / "log").read_text()[-500:])

    def load(self, build: pathlib.Path, *senders) -> int:
        """The samples of the first of several senders that send at the same time."""
        running = [subprocess.Popen([build / "bench/aerie_load", self.url + "/api/v1/write", *arguments], stdout=subprocess.PIPE)
                   for arguments in senders]
        answers = [process.communicate()[0] for process in running]
        assert all(process.returncode == 0 for process in running), "a sender failed"
        return json.loads(answers[0])["samples"]

    def settle(self) -> float:
        """CPU seconds, once everything is flushed and idle."""
        urllib.request.urlopen(urllib.request.Request(self.url + "/api/v1/admin/tsdb/flush", method="POST"), timeout=120).read()
        before = -1.0
        while (now := cpu_seconds(self.process.pid)) - before > 0.02:
            before = now
            time.sleep(0.3)
        return now

    def metric(self, name: str) -> float:
        text = urllib.request.urlopen(self.url + "/metrics", timeout=10).read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def measure(row: str, options, folder: pathlib.Path):
    """CPU seconds per million samples of one row."""
    sizes = [f"--targets={options.targets}", f"--scrapes={options.scrapes}", "--label=cluster=eu"]
    token = "a-token-of-thirty-two-characters"
    config = CONFIG.format(digest=hashlib.sha256(token.encode()).hexdigest()) if row == "identity" else ""
    server = Server(options.build, folder, config)
    try:
        senders = {"1.0": [[]], "2.0": [["--version2"]], "identity": [[f"--bearer-token={token}"]], "lead": [LEAD],
                   "pair": [LEAD, STANDBY]}[row]
        if row == "pair":  # both are known before
            for sender in senders:
                began = int(time.time() * 1000) - (options.scrapes + 2) * 15_000
                server.load(options.build, [sizes[0], "--scrapes=2", f"--start-ms={began}", sizes[2], *sender])
            server.settle()
        before = cpu_seconds(server.process.pid)
        samples = server.load(options.build, *[sizes + sender for sender in senders])
        cost = (server.settle() - before) / samples * 1e6
        if row == "pair":
            unread = server.metric("aerie_ingest_standby_unread_total")
            assert unread > samples / 2000 * 0.8, f"only {unread} requests were kept unread"
        return cost
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=lambda text: pathlib.Path(text).resolve(), required=True)
    parser.add_argument("--targets", type=int, default=100)
    parser.add_argument("--scrapes", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=["1.0", "2.0", "identity", "lead", "pair"])
    options = parser.parse_args()
    found = {row: [] for row in options.rows}
    for _ in range(options.rounds):
        for row in options.rows:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="aerie-cost-"))
            try:
                found[row].append(measure(row, options, folder / "server"))
            finally:
                shutil.rmtree(folder)
    base = statistics.median(found[options.rows[0]])
    print(f"| row | CPU ms per million samples | samples per CPU-second | of {options.rows[0]} |\n|---|---|---|---|")
    for row, costs in found.items():
        cost = statistics.median(costs)
        print(f"| {row} | {cost * 1000:.0f} | {1e6 / cost:,.0f} | {cost / base:.3f} |")
    if "lead" in found and "pair" in found:
        lead, pair = (statistics.median(found[row]) for row in ("lead", "pair"))
        print(f"standby: {(pair - lead) / lead:.3f} of its lead")


if __name__ == "__main__":
    main()
