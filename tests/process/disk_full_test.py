#!/usr/bin/env python3
"""A full disk, with the real program: writers get 503 and Retry-After, readers go on, nothing acknowledged is lost.

    disk_full_test.py AERIE FOLDER

Mounts a tmpfs of 48 MiB below FOLDER, which needs root; without it the test is skipped (exit code 77).
"""
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

AERIE, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
DEADLINE_SECONDS = 60
SERIES = 200
WRITE_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
                 "X-Prometheus-Remote-Write-Version": "0.1.0"}


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def value_of(series, t_ms):
    """A pure function, and nothing that packs well: the disk must fill."""
    return ((series * 2654435761 + t_ms * 40503) % 1000003) / 7.0


LABELS = [b"".join(field(1, field(1, name) + field(2, value)) for name, value in (
    (b"__name__", b"full"), (b"cluster", b"a"), (b"n", str(series).encode()))) for series in range(SERIES)]


def request_at(t_ms):
    time_field = b"\x10" + varint(t_ms)
    return b"".join(
        field(1, LABELS[series] + field(2, b"\x09" + struct.pack("<d", value_of(series, t_ms)) + time_field))
        for series in range(SERIES))


def snappy(raw):
    out = varint(len(raw))
    for start in range(0, len(raw), 60):  # literals only
        chunk = raw[start:start + 60]
        out += bytes([(len(chunk) - 1) << 2]) + chunk
    return out


def http(method, url, body=b"", headers=None):
    request = urllib.request.Request(url, data=body or None, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers
    except OSError:
        return 0, "", {}


def must(condition, text):
    if not condition:
        raise AssertionError(text)


STARTED = []


class Aerie:
    def __init__(self, data):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log_path = FOLDER / "aerie.log"
        self.process = subprocess.Popen(
            [AERIE, f"--storage.path={data}", f"--web.listen-address=127.0.0.1:{port}", "--web.enable-admin-api"],
            stderr=open(self.log_path, "ab"), stdout=subprocess.DEVNULL)
        STARTED.append(self)
        end = time.monotonic() + DEADLINE_SECONDS
        while http("GET", self.url + "/-/ready")[0] != 200:
            must(self.process.poll() is None, f"aerie ended with {self.process.poll()}:\n{self.tail()}")
            must(time.monotonic() < end, f"not ready after {DEADLINE_SECONDS} s:\n{self.tail()}")
            time.sleep(0.05)

    def tail(self):
        return self.log_path.read_text()[-4000:]

    def write(self, t_ms):
        status, text, headers = http("POST", self.url + "/api/v1/write", snappy(request_at(t_ms)), WRITE_HEADERS)
        if status == 503:
            must(headers.get("Retry-After", "").isdigit(), f"503 without Retry-After: {text}")
        else:
            must(status == 204, f"{status} {text}\n{self.tail()}")
        return status == 204

    def query(self, expression, at_ms):
        url = self.url + "/api/v1/query?" + urllib.parse.urlencode({"query": expression, "time": at_ms / 1000})
        status, text, _ = http("GET", url)
        must(status == 200, f"query answered {status} {text}")
        return json.loads(text)["data"]["result"]

    def stop(self, number):
        self.process.send_signal(number)
        self.process.wait(timeout=DEADLINE_SECONDS)


def check(aerie, acknowledged, in_doubt, what):
    """Everything acknowledged is there with its value; nothing is there that was not sent."""
    first, last = min(acknowledged), max(acknowledged)
    span = f"[{last - first + 1000}ms]"
    found = {}
    for part in range(8):  # keeps each answer small
        numbers = "|".join(str(n) for n in range(part, SERIES, 8))
        for series in aerie.query(f'full{{n=~"{numbers}"}}{span}', last):
            n = int(series["metric"]["n"])
            for t, value in series["values"]:
                found[n, round(t * 1000)] = float(value)
    lost = [(n, t) for t in acknowledged for n in range(SERIES) if (n, t) not in found]
    wrong = [key for key, value in found.items() if value != value_of(*key)]
    sent = acknowledged | in_doubt
    invented = [key for key in found if key[1] not in sent]
    print(f"{what}: {len(acknowledged) * SERIES} samples acknowledged, lost {len(lost)}, wrong {len(wrong)}, "
          f"invented {len(invented)}", flush=True)
    must(not lost and not wrong and not invented, f"lost {lost[:3]} wrong {wrong[:3]} invented {invented[:3]}")


def fill(mount):
    """Somebody else takes everything that is left."""
    with open(mount / "somebody", "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 512):
            try:
                while True:
                    file.write(b"\1" * size)
            except OSError:
                pass


def scenario(mount):
    data = mount / "data"
    acknowledged, refused = set(), set()
    t = int(time.time() * 1000) - 6 * 3600 * 1000
    step = 1000

    aerie = Aerie(data)
    full_at = 0
    for _ in range(20000):  # until the disk is nearly full; sealing makes room again for a while
        t += step
        (acknowledged if aerie.write(t) else refused).add(t)
        if len(refused) >= 3:
            full_at = t
            break
    must(full_at, "the disk never became full")
    must(acknowledged, "nothing was ever written")
    check(aerie, acknowledged, refused, "nearly full, running")
    fill(mount)
    for _ in range(20):  # what room the open segment has is still used
        t += step
        (acknowledged if aerie.write(t) else refused).add(t)
    must(http("POST", aerie.url + "/api/v1/admin/tsdb/flush")[0] in (204, 500), "flush on a full disk")
    check(aerie, acknowledged, refused, "full, running")
    aerie.stop(signal.SIGKILL)

    aerie = Aerie(data)
    check(aerie, acknowledged, refused, "full, restarted after kill -9")
    t += step
    (acknowledged if aerie.write(t) else refused).add(t)
    aerie.stop(signal.SIGTERM)
    aerie = Aerie(data)
    check(aerie, acknowledged, refused, "full, restarted in order")

    (mount / "somebody").unlink()
    end = time.monotonic() + DEADLINE_SECONDS
    while True:  # recovers by itself
        t += step
        if aerie.write(t):
            acknowledged.add(t)
            break
        refused.add(t)
        must(time.monotonic() < end, f"no write was taken {DEADLINE_SECONDS} s after space came back:\n{aerie.tail()}")
        time.sleep(0.2)
    status, text, _ = http("POST", aerie.url + "/api/v1/admin/tsdb/flush")
    must(status == 204, f"flush after space came back: {status} {text}\n{aerie.tail()}")
    check(aerie, acknowledged, refused, "space is back")
    aerie.stop(signal.SIGKILL)
    aerie = Aerie(data)
    check(aerie, acknowledged, refused, "space is back, restarted")
    aerie.stop(signal.SIGTERM)


def main():
    mount = FOLDER / "mount"
    mount.mkdir(parents=True, exist_ok=True)
    (FOLDER / "aerie.log").unlink(missing_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "aerie-disk-full", str(mount)],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        print(f"SKIPPED: a small tmpfs cannot be mounted here ({mounted.stderr.strip()}); run as root")
        return 77
    try:
        scenario(mount)
    finally:
        for aerie in STARTED:  # or it would write into the next run's folder, which has the same name
            aerie.process.kill()
            aerie.process.wait()
        subprocess.run(["umount", "-l", str(mount)], check=False)
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
