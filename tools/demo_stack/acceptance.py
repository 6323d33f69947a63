"""What the demo must show, asked of a running stack: one line per check, the first failure does not hide the others."""
import re
import signal
import time

from .stack import ALERTMANAGER, CLUSTERS, SCRAPE_SECONDS, ChildEnded, Failure, get, prometheus_name

# Three times the longest gap between two requests of the lead, which is a scrape or a little more, plus one scrape.
FAILOVER_SECONDS = 30


class Report:
    def __init__(self, fleet):
        self.fleet = fleet
        self.failed = 0

    def line(self, held, what, detail=""):
        self.failed += 0 if held else 1
        seconds = time.monotonic() - self.fleet.started_at
        print(f"{'ok    ' if held else 'FAILED'} {seconds:6.1f} s  {what}{': ' + detail if detail else ''}", flush=True)

    def within(self, seconds, what, condition):
        """Waits for `condition` (a value that is true, or a text that says why not yet as ('no', text))."""
        begin = time.monotonic()
        try:
            self.fleet.wait_for(what, condition, seconds)
            self.line(True, what, f"after {time.monotonic() - begin:.1f} s")
            return True
        except ChildEnded:
            raise
        except Failure as failure:
            self.line(False, what, str(failure))
            return False


def phases(fleet, space, name):
    return {cluster: (row["phase"], row["reason"]) for cluster, row in fleet.deployment(space, name).items()}


def timestamps(fleet, selector, minutes, at=None):
    """The raw sample times, in seconds, of the one series that `selector` must have."""
    series = fleet.query(f"{selector}[{minutes}m]", at)
    if len(series) != 1:
        return None, len(series)
    return [float(t) for t, _ in series[0]["values"]], 1


def widest_gap(times):
    return max((b - a for a, b in zip(times, times[1:])), default=0.0)


def closest(times):
    return min((b - a for a, b in zip(times, times[1:])), default=float("inf"))


def check_start(report):
    fleet = report.fleet
    left = lambda: max(1.0, 90 - (time.monotonic() - fleet.started_at))
    report.within(left(), "three clusters are fresh within 90 s", fleet.populated)
    wanted = {"gondor": ("Complete", ""), "rohan": ("Complete", ""), "shire": ("Stalled", "FailedCreate/Quota")}
    held = report.within(left(), "nginx is Complete in gondor and rohan, Stalled with its cause in shire",
                         lambda: phases(fleet, "shop", "nginx") == wanted)
    if not held:
        report.line(False, "phases were", str(phases(fleet, "shop", "nginx")))

    def alerted():
        return any(a["labels"].get("deployment") == "nginx" and a["labels"].get("cluster") == "shire"
                   and a["labels"].get("phase") == "Stalled" for a in fleet.alerts())
    report.within(left(), "its alert is in Alertmanager", alerted)
    expression = "sum by (cluster) (rate(node_cpu_seconds_total[1m]))"
    report.within(left(), "rate of node_cpu_seconds_total by cluster has three lines",
                  lambda: sorted(r["metric"].get("cluster") for r in fleet.query(expression)) == sorted(CLUSTERS))
    status, metrics = get(fleet.url("/metrics"))
    borrowed = re.findall(r'^aerie_[^{]*\{(?:[^}]*,)?(?:cluster|environment|zone|prometheus|prometheus_replica)="[^\n]*', metrics, re.M)
    report.line(status == 200 and not borrowed, "aerie's own metrics bear no cluster's name", str(borrowed[:1]))
    status, page = get(fleet.url("/"))
    report.line(status == 200 and "<html" in page.lower(), "the page is served", f"status {status}, {len(page)} bytes")


def switches(fleet):
    status, text = get(fleet.url("/metrics"))
    for line in text.splitlines() if status == 200 else []:
        if line.startswith("aerie_ingest_ha_switches_total"):
            return float(line.split()[-1])
    return 0.0


def check_failover(report):
    """Kills the replicas of rohan in turn until the one that leads was hit."""
    fleet = report.fleet
    before = switches(fleet)
    for replica in (0, 1):
        name = prometheus_name("rohan", replica)
        fleet.stop_child(name, signal.SIGKILL)
        end = time.monotonic() + FAILOVER_SECONDS
        while time.monotonic() < end and switches(fleet) == before:
            time.sleep(0.5)
        led = switches(fleet) > before
        if led:
            time.sleep(3 * SCRAPE_SECONDS)
            break
        fleet.start_child(name)
        time.sleep(3 * SCRAPE_SECONDS)
    report.line(led, "the other replica of rohan took over after a kill -9", f"killed {name}")
    times, series = timestamps(fleet, 'up{cluster="rohan",job="kube-state-metrics"}', 4)
    if times is None:
        report.line(False, "rohan has one series, not one per replica", f"{series} series")
    else:
        report.line(widest_gap(times) <= FAILOVER_SECONDS, "no gap is longer than the failover",
                    f"widest {widest_gap(times):.1f} s of {len(times)} samples")
        report.line(closest(times) >= SCRAPE_SECONDS / 2, "no samples are doubled", f"closest {closest(times):.1f} s")
    doubled = fleet.query('count by (cluster) (kube_deployment_spec_replicas{namespace="shop",deployment="nginx"}) > 1')
    leaked = fleet.query('count({prometheus_replica=~".+"})')
    report.line(not doubled and not leaked, "no series is doubled, no replica label is left", f"{doubled} {leaked}"[:200])
    if name in fleet.allowed_down:
        fleet.start_child(name)


def silence_shire(report):
    for replica in (0, 1):
        report.fleet.stop_child(prometheus_name("shire", replica))
    return time.monotonic()


def check_silence(report, stopped_at):
    fleet = report.fleet

    def unknown():
        data = fleet.api("/api/v1/clusters/shire/deployments")
        return bool(data) and data["total"] > 0 and all(row["phase"] == "Unknown" for row in data["deployments"])
    left = max(1.0, 90 - (time.monotonic() - stopped_at))
    report.within(left, "with both Prometheus of shire stopped its Deployments are Unknown within 90 s", unknown)
    report.within(15, "and say so as series", lambda: len(fleet.query(
        'aerie_deployment_phase{cluster="shire",phase="Unknown"} == 1')) > 0 and not fleet.query(
        'aerie_deployment_phase{cluster="shire",phase!="Unknown"} == 1'))
    report.within(30, "the silent cluster is alerted on", lambda: any(
        a["labels"]["alertname"] == "DemoClusterSilent" and a["labels"].get("cluster") == "shire" for a in fleet.alerts()))
    report.line(phases(fleet, "shop", "nginx").get("gondor") == ("Complete", ""), "gondor is not touched by it")
    for replica in (0, 1):
        fleet.start_child(prometheus_name("shire", replica))
    report.within(90, "back again, nginx is Stalled once more",
                  lambda: phases(fleet, "shop", "nginx").get("shire", ("",))[0] == "Stalled")


def everything(fleet, at):
    """All samples of two minutes, by series: what must be the same before and after."""
    out = {}
    for selector in ('{cluster="gondor",__name__=~"node_cpu_seconds_total|kube_deployment_.*|up"}[2m]',
                     'node_network_receive_bytes_total{cluster="rohan"}[2m]'):
        for series in fleet.query(selector, at):
            out[str(sorted(series["metric"].items()))] = series["values"]
    return out


def check_kill(report):
    fleet = report.fleet
    at = time.time() - 2  # what is asked for is older than what may still be under way
    before = everything(fleet, at)
    fleet.stop_child("aerie", signal.SIGKILL)
    time.sleep(2)
    fleet.start_child("aerie")
    report.within(30, "after kill -9 aerie is ready again", lambda: get(fleet.url("/-/ready"))[0] == 200)
    after = everything(fleet, at)
    lost = sum(1 for key, values in before.items() if after.get(key) != values)
    count = sum(len(values) for values in before.values())
    report.line(count > 0 and lost == 0 and len(after) == len(before), "everything that could be read before is there",
                f"{count} samples of {len(before)} series, {lost} series differ")
    report.within(60, "the verdicts are the same again", lambda: phases(fleet, "shop", "nginx") == {
        "gondor": ("Complete", ""), "rohan": ("Complete", ""), "shire": ("Stalled", "FailedCreate/Quota")})
    time.sleep(2 * SCRAPE_SECONDS)
    times, series = timestamps(fleet, 'up{cluster="gondor",job="kube-state-metrics"}', 2)
    report.line(times is not None and widest_gap(times) <= FAILOVER_SECONDS, "what Prometheus held back has arrived",
                f"widest gap {widest_gap(times):.1f} s" if times else f"{series} series")
    status, _ = get(fleet.url("/api/v2/alerts", ALERTMANAGER))
    report.line(status == 200 and any(a["labels"].get("deployment") == "nginx" for a in fleet.alerts()),
                "the alert stands")


def run(fleet):
    report = Report(fleet)
    check_start(report)
    stopped_at = silence_shire(report)  # takes a minute to be noticed; the rest is watched meanwhile
    fleet.fault("gondor", "bad_image", "shop/checkout", True)
    check_failover(report)
    report.within(60, "an image that does not exist is named", lambda: phases(fleet, "shop", "checkout").get("gondor")
                  == ("Stalled", "ImagePull/ImagePullBackOff"))
    fleet.fault("gondor", "bad_image", "shop/checkout", False)
    check_silence(report, stopped_at)
    check_kill(report)
    report.within(60, "the image that was put right is Complete",
                  lambda: phases(fleet, "shop", "checkout").get("gondor") == ("Complete", ""))
    print("all checks held" if report.failed == 0 else f"{report.failed} checks failed", flush=True)
    return 0 if report.failed == 0 else 1
