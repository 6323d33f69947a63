"""What differs between two answers of the query API."""
import json
import math

import known_differences

RELATIVE = 1e-9
OF_INPUTS = 1e-12  # sums: of the sum of the inputs' magnitudes


def close(a, b, slack=0.0):
    x, y = float(a), float(b)
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    if x == y:
        return True
    if math.isinf(x) or math.isinf(y):
        return False
    return abs(x - y) <= max(RELATIVE * max(abs(x), abs(y)), slack)


def same_histogram(a, b):
    if not close(a["count"], b["count"]) or not close(a["sum"], b["sum"]):
        return False
    left, right = a.get("buckets", []), b.get("buckets", [])
    return len(left) == len(right) and all(
        p[0] == q[0] and all(close(x, y) for x, y in zip(p[1:], q[1:])) for p, q in zip(left, right))


def points(entry):
    """[(time, value)] and [(time, histogram)], whatever the type of the result."""
    floats = entry.get("values") or ([entry["value"]] if "value" in entry else [])
    histograms = entry.get("histograms") or ([entry["histogram"]] if "histogram" in entry else [])
    return floats, histograms


def series_difference(name, mine, theirs):
    for kind, ours, other in zip(("floats", "histograms"), points(mine), points(theirs)):
        if [t for t, _ in ours] != [t for t, _ in other]:
            extra = sorted({t for t, _ in ours} ^ {t for t, _ in other})
            return f"{name}: {len(ours)} {kind} instead of {len(other)}, first at {extra[:1]}"
        for (t, a), (_, b) in zip(ours, other):
            same = close(a, b) if kind == "floats" else same_histogram(a, b)
            if not same:
                return f"{name}: {json.dumps(a)} at {t} instead of {json.dumps(b)}"
    return None


def notices(answer, kind):
    """As sets: both texts of 3.5 and 3.14 brought to what they have in common."""
    return sorted({known_differences.plain_notice(notice) for notice in answer.get(kind, [])})


def values_in_order(result):
    return [entry.get("value", [0, "histogram"])[1] for entry in result]


def same_order(a, b):
    return all(close(x, y) if "histogram" not in (x, y) else x == y for x, y in zip(values_in_order(a), values_in_order(b)))


def inexact(ours, theirs):
    """True if some float of two alike answers is not the same to the last digit."""
    sides = [dict((json.dumps(entry["metric"], sort_keys=True), points(entry)[0]) for entry in answer[1]["data"]["result"])
             for answer in (ours, theirs)]
    return any(value != other for name, values in sides[0].items()
               for (_, value), (_, other) in zip(values, sides[1].get(name, [])))


def sum_difference(ours, theirs, magnitudes):
    """The first sum that is further off than rounding explains; `magnitudes`: the answer for the sum of abs()."""
    def floats(answer):
        return {(json.dumps(entry["metric"], sort_keys=True), t): float(value)
                for entry in answer[1]["data"]["result"] for t, value in points(entry)[0]}
    mine, other, inputs = floats(ours), floats(theirs), floats(magnitudes)
    for key, value in mine.items():
        expected, scale = other.get(key), inputs.get(key)
        if expected is None or scale is None or not all(map(math.isfinite, (value, expected, scale))):
            continue
        if abs(value - expected) > OF_INPUTS * scale:
            return f"{key[0]}: the sum {value!r} at {key[1]} instead of {expected!r}, inputs {scale!r}"
    return None


def difference(query, is_range, ours, theirs, ordered=None):
    """(status, decoded body) each; None if they say the same. `ordered`: by "value" or by "label"."""
    if ours[0] != theirs[0] or ours[1].get("errorType") != theirs[1].get("errorType"):
        return (f"{ours[0]} {ours[1].get('errorType', '')}: {ours[1].get('error')} instead of "
                f"{theirs[0]} {theirs[1].get('errorType', '')}: {theirs[1].get('error')}")
    if ours[0] != 200:
        return error_difference(query, is_range, ours[1], theirs[1])
    a, b = ours[1]["data"], theirs[1]["data"]
    if a["resultType"] != b["resultType"]:
        return f"{a['resultType']} instead of {b['resultType']}"
    if a["resultType"] in ("scalar", "string"):
        same = a["result"] == b["result"] or (a["resultType"] == "scalar" and close(a["result"][1], b["result"][1]))
        return None if same else f"{a['result']} instead of {b['result']}"
    names = [[json.dumps(entry["metric"], sort_keys=True) for entry in side["result"]] for side in (a, b)]
    for side, which in ((names[0], "aerie"), (names[1], "Prometheus")):
        if len(set(side)) != len(side):
            return f"{which} answers a series twice"
    if set(names[0]) != set(names[1]):
        mine, other = sorted(set(names[0]) - set(names[1])), sorted(set(names[1]) - set(names[0]))
        return f"{len(names[0])} series instead of {len(names[1])}: too many {mine[:2]}, missing {other[:2]}"
    if ordered == "value" and not same_order(a["result"], b["result"]):
        return f"order of values {values_in_order(a['result'])[:5]} instead of {values_in_order(b['result'])[:5]}"
    if (ordered == "label" or a["resultType"] == "matrix") and names[0] != names[1]:
        return f"order of series {names[0][:3]} instead of {names[1][:3]}"
    theirs_by_name = dict(zip(names[1], b["result"]))
    for name, entry in zip(names[0], a["result"]):
        found = series_difference(name, entry, theirs_by_name[name])
        if found:
            return found
    for kind in ("warnings", "infos"):
        mine, other = notices(ours[1], kind), notices(theirs[1], kind)
        if mine != other:
            return f"{kind}: too many {[n for n in mine if n not in other]}, missing {[n for n in other if n not in mine]}"
    return None


def error_difference(query, is_range, ours, theirs):
    """Texts of errors while evaluating are Prometheus's; those of the parser are compared by tests of their own."""
    if ours.get("errorType") == "bad_data":
        return None
    mine, other = (known_differences.plain_error(query, is_range, answer.get("error", "")) for answer in (ours, theirs))
    return None if mine == other else f"error {ours.get('error')!r} instead of {theirs.get('error')!r}"
