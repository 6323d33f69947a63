"""Where aerie follows Prometheus 3.14, as its suite does, and Prometheus 3.5 answers otherwise. Each entry names the change behind it."""
import re

# Texts that were changed: (what both are brought to, the change in Prometheus).
NOTICES = [
    # #16794: the name of the metric is told only where it is still known.
    (r'(malformed value of "[^"]*") for metric name "[^"]*"', r"\1"),
    # #15578: how much was fixed, in how many samples, is told.
    (r"(input to histogram_quantile needed to be fixed for monotonicity \(see [^)]*\)).*?( \(\d+:\d+\))$", r"\1\2"),
]

# (what the query must contain, what the difference must contain, the change in Prometheus)
ENTRIES = [
    (r"(tan|sin|cos)\(.*(sinh|cosh|exp|\^)", r"instead of \"-?\d", "none: the last digit of a large number decides"),
    (r"last_over_time\(\(*\w+\(", r"series instead of", "#18409: last_over_time of a subquery drops the name that its series lost"),
    (r"histogram_fraction\(.*h_odd_bucket", r"", "#17424: as below, under other functions"),
    (r"histogram_fraction", r"instead of \"NaN\"", "#17424: a bound inside the first bucket of a classic histogram"),
    (r"mad_over_time", r"\"NaN\" at|order of values .*'NaN'", "#19040: NaN among the values"),
    (r"(rate|increase)\(\(?(rate|increase|delta)\(nh_", r"", "#17608, #16828: the rate of a rate of native histograms"),
    (r"(rate|increase)\(\(*nh_gauge", r"", "#16828: the rate of a native histogram is not extrapolated below zero observations"),
    (r"info\(.*\[", r"", "#17199: info() over several steps"),
    (r"nh_.*(NaN|Inf)", r"\"NaN\"\]", "3.5 keeps empty buckets that other samples of the same chunk have, and NaN is not empty"),
    (r"nh_", r"too many \['PromQL warning: conflicting counter resets during histogram", "the suite of 3.14 wants the warning where hints of resets collide; 3.5 has none in aggregations"),
    (r"", r"multiple matches for labels.* instead of 200", "#17668: matches are counted even where the operator drops the element"),
]

# What has no order in 3.5, besides most of what a range query evaluates: which of several duplicates is told is open.
UNORDERED = r"limit_ratio|limitk|topk|bottomk|histogram_quantile|histogram_fraction|count_values|info"


def plain_notice(text):
    for pattern, replacement in NOTICES:
        text = re.sub(pattern, replacement, text)
    return text


def plain_error(query, is_range, text):
    """#18810: of two duplicate series the smaller one is told first."""
    if is_range:  # not step by step: which of the errors of several steps is told is open
        text = text.replace("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                            "found duplicate series for the match group {} on the right hand-side of the operation: [{}, {}];"
                            "many-to-many matching not allowed: matching labels must be unique on one side")
    if is_range or re.search(UNORDERED, query):
        return re.sub(r"\{[^}]*\}", "{}", text)
    found = re.search(r"operation: \[(\{.*\}), (\{.*\})\];", text)
    if found:
        text = text.replace(found.group(0), "operation: " + ", ".join(sorted(found.groups())))
    return text


def explains(query, difference):
    return any(re.search(in_query, query) and re.search(in_difference, difference) for in_query, in_difference, _ in ENTRIES)
