#!/usr/bin/env python3
"""Everything that a sender can do wrong, against a real aerie: the right status, never a 5xx or a dropped connection for bad input, memory
bounded, and a normal sender beside it unharmed.

    abuse_test.py AERIE FOLDER
"""
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

AERIE, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
MIB = 1 << 20
LIMIT = 32 * MIB  # decoded
V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def series(labels, samples=((1.0, None),)) -> bytes:
    message = b"".join(field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in labels)
    for value, t in samples:
        message += field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(t or int(time.time() * 1000)))
    return field(1, message)


def snappy(content: bytes) -> bytes:
    """One block of literals."""
    out = bytearray(varint(len(content)))
    for at in range(0, len(content), 65536):
        part = content[at:at + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return bytes(out)


def zeros(length: int) -> bytes:
    """A block that unpacks to as many zeros: 64 of them in three bytes."""
    return varint(length) + b"\x00\x00" + (bytes([63 << 2 | 2]) + b"\x01\x00") * ((length - 1) // 64)


class Aerie:
    def __init__(self):
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [AERIE, f"--storage.path={FOLDER / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=open(FOLDER / "aerie.log", "wb"), stderr=subprocess.STDOUT)
        for _ in range(300):
            try:
                if self.ask(b"GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("aerie does not start")

    def memory(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, request: bytes):
        """(status, rest of the answer). A connection dropped without an answer is an error."""
        with self.connect() as connection:
            try:
                connection.sendall(request)
            except (BrokenPipeError, ConnectionResetError):
                pass  # answered and closed before everything was sent
            return read_answer(connection.makefile("rb"))

    def post(self, body: bytes, content_type="application/x-protobuf", encoding="snappy", path="/api/v1/write"):
        head = (f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Encoding: {encoding}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n")
        return self.ask(head.encode() + body)


def read_answer(stream):
    line = stream.readline()
    if not line:
        raise AssertionError("the connection was dropped without an answer")
    length = 0
    while (header := stream.readline().strip()):
        if header.lower().startswith(b"content-length:"):
            length = int(header.split(b":")[1])
    return int(line.split()[1]), stream.read(length).decode(errors="replace")


class NormalSender(threading.Thread):
    """Writes ten series twenty times a second, on one connection."""

    def __init__(self, aerie: Aerie):
        super().__init__(daemon=True)
        self.aerie, self.ended, self.slowest, self.sent, self.wrong = aerie, threading.Event(), 0.0, 0, []

    def run(self):
        connection = self.aerie.connect()
        stream = connection.makefile("rb")
        while not self.ended.wait(0.05):
            body = snappy(b"".join(series([("__name__", "up"), ("instance", str(i))]) for i in range(10)))
            began = time.monotonic()
            connection.sendall(f"POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            status, text = read_answer(stream)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.sent += 1
            if status != 204:
                self.wrong.append((status, text))


def bodies(aerie: Aerie):
    """Bad bodies, and the status that each must have."""
    good = b"".join(series([("__name__", "good"), ("index", str(i))]) for i in range(50))
    four_gib = varint((1 << 32) - 1)
    expect(aerie.post(four_gib + b"\0" * (20 - len(four_gib))), 400, "4 GiB declared in 20 bytes")
    frame = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 40) + b"\x01\x00\x00"
    expect(aerie.post(frame, encoding="zstd"), 409, "a zstd frame of a terabyte")
    expect(aerie.post(zeros(1 << 30)), (400, 413), "a gigabyte of zeros")
    expect(aerie.post(zeros(LIMIT)), 400, "as many zeros as fit")
    for cut in range(1, len(snappy(good)), 97):
        expect(aerie.post(snappy(good)[:cut]), 400, f"cut off at {cut}")
        expect(aerie.post(snappy(good[:cut])), (400, 204), f"protobuf cut off at {cut}")
    source = random.Random(7)
    for _ in range(200):
        expect(aerie.post(source.randbytes(source.randrange(1, 4000))), 400, "garbage")
        expect(aerie.post(snappy(source.randbytes(source.randrange(1, 4000)))), (400, 204), "garbage in snappy")
        expect(aerie.post(snappy(source.randbytes(500)), V2), (400, 204), "garbage for 2.0")
        expect(aerie.post(source.randbytes(500), encoding="zstd"), (400, 409), "garbage for zstd")
    huge = "x" * (8 * MIB)
    expect(aerie.post(snappy(series([("__name__", "up"), ("huge", huge)]))), 400, "a label of 8 MiB")
    expect(aerie.post(snappy(series([("__name__", "up"), (huge, "x")]))), 400, "a label name of 8 MiB")
    many = [("__name__", "up")] + [(f"label_{i}", "x") for i in range(100_000)]
    expect(aerie.post(snappy(series(many))), 400, "100,000 labels")
    expect(aerie.post(snappy(b"\x0a\x00" * 1_000_000)), 400, "a million empty series")
    expect(aerie.post(snappy(b"\x2a\x00" * 1_000_000), V2), 400, "a million empty series of 2.0")
    bad = field(4, b"") + field(5, field(1, varint(1) + varint(2)) + field(2, b"\x09" + b"\0" * 8 + b"\x10\x01"))
    expect(aerie.post(snappy(bad), V2), 400, "a symbol that is not there")
    expect(aerie.post(snappy(field(4, b"") * 1_100_000), V2), 400, "a million symbols")
    expect(aerie.post(snappy(good), "application/json"), 415, "json")
    expect(aerie.post(snappy(good), encoding="br"), 415, "brotli")
    expect(aerie.post(b""), 400, "nothing")
    expect(aerie.post(snappy(good)), 204, "a good one after all that")


def expect(answer, statuses, what: str):
    status, text = answer
    wanted = statuses if isinstance(statuses, tuple) else (statuses,)
    assert status in wanted, f"{what}: {status} {text[:300]}"


def requests(aerie: Aerie):
    """Good and bad HTTP."""
    for method in ("PUT", "DELETE", "PATCH", "GET"):
        expect(aerie.ask(f"{method} /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()), 405, method)
    expect(aerie.ask(b"BREW /api/v1/write HTTP/1.1\r\nHost: a\r\n\r\n"), (400, 405), "an unknown method")
    expect(aerie.ask(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not http\r\n\r\n"), 400, "not HTTP")
    expect(aerie.ask(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\nX: " + b"x" * MIB + b"\r\n\r\n"), (400, 431), "a header of 1 MiB")
    lines = b"".join(b"X-%d: y\r\n" % i for i in range(100_000))
    expect(aerie.ask(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n"), (400, 431), "100,000 headers")
    head = "POST /api/v1/write HTTP/1.1\r\nHost: a\r\n"
    expect(aerie.ask(f"{head}Content-Length: {10 << 30}\r\n\r\n".encode()), (400, 413), "10 GiB announced")
    chunks = b"100000\r\n" + b"x" * MIB + b"\r\n"
    expect(aerie.ask(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks * 200), (400, 413), "an endless body")
    expect(aerie.ask(f"{head}Content-Length: -1\r\n\r\n".encode()), 400, "a negative length")
    body = snappy(series([("__name__", "pipelined")]))
    one = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with aerie.connect() as connection:
        connection.sendall(one * 50)
        stream = connection.makefile("rb")
        for i in range(50):
            expect(read_answer(stream), 204, f"pipelined request {i}")


def connections(aerie: Aerie):
    """Hundreds that say nothing, half of something, or everything far too slowly."""
    opened = [aerie.connect() for _ in range(300)]
    for connection in opened[100:200]:
        connection.sendall(b"POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Le")
    for connection in opened[200:]:
        connection.sendall(b"POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
    for _ in range(10):
        for connection in opened[200:]:
            connection.sendall(b"x")
        time.sleep(0.1)
    expect(aerie.ask(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"), 200, "health meanwhile")
    for connection in opened:
        connection.close()


def main() -> int:
    aerie = Aerie()
    sender = NormalSender(aerie)
    failed = 0
    try:
        sender.start()
        for _ in range(20):  # buffers of a request as large as one may be
            aerie.post(zeros(LIMIT))
        time.sleep(1)
        bomb = varint((1 << 32) - 1) + b"\0" * 15
        before = aerie.memory()
        for _ in range(500):
            expect(aerie.post(bomb), 400, "4 GiB declared in 20 bytes")
        growth = aerie.memory() - before
        print(f"500 bombs: memory grows by {growth / MIB:.1f} MiB")
        assert growth < 4 * MIB, growth
        for part in (bodies, requests, connections):
            before = aerie.memory()
            began = time.monotonic()
            part(aerie)
            growth = aerie.memory() - before
            print(f"{part.__name__}: {time.monotonic() - began:.1f} s, memory grows by {growth / MIB:.1f} MiB", flush=True)
            assert growth < 64 * MIB, f"{part.__name__}: memory grew by {growth} bytes"
        sender.ended.set()
        sender.join(30)
        print(f"the normal sender: {sender.sent} requests, the slowest took {sender.slowest * 1000:.0f} ms")
        assert sender.sent > 20 and not sender.wrong, sender.wrong[:3]
        assert aerie.process.poll() is None, "aerie has ended"
    except AssertionError as error:
        failed = 1
        print(f"FAILED: {error}")
    aerie.process.send_signal(signal.SIGTERM)
    aerie.process.wait(60)
    return failed


if __name__ == "__main__":
    sys.exit(main())
