#include <fmt/core.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "query/functions_table.h"
#include "query/parser.h"
#include "tests/query/support/ast_text.h"

namespace aerie::query {
namespace {

LanguageFeatures everything() {
  LanguageFeatures features;
  features.experimental_functions = true;
  features.extended_range_selectors = true;
  features.binop_fill_modifiers = true;
  return features;
}

std::string printed(std::string_view text) {
  auto parsed = parse_expr(text, everything());
  return parsed ? to_string(**parsed) : parsed.error().message();
}

TEST_CASE("the canonical form") {
  const std::pair<const char*, const char*> cases[] = {
      {"sum(up)by(job)", "sum by (job) (up)"},
      {"sum by () (up)", "sum(up)"},
      {"sum without() (up)", "sum without () (up)"},
      {"topk by(a,\"b.c\") (3,up)", "topk by (a, \"b.c\") (3, up)"},
      {"a+on(x)group_left(y,z)b", "a + on (x) group_left (y, z) b"},
      {"a - on() b", "a - on () b"},
      {"a - ignoring() b", "a - b"},
      {"a / ignoring() group_right b", "a / ignoring () group_right () b"},
      {"a >=bool 1", "a >= bool 1"},
      {"a + fill_left(5) fill_right(5) b", "a + fill (5) b"},
      {"a + on(x) fill_right(-1e-7) b", "a + on (x) fill_right (-1e-07) b"},
      {"up{z=\"1\",a!~\"2\"}", "up{a!~\"2\",z=\"1\"}"},
      {"{\"a b\",'c d'='e\"f'}", "{\"c d\"=\"e\\\"f\",__name__=\"a b\"}"},
      {"up[90m] offset -36h @ 1.5", "up[1h30m] @ 1.500 offset -1d12h"},
      {"up @ -0.5", "up @ -0.500"},
      {"up[5m:] @ start()", "up[5m:] @ start()"},
      {"up[5m] smoothed offset 1m", "up[5m] smoothed offset 1m"},
      {"up anchored @ 1", "up @ 1.000 anchored"},
      {"-(1)+ +Inf - 0x10", "-(1) + +Inf - 16"},
      {"1e21+1e-7", "1000000000000000000000 + 0.0000001"},
      {"5m*2", "5m * 2"},
      {"info(up,{})", "info(up, {})"},
      {"`a\\b`", "\"a\\\\b\""},
      {"up offset +(5)", "up offset (5)"},
      {"up offset -max_of(1m,+step()^2)", "up offset -max_of(1m, step() ^ 2)"},
      {"up[200-min_of(-step()^+step(),1)]", "up[200 - min_of(-step() ^ step(), 1)]"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    CHECK(printed(text) == expected);
    CHECK(printed(expected) == expected);
  }
}

TEST_CASE("the indented form splits what is longer than 100 characters") {
  const auto pretty_of = [](std::string_view text) {
    auto parsed = parse_expr(text, everything());
    return parsed ? pretty(**parsed) : parsed.error().message();
  };
  CHECK(pretty_of("sum(rate(up[5m]))  by (job)") == "sum by (job) (rate(up[5m]))");
  CHECK(pretty_of("sum by (cluster, namespace) (rate(container_cpu_usage_seconds_total{"
                  "image!=\"\",cluster=\"gondor\"}[5m])) / 2") ==
        "  sum by (cluster, namespace) (\n"
        "    rate(container_cpu_usage_seconds_total{cluster=\"gondor\",image!=\"\"}[5m])\n"
        "  )\n"
        "/\n"
        "  2");
  CHECK(pretty_of("-Inf ^ " + std::string(100, 'a')) == "-Inf\n^\n  " + std::string(100, 'a'));
  CHECK(
      pretty_of(
          "histogram_quantile(0.99, (sum by (le) (rate("
          "apiserver_request_duration_seconds_bucket{verb=\"LIST\",cluster=\"rohan\",zone=\"east\"}"
          "[5m]))))") ==
      "histogram_quantile(\n"
      "  0.99,\n"
      "  (\n"
      "    sum by (le) (\n"
      "      "
      "rate(apiserver_request_duration_seconds_bucket{cluster=\"rohan\",verb=\"LIST\",zone="
      "\"east\"}[5m])\n"
      "    )\n"
      "  )\n"
      ")");
}

/// Writes random queries; many of them fail the type check and are not counted.
class RandomQuery {
 public:
  explicit RandomQuery(uint32_t seed) : random_(seed) {}

  std::string expr(int depth) {
    if (depth <= 0) return leaf();
    switch (below(9)) {
      case 0: return leaf();
      case 1: return "(" + expr(depth - 1) + ")";
      case 2: return pick({"-", "+"}) + expr(depth - 1);
      case 3:
      case 4: return expr(depth - 1) + binary_operator() + expr(depth - 1);
      case 5: return aggregate(depth);
      case 6: return call(depth);
      case 7:
        return "(" + expr(depth - 1) + ")[" + duration(2) + ":" + pick({"", "1m"}) + "]" +
               modifiers();
      default: return selector() + "[" + duration(2) + "]" + modifiers();
    }
  }

 private:
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_()) % n; }
  std::string pick(const std::vector<std::string>& choices) {
    return choices[below(static_cast<uint32_t>(choices.size()))];
  }

  std::string leaf() {
    switch (below(4)) {
      case 0: return pick({"1", "0.5", "1e9", "0x1f", "5m", "1h30m", "Inf", "nan", "1_000", "017"});
      case 1: return pick({"\"a\"", "'b\\n'", "`c\\`", "\"\\u00e9\\xff\""});
      default: return selector() + modifiers();
    }
  }

  std::string selector() {
    return pick({"up", "a:b", "sum", "offset", "start", "{\"x.y\"}", "foo"}) +
           pick({"", "", "{}", "{a=\"b\"}", "{a!=\"b\",c=~\"d|e\",}", "{\"f g\"!~'h.*'}"});
  }

  std::string modifiers() {
    return pick({"", "", "", " offset 5m", " offset -1h", " @ 10.5", " @ start()",
                 " @ end() offset 3", " anchored", " smoothed offset 1w", " offset (step()*2)",
                 " offset -range()"});
  }

  std::string duration(int depth) {
    if (depth <= 0) return pick({"5m", "30", "1h", "0.25", "step()", "range()", "-10s"});
    switch (below(5)) {
      case 0:
        return duration(depth - 1) + pick({"+", "-", "*", "/", "%", "^"}) + duration(depth - 1);
      case 1: return "(" + duration(depth - 1) + ")";
      case 2: return "max_of(" + duration(depth - 1) + "," + duration(depth - 1) + ")";
      case 3: return "-(" + duration(depth - 1) + ")";
      default: return duration(0);
    }
  }

  std::string binary_operator() {
    return " " +
           pick({"+", "-", "*", "/", "%", "^", "atan2", "==", "> bool", "<=", "and", "or", "unless",
                 "</", ">/"}) +
           pick({"", "", "", " on (a, b)", " ignoring (c)", " on (a) group_left (b)",
                 " ignoring (a) group_right ()", " on (a) group_left () fill (1)",
                 " fill_left (-2) fill_right (0.1)"}) +
           " ";
  }

  std::string aggregate(int depth) {
    const std::string grouping = pick({"", " by (a)", " without (a, \"b c\")", " by ()"});
    if (below(3) == 0)
      return pick({"topk", "quantile", "limitk"}) + grouping + "(2, " + expr(depth - 1) + ")";
    return pick({"sum", "avg", "count", "stddev"}) + grouping + "(" + expr(depth - 1) + ")";
  }

  std::string call(int depth) {
    const auto functions = all_functions();
    const auto& function = functions[below(static_cast<uint32_t>(functions.size()))];
    std::string out(function.name);
    out += "(";
    for (size_t i = 0; i < function.args.size(); ++i) {
      if (i > 0) out += ", ";
      switch (function.args[i]) {
        case ValueType::Scalar: out += pick({"1", "-0.5", "time()", "scalar(up)"}); break;
        case ValueType::String: out += pick({"\"a\"", "`(.*)`"}); break;
        case ValueType::Matrix: out += selector() + "[" + duration(2) + "]" + modifiers(); break;
        default: out += function.name == "info" && i == 1 ? "{a=\"b\"}" : expr(depth - 1);
      }
    }
    return out + ")";
  }

  std::mt19937 random_;
};

TEST_CASE("what is printed parses to an equal tree") {
  const char* given = std::getenv("AERIE_SEED");
  const uint32_t seed = given ? static_cast<uint32_t>(std::atoll(given)) : std::random_device{}();
  fmt::print("printer_test: AERIE_SEED={}\n", seed);
  RandomQuery random(seed);
  int parsed_count = 0;
  int refused = 0;
  std::string broken;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = random.expr(3);
    auto parsed = parse_expr(text, everything());
    if (!parsed) {
      ++refused;
      continue;
    }
    ++parsed_count;
    const std::string tree = ast_text(**parsed);
    for (const std::string& form : {to_string(**parsed), pretty(**parsed)}) {
      auto again = parse_expr(form, everything());
      if (again && ast_text(**again) == tree) continue;
      broken =
          text + "\n -> " + form + "\n " + (again ? ast_text(**again) : again.error().message());
      break;
    }
    if (!broken.empty()) break;
  }
  INFO(broken);
  CHECK(broken.empty());
  INFO("parsed " << parsed_count << ", refused " << refused);
  CHECK(parsed_count > 2'000);
}

}  // namespace
}  // namespace aerie::query
