"""Random PromQL: valid queries of everything Prometheus 3.5 knows, and broken ones made from them."""
import random

import dataset

AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
OVER_TIME = ["avg", "min", "max", "sum", "count", "stddev", "stdvar", "last", "present", "absent", "mad"]
COUNTER_FUNCTIONS = ["rate", "increase", "irate", "resets"]
GAUGE_FUNCTIONS = ["delta", "idelta", "deriv", "changes"]
MATH = ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "round", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
        "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad"]
DATES = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"]
HISTOGRAM_PARTS = ["count", "sum", "avg", "stddev", "stdvar"]
ARITHMETIC = ["+", "-", "*", "/", "%", "^", "atan2"]
COMPARISONS = ["==", "!=", "<", ">", "<=", ">="]
SETS = ["and", "or", "unless"]
# Every word that must have been part of a valid query by the end of a run.
ALL_WORDS = (AGGREGATIONS + ["topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio"]
             + [name + "_over_time" for name in OVER_TIME + ["quantile", "ts_of_min", "ts_of_max", "ts_of_last"]]
             + COUNTER_FUNCTIONS + GAUGE_FUNCTIONS + ["predict_linear", "double_exponential_smoothing"] + MATH + DATES
             + ["clamp", "clamp_min", "clamp_max", "pi", "time", "timestamp", "scalar", "vector", "absent", "label_replace", "label_join",
                "sort", "sort_desc", "sort_by_label", "sort_by_label_desc", "histogram_quantile", "histogram_fraction", "info"]
             + ["histogram_" + part for part in HISTOGRAM_PARTS]
             + ["bool", "on", "ignoring", "group_left", "group_right", "by", "without", "offset", "@", "start", "end"]
             + ARITHMETIC + COMPARISONS + SETS)

NUMBERS = ["0", "1", "2", "-1", "0.5", "3.7", "1e3", "1e-7", "Inf", "-Inf", "NaN", "0x1f", "1_000", "5m", "1h30m", "017", ".5"]
DURATIONS = ["15s", "29s", "30s", "1m", "90s", "2m", "5m", "7m3s", "10m", "30m", "1h", "45", "1ms", "60.5"]
DURATION_EXPRESSIONS = ["5m*2", "1h/4", "30s+1m", "(1m)", "2^6", "-(-90)", "10m-30s", "1h%25m"]


class Node:
    """A piece of a query: its type (v, s, m, t for text) and its parts, strings or nodes."""

    def __init__(self, kind, *parts):
        self.kind, self.parts = kind, parts

    def __str__(self):
        return "".join(map(str, self.parts))

    def inner(self):
        """All nodes below, smallest first."""
        found = []
        for part in self.parts:
            if isinstance(part, Node):
                found += [part, *part.inner()]
        return sorted(found, key=lambda node: len(str(node)))


class Grammar:
    def __init__(self, seed, range_query):
        self.random = random.Random(f"query:{seed}")
        self.range_query = range_query

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, probability):
        return self.random.random() < probability

    def query(self):
        """Any type that the kind of query can return."""
        depth = self.random.choice([1, 2, 2, 3, 3, 4])
        if not self.range_query and self.chance(0.04):
            return self.matrix(depth)
        if not self.range_query and self.chance(0.01):
            return self.text()
        if self.chance(0.06):
            return self.scalar(depth)
        if not self.range_query and self.chance(0.05):
            return self.sorted_vector(depth)
        return self.vector(depth)

    # Types.

    def text(self):
        return Node("t", self.pick('"a b"', "'it\\'s'", "`raw\\n`", '"\\u00e9\\x41\\n"'))

    def scalar(self, depth):
        if depth <= 0 or self.chance(0.4):
            return Node("s", self.pick(*NUMBERS))
        choice = self.random.randrange(6)
        if choice == 0:
            return Node("s", "scalar(", self.vector(depth - 1), ")")
        if choice == 1:
            return Node("s", self.pick("time()", "pi()"))
        if choice == 2:
            return Node("s", self.pick("-", "+"), self.grouped(self.scalar(depth - 1)))
        if choice == 3:
            return Node("s", self.grouped(self.scalar(depth - 1)), f" {self.pick(*COMPARISONS)} bool ", self.grouped(self.scalar(depth - 1)))
        return Node("s", self.grouped(self.scalar(depth - 1)), f" {self.pick(*ARITHMETIC)} ", self.grouped(self.scalar(depth - 1)))

    def vector(self, depth):
        if depth <= 0:
            return self.selector()
        makers = [(6, self.selector), (10, self.aggregation), (10, self.window), (9, self.binary), (6, self.mapped), (3, self.labelled),
                  (4, self.quantile_of_histogram), (3, self.native_part), (1, self.created), (1, self.negated), (1, self.info)]
        maker = self.random.choices([make for _, make in makers], [weight for weight, _ in makers])[0]
        return maker() if maker == self.selector else maker(depth - 1)

    def matrix(self, depth, metrics=None):
        if self.chance(0.2) and depth > 0:
            step = self.pick("", "", "15s", "1m", "37s", "5m")
            return Node("m", self.grouped(self.vector(min(depth - 1, 1))), f"[{self.pick('1m', '5m', '10m', '30m', '61s')}:{step}]", self.modifiers())
        length = self.pick(*DURATION_EXPRESSIONS) if self.chance(0.1) else self.pick(*DURATIONS)
        return Node("m", self.name_and_matchers(metrics), f"[{length}]", self.modifiers())

    # Leaves.

    def any_metric(self):
        return self.random.choice(self.pick(dataset.COUNTERS, dataset.COUNTERS, dataset.GAUGES, dataset.GAUGES, dataset.GAUGES, dataset.INFOS,
                                            dataset.BUCKETS, dataset.CLASSIC_PARTS, dataset.NATIVE, dataset.NATIVE))

    def matcher(self):
        label = self.pick("job", "job", "instance", "instance", "zone", "code", "owner", "le", "absent_label", "pod")
        value = self.random.choice(dataset.LABELS.get(label, ["nothing", ""]))
        choice = self.random.randrange(5)
        if choice <= 1:
            return f'{label}="{value}"'
        if choice == 2:
            return f'{label}!="{value}"'
        pattern = self.pick("a.*", ".+", ".*", "api|db", "[a-c]:1", "(?i:API)", "(200|5..)", "", value.replace("+", "\\\\+"), ".*b|x")
        return f'{label}{self.pick("=~", "!~")}"{pattern}"'

    def name_and_matchers(self, metrics=None):
        metric = self.random.choice(metrics) if metrics else self.any_metric()
        matchers = [self.matcher() for _ in range(self.pick(0, 0, 0, 1, 1, 2))]
        if self.chance(0.05):
            return Node("v", "{", ", ".join([self.pick(f'"{metric}"', f'__name__="{metric}"', '__name__=~"g_.*"', '__name__=~"c_.+_total"'), *matchers]), "}")
        return Node("v", metric, "{" + ",".join(matchers) + "}" if matchers or self.chance(0.05) else "")

    def modifiers(self):
        text = ""
        if self.chance(0.12):
            text += " offset " + self.pick("1m", "-1m", "90s", "5m", "-7s", "1h", "0", "(1m*2)", "-(1m)")
        if self.chance(0.08):
            at = self.pick("start()", "end()", str(dataset.BASE_MS // 1000 + 1800), str(dataset.BASE_MS / 1000 + 600.5))
            text = f" @ {at}{text}" if self.chance(0.5) else f"{text} @ {at}"
        return text

    def selector(self, metrics=None):
        return Node("v", self.name_and_matchers(metrics), self.modifiers())

    def grouped(self, node):
        return Node(node.kind, "(", node, ")") if len(node.parts) > 1 or self.chance(0.1) else node

    # Inner nodes.

    def labels(self):
        names = ["job", "instance", "zone", "code", "le", "owner", "absent_label", "pod", "__name__"]
        return ", ".join(self.random.sample(names, self.pick(0, 1, 1, 2, 2, 3)))

    def aggregation(self, depth):
        grouping = f" {self.pick('by', 'by', 'without')} ({self.labels()}) " if self.chance(0.7) else ""
        argument = self.vector(depth)
        choice = self.random.randrange(12)
        if choice < 7:
            name, parameters = self.pick(*AGGREGATIONS), ()
        elif choice == 7:
            name, parameters = "quantile", (self.pick("0.5", "0.9", "0", "1", "-1", "2", "NaN"), ", ")
        elif choice == 8:
            # A value in the last digit makes another label: only what is computed exactly.
            name, parameters, argument = "count_values", (self.pick('"value"', '"job"'), ", "), self.selector()
        elif choice == 9:
            # Which of equal elements is taken depends on the order of evaluation: the argument keeps the order of labels.
            name, parameters = self.pick("topk", "bottomk"), (self.pick("1", "2", "3", "100", "0", "-1", "2.7"), ", ")
            argument = self.ordered_vector(depth)
        elif choice == 10:
            name, parameters, argument = "limitk", (self.pick("1", "3", "100", "0"), ", "), self.ordered_vector(depth)
        else:
            name, parameters = "limit_ratio", (self.pick("0.5", "-0.5", "1", "-1", "0.1", "2"), ", ")
            argument = self.ordered_vector(depth)
        body = Node("x", "(", *parameters, argument, ")")
        return Node("v", name, grouping, body) if self.chance(0.6) else Node("v", name, body, grouping)

    def ordered_vector(self, depth):
        return self.selector() if depth <= 0 or self.chance(0.5) else self.window(0)

    def window(self, depth):
        choice = self.random.randrange(10)
        if choice < 3:
            metrics = dataset.COUNTERS + dataset.BUCKETS + dataset.CLASSIC_PARTS + dataset.NATIVE if self.chance(0.85) else None
            return Node("v", self.pick(*COUNTER_FUNCTIONS), "(", self.matrix(depth, metrics), ")")
        if choice == 3:
            name = self.pick(*GAUGE_FUNCTIONS)
            # How 3.5 stores native histograms decides what changes() takes for equal.
            metrics = dataset.GAUGES + dataset.COUNTERS + ([] if name == "changes" else ["nh_gauge"])
            return Node("v", name, "(", self.matrix(0 if name == "changes" else depth, metrics), ")")
        if choice == 4:
            return Node("v", "predict_linear(", self.matrix(depth), ", ", self.scalar(min(depth, 1)), ")")
        if choice == 5:
            return Node("v", "quantile_over_time(", self.pick("0.5", "0.99", "0", "1", "1.5", "-0.1", "NaN"), ", ", self.matrix(depth), ")")
        if choice == 6 and self.chance(0.5):
            return Node("v", "double_exponential_smoothing(", self.matrix(depth), ", ", self.pick("0.5", "0.1", "0.9"), ", ", self.pick("0.5", "0.1", "0.8"), ")")
        if choice == 7 and self.chance(0.5):
            return Node("v", self.pick("ts_of_min_over_time", "ts_of_max_over_time", "ts_of_last_over_time"), "(", self.matrix(depth), ")")
        return Node("v", self.pick(*OVER_TIME), "_over_time(", self.matrix(depth), ")")

    def mapped(self, depth):
        choice = self.random.randrange(8)
        argument = self.vector(depth)
        if choice < 4:
            name = self.pick(*MATH)
            return Node("v", name, "(", argument, *((", ", self.scalar(min(depth, 1))) if name == "round" and self.chance(0.5) else ()), ")")
        if choice == 4:
            return Node("v", self.pick(*DATES), "(", argument, ")") if self.chance(0.8) else Node("v", self.pick(*DATES), "()")
        if choice == 5:
            return Node("v", "timestamp(", argument, ")")
        if choice == 6:
            return Node("v", self.pick("clamp_min", "clamp_max"), "(", argument, ", ", self.scalar(min(depth, 1)), ")")
        return Node("v", "clamp(", argument, ", ", self.scalar(min(depth, 1)), ", ", self.scalar(min(depth, 1)), ")")

    def labelled(self, depth):
        label = self.pick("job", "new", "zone", "__name__", "instance")
        if self.chance(0.3):
            sources = ", ".join(f'"{name}"' for name in self.random.sample(["job", "instance", "zone", "absent_label"], self.pick(1, 2, 3)))
            return Node("v", "label_join(", self.vector(depth), f', "{label}", "{self.pick("-", "")}", {sources})')
        replacement, pattern = self.pick(("$1", "(.*)"), ("x-$1", "(a.*):.*"), ("", ".*"), ("${name}y", "(?P<name>[a-c]).*"), ("fixed", ".+"), ("$2", "(.)(.?).*"))
        return Node("v", "label_replace(", self.vector(depth), f', "{label}", "{replacement}", "{self.pick("job", "instance", "absent_label")}", "{pattern}")')

    def quantile_of_histogram(self, depth):
        phi = self.pick("0.5", "0.9", "0.99", "0", "1", "-1", "1.5", "NaN")
        metrics = dataset.BUCKETS if self.chance(0.5) else dataset.NATIVE
        choice = self.random.randrange(5)
        if choice == 0:
            argument = self.vector(depth)
        elif choice == 1:
            argument = self.selector(metrics)
        else:
            inner = Node("v", self.pick("rate", "increase", "delta"), "(", self.matrix(0, metrics), ")")
            argument = inner if choice == 2 else Node("v", "sum by (", self.pick("le", "le, job", "le, zone, instance"), ") (", inner, ")")
        if self.chance(0.25):
            # #17424: since 3.8 a bound may lie inside the first bucket of a classic histogram.
            low, high = self.pick(("0", "1"), ("-Inf", "0.7"), ("0.3", "+Inf"), ("2", "1"), ("0.1", "2.5"), ("NaN", "1"))
            return Node("v", f"histogram_fraction({low}, {high}, ", argument, ")")
        return Node("v", f"histogram_quantile({phi}, ", argument, ")")

    def native_part(self, depth):
        argument = self.vector(depth) if self.chance(0.2) else self.pick(
            self.selector(dataset.NATIVE), Node("v", self.pick("rate", "sum_over_time", "avg_over_time", "increase", "last_over_time"), "(", self.matrix(0, dataset.NATIVE), ")"),
            Node("v", self.pick("sum", "avg"), self.pick("", " by (job) "), "(", self.selector(dataset.NATIVE), ")"))
        return argument if self.chance(0.3) else Node("v", "histogram_", self.pick(*HISTOGRAM_PARTS), "(", argument, ")")

    def created(self, depth):
        return Node("v", "vector(", self.scalar(depth), ")") if self.chance(0.5) else Node("v", "absent(", self.vector(min(depth, 1)), ")")

    def negated(self, depth):
        return Node("v", self.pick("-", "-", "+"), self.grouped(self.vector(depth)))

    def info(self, depth):
        """#17199, #19266: in 3.5 only instant queries without modifiers are right."""
        if self.range_query:
            return self.mapped(depth)
        matchers = self.pick("", "", ', {version="1"}', ', {version=~".+"}', ', {__name__="g_owner"}', ', {__name__=~"g_owner|target_info", owner="x"}')
        return Node("v", "info(", self.name_and_matchers(dataset.GAUGES + dataset.COUNTERS), matchers, ")")

    def sorted_vector(self, depth):
        if self.chance(0.5):
            return Node("v", self.pick("sort", "sort_desc"), "(", self.vector(depth), ")")
        return Node("v", self.pick("sort_by_label", "sort_by_label_desc"), "(", self.vector(depth), self.pick(', "job"', ', "instance", "zone"', ', "code"'), ")")

    def binary(self, depth):
        if self.chance(0.25):
            vector, scalar = self.grouped(self.vector(depth)), self.grouped(self.scalar(depth))
            pair = (vector, scalar) if self.chance(0.6) else (scalar, vector)
            operator = self.pick(*ARITHMETIC, *COMPARISONS)
            if operator in COMPARISONS and self.chance(0.4):
                operator += " bool"
            return Node("v", pair[0], f" {operator} ", pair[1])
        left = self.vector(depth)
        right = self.vector(depth)
        if self.chance(0.4):  # the same metrics, so that something matches
            right = Node("v", *left.parts) if self.chance(0.5) else self.window(0)
        operator = self.pick(*ARITHMETIC, *COMPARISONS, *SETS, "+", "-", "/")
        matching = ""
        if operator in COMPARISONS and self.chance(0.3):
            operator += " bool"
        if self.chance(0.6):
            matching = f" {self.pick('on', 'on', 'ignoring')}({self.pick('job, instance', 'job', 'instance', self.labels())})"
            if operator not in SETS and self.chance(0.45):
                matching += f" {self.pick('group_left', 'group_right')}({self.pick('', '', 'zone', 'owner', 'version')})"
        return Node("v", self.grouped(left), f" {operator}{matching} ", self.grouped(right))


FRAGMENTS = ["(", ")", "{", "}", "[", "]", ",", "by", "on", "bool", "offset", "@", "sum", "rate(", "1", "5m", '"', "'", "=~", "!", "==", "group_left", "[5m", ":", "{}", "$",
             "\\", "and", "-", "#", "ignoring ()", "nofunction(", "[0s]", '{job=~"("}', "\xe9"]


def broken(query, randomizer):
    """`query` with one to three edits."""
    text = query
    for _ in range(randomizer.choice([1, 1, 2, 3])):
        at = randomizer.randrange(len(text) + 1)
        choice = randomizer.randrange(5)
        if choice == 0:
            text = text[:at] + text[at + randomizer.randint(1, 4):]
        elif choice == 1:
            text = text[:at]
        elif choice == 2:
            text = text[:at] + text[randomizer.randrange(len(text) + 1):]
        else:
            text = text[:at] + randomizer.choice(FRAGMENTS) + text[at:]
    return text
