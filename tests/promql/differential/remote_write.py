"""Remote-Write 1.0 requests, written by hand so that nothing but Python is needed: protobuf, snappy with literals only."""
import struct
import urllib.request

STALE_BITS = 0x7FF0000000000002
STALE = object()  # a float's value
STALE_HISTOGRAM = object()  # in place of a histogram


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return varint((value << 1) ^ (value >> 63))


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def double(number, value):
    bits = struct.pack("<Q", STALE_BITS) if value is STALE else struct.pack("<d", value)
    return varint(number << 3 | 1) + bits


def integer(number, encoded):
    return varint(number << 3) + encoded


class Histogram:
    """A native histogram of floats; `positive` and `negative` map a bucket's index to its count."""

    def __init__(self, schema, total, positive, negative=None, zero_count=0.0, zero_threshold=1e-128, custom=None, gauge=False):
        self.schema, self.sum, self.gauge = schema, total, gauge
        self.positive, self.negative = dict(positive), dict(negative or {})
        self.zero_count, self.zero_threshold, self.custom = zero_count, zero_threshold, custom

    @property
    def count(self):
        return sum(self.positive.values()) + sum(self.negative.values()) + self.zero_count

    def is_integral(self):
        every = [*self.positive.values(), *self.negative.values(), self.zero_count]
        return all(float(value).is_integer() for value in every)

    def encode(self, timestamp_ms):
        integral = self.is_integral()
        out = integer(1, varint(int(self.count))) if integral else double(2, self.count)
        out += double(3, self.sum) + integer(4, zigzag(self.schema)) + double(5, self.zero_threshold)
        out += integer(6, varint(int(self.zero_count))) if integral else double(7, self.zero_count)
        for buckets, numbers in ((self.negative, (8, 9, 10)), (self.positive, (11, 12, 13))):
            out += encode_buckets(buckets, numbers, integral)
        out += integer(14, varint(3 if self.gauge else 0)) + integer(15, varint(timestamp_ms))
        if self.custom is not None:
            out += field(16, b"".join(struct.pack("<d", bound) for bound in self.custom))
        return out


def encode_buckets(buckets, numbers, integral):
    spans, counts, last = [], [], None
    for index in sorted(buckets):
        if last is not None and index == last + 1:
            spans[-1][1] += 1
        else:
            spans.append([index if last is None else index - last - 1, 1])
        counts.append(buckets[index])
        last = index
    out = b"".join(field(numbers[0], integer(1, zigzag(offset)) + integer(2, varint(length))) for offset, length in spans)
    if not counts:
        return out
    if integral:
        deltas = [int(b) - int(a) for a, b in zip([0] + counts, counts)]
        return out + field(numbers[1], b"".join(map(zigzag, deltas)))
    return out + field(numbers[2], b"".join(struct.pack("<d", count) for count in counts))


def encode_series(labels, samples):
    """`labels` sorted pairs; `samples` pairs of milliseconds and a float, Histogram or a stale marker."""
    out = b"".join(field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in labels)
    for timestamp_ms, value in samples:
        if value is STALE_HISTOGRAM:
            out += field(4, double(3, STALE) + integer(15, varint(timestamp_ms)))
        elif isinstance(value, Histogram):
            out += field(4, value.encode(timestamp_ms))
        else:
            out += field(2, double(1, value) + integer(2, varint(timestamp_ms)))
    return field(1, out)


def snappy_block(data):
    out = bytearray(varint(len(data)))
    for begin in range(0, len(data), 65536):
        part = data[begin:begin + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return bytes(out)


def send(url, series):
    """Errors: urllib's, with the answer's text."""
    body = snappy_block(b"".join(encode_series(labels, samples) for labels, samples in series))
    request = urllib.request.Request(url + "/api/v1/write", data=body, method="POST", headers={
        "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"})
    try:
        urllib.request.urlopen(request, timeout=60).read()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{url} refused the samples: {error.code} {error.read().decode(errors='replace')[:400]}") from error
