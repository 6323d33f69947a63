"""The samples both servers get: an hour of everything a member cluster can send, from one seed."""
import math
import random

from remote_write import STALE, STALE_HISTOGRAM, Histogram

BASE_MS = 1_760_000_400_000  # a fixed hour, so that a seed means the same on every day
INTERVAL_MS = 15_000
STEPS = 241
END_MS = BASE_MS + (STEPS - 1) * INTERVAL_MS

# What the grammar may write. One list per role, because some functions make sense for some roles only.
COUNTERS = ["c_requests_total", "c_errors_total", "c_bytes"]
GAUGES = ["g_temp", "g_level", "g_flap", "g_special", "g_jitter", "g_big", "g_pod"]
INFOS = ["target_info", "g_owner"]
BUCKETS = ["h_latency_seconds_bucket", "h_odd_bucket"]
CLASSIC_PARTS = ["h_latency_seconds_sum", "h_latency_seconds_count"]
NATIVE = ["nh_latency", "nh_gauge", "nh_custom", "nh_mixed", "nh_schemas"]
LABELS = {
    "job": ["api", "db", "web"],
    "instance": ["a:1", "b:1", "c:1", "d:1"],
    "zone": ["east", "west"],
    "code": ["200", "404", "500"],
    "owner": ["x", "y"],
    "le": ["0.1", "0.5", "1", "2.5", "+Inf"],
}


class Dataset:
    def __init__(self, seed):
        self.random = random.Random(f"data:{seed}")
        self.series = []  # (sorted labels, [(ms, value)])
        self.counters()
        self.gauges()
        self.infos()
        self.classic_histograms()
        self.native_histograms()
        self.series.sort(key=lambda entry: entry[0])

    def add(self, name, labels, samples):
        pairs = sorted([("__name__", name)] + [(key, str(value)) for key, value in labels.items()])
        self.series.append((tuple(pairs), [sample for sample in samples if sample is not None]))

    def targets(self):
        for job in LABELS["job"]:
            for instance in LABELS["instance"][: self.random.randint(2, 4)]:
                yield {"job": job, "instance": instance, "zone": self.random.choice(LABELS["zone"])}

    def times(self, gaps=0.03, jitter=0):
        """Scrape times; `gaps` is the chance that a gap of several scrapes begins, half of them announced by a stale marker."""
        skip, out = 0, []
        for step in range(STEPS):
            t = BASE_MS + step * INTERVAL_MS + (self.random.randint(0, jitter) if jitter else 0)
            if skip > 0:
                skip -= 1
            elif self.random.random() < gaps:
                skip = self.random.choice([1, 1, 2, 5, 25])
                out.append((t, self.random.random() < 0.5))
            else:
                out.append((t, False))
        return out

    def counters(self):
        for name, step_sizes in (("c_requests_total", [0, 1, 5, 17]), ("c_errors_total", [0, 0, 0, 1]),
                                 ("c_bytes", [0.25, 1000.125, 1e6 / 3])):
            for target in self.targets():
                for code in LABELS["code"][: self.random.randint(1, 3)]:
                    value, samples = self.random.choice([0, 10, 1e6]), []
                    for t, stale in self.times(gaps=0.01):
                        value = 0 if self.random.random() < 0.01 else value + self.random.choice(step_sizes)
                        samples.append((t, STALE if stale else float(value)))
                    self.add(name, {**target, "code": code}, samples)

    def gauges(self):
        for target in self.targets():
            value, samples = 20.0, []
            for t, stale in self.times():
                value += self.random.gauss(0, 1)
                samples.append((t, STALE if stale else value))
            self.add("g_temp", target, samples)
            self.add("g_level", target, [(t, STALE if stale else float(self.random.randint(0, 3))) for t, stale in self.times()])
            self.add("g_jitter", target, [(t, self.random.uniform(-5, 5)) for t, _ in self.times(0.01, jitter=14_000)])
            self.add("g_big", target, [(t, self.random.choice([1e300, -1e300, 1e16, 1.0, 2**53 + 1.0])) for t, _ in self.times()])
        specials = [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e308, 1.0, -1.5, 0.1]
        for instance in LABELS["instance"]:
            self.add("g_special", {"job": "api", "instance": instance},
                     [(t, self.random.choice(specials)) for t, _ in self.times(0.02)])
            self.add("g_flap", {"job": "api", "instance": instance, "zone": "east"},
                     [(t, STALE if self.random.random() < 0.2 else float(t // 1000 % 7)) for t, _ in self.times(0.05)])
        for pod in range(12):  # churn: each lives for a while, the next one overlaps a little
            first = pod * 20
            lives = range(first, min(first + 24, STEPS))
            samples = [(BASE_MS + step * INTERVAL_MS, float(pod + step / 7)) for step in lives]
            if pod % 2 == 0 and first + 24 < STEPS:
                samples.append((BASE_MS + (first + 24) * INTERVAL_MS, STALE))
            self.add("g_pod", {"job": "web", "pod": f"web-{pod}"}, samples)

    def infos(self):
        for target in self.targets():
            labels = {"job": target["job"], "instance": target["instance"]}
            half = self.random.randint(60, 180)
            times = [BASE_MS + step * INTERVAL_MS for step in range(STEPS)]
            self.add("target_info", {**labels, "version": "1"}, [(t, 1.0) for t in times[:half]] + [(times[half], STALE)])
            self.add("target_info", {**labels, "version": "2"}, [(t, 1.0) for t in times[half:]])
            self.add("g_owner", {**labels, "owner": self.random.choice(LABELS["owner"])}, [(t, 1.0) for t in times])

    def classic_histograms(self):
        bounds = [0.1, 0.5, 1.0, 2.5, math.inf]
        for target in self.targets():
            counts, total, rows = [0] * len(bounds), 0.0, []
            for t, _ in self.times(0.01):
                if self.random.random() < 0.01:
                    counts, total = [0] * len(bounds), 0.0
                for _ in range(self.random.randint(0, 6)):
                    seen = self.random.expovariate(1.2)
                    counts = [count + (seen <= bound) for count, bound in zip(counts, bounds)]
                    total += seen
                rows.append((t, list(counts), total))
            for index, le in enumerate(LABELS["le"]):
                self.add("h_latency_seconds_bucket", {**target, "le": le}, [(t, float(row[index])) for t, row, _ in rows])
            self.add("h_latency_seconds_sum", target, [(t, total) for t, _, total in rows])
            self.add("h_latency_seconds_count", target, [(t, float(row[-1])) for t, row, _ in rows])
        # Not monotonic, without +Inf, with a label that is no number, with only one bucket.
        odd = {"api": ["0.1", "1", "+Inf"], "db": ["0.1", "1"], "web": ["0.1", "none", "+Inf"], "one": ["+Inf"], "neg": ["-1", "0", "+Inf"]}
        for job, bounds_of in odd.items():
            for index, le in enumerate(bounds_of):
                self.add("h_odd_bucket", {"job": job, "le": le},
                         [(t, float(10 * index + self.random.randint(0, 25))) for t, _ in self.times(0.02)])

    def native_histograms(self):
        for target in self.targets():
            self.add("nh_latency", target, self.native_counter(0, False))
            self.add("nh_schemas", target, self.native_counter(None, self.random.random() < 0.5))
            self.add("nh_gauge", target, [
                (t, STALE_HISTOGRAM if stale else Histogram(1, self.random.gauss(0, 50), self.some_buckets(), self.some_buckets(), gauge=True,
                                                  zero_count=float(self.random.randint(0, 4)), zero_threshold=0.001))
                for t, stale in self.times()])
            self.add("nh_custom", target, self.custom_counter())
            mixed = self.native_counter(0, False)
            self.add("nh_mixed", target, [(t, float(i)) if self.random.random() < 0.3 else (t, value)
                                          for i, (t, value) in enumerate(mixed)])

    def some_buckets(self):
        return {index: float(self.random.randint(0, 9)) for index in range(-3, 6) if self.random.random() < 0.6}

    def native_counter(self, schema, with_negative):
        # Never near zero: since 3.6 a rate is not extrapolated below it.
        chosen, positive, negative, zero, total, samples = schema, {0: 4000.0}, {}, 0.0, 3000.0, []
        threshold = 1e-128
        if schema is None:
            chosen = self.random.choice([-1, 0, 1, 3])
        for t, stale in self.times(0.01):
            if self.random.random() < 0.01:  # a restart, perhaps with another resolution
                positive, negative, zero, total = {0: 3000.0}, {}, 0.0, 2000.0
                if schema is None:
                    chosen = self.random.choice([-1, 0, 1, 3])
                    threshold = self.random.choice([1e-128, 0.001, 0.25])
            for _ in range(self.random.randint(0, 4)):
                seen = self.random.gauss(1, 2) if with_negative else self.random.expovariate(0.7)
                total += seen
                if abs(seen) <= threshold:
                    zero += 1
                    continue
                buckets = positive if seen > 0 else negative
                index = math.ceil(math.log2(abs(seen)) * 2.0**chosen)
                buckets[index] = buckets.get(index, 0.0) + 1
            samples.append((t, STALE_HISTOGRAM if stale else Histogram(chosen, total, positive, negative, zero, threshold)))
        return samples

    def custom_counter(self):
        # Bounds never change: since 3.6 differing ones are reconciled.
        bounds, counts, total, samples = [0.1, 1.0, 2.5, 10.0], {0: 4000.0}, 400.0, []
        for t, stale in self.times(0.01):
            if self.random.random() < 0.01:
                counts, total = {0: 3000.0}, 300.0
            for _ in range(self.random.randint(0, 4)):
                seen = self.random.expovariate(0.5)
                total += seen
                index = sum(bound < seen for bound in bounds)
                counts[index] = counts.get(index, 0.0) + 1
            samples.append((t, STALE_HISTOGRAM if stale else Histogram(-53, total, counts, custom=bounds, zero_threshold=0.0)))
        return samples

    def requests(self):
        """One request per scrape, so that none holds two samples of a series. The first creates every series in the order of its labels
        (by a stale marker ten minutes before): what depends on the order of series in Prometheus's head then depends on their labels."""
        yield [(labels, [(BASE_MS - 600_000, STALE)]) for labels, _ in self.series]
        scrapes = [[] for _ in range(STEPS)]
        for labels, samples in self.series:
            for t, value in samples:
                scrapes[(t - BASE_MS) // INTERVAL_MS].append((labels, [(t, value)]))
        yield from (scrape for scrape in scrapes if scrape)
