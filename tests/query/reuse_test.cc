#include "query/reuse.h"

#include <catch2/catch.hpp>

#include "query/parser.h"

namespace aerie::query {
namespace {

constexpr model::DurationMs kLookback = 300'000;

std::optional<Dependence> of(std::string_view text) {
  LanguageFeatures features;
  features.experimental_functions = true;
  features.extended_range_selectors = true;
  const auto expr = parse_expr(text, features);
  REQUIRE(expr.ok());
  return dependence_of(**expr, kLookback, features);
}

TEST_CASE("values that depend on their own step only can be reused") {
  for (const char* text : {
           "up",
           "{__name__=~\"a|b\"}",
           "sum by (cluster) (rate(x_total{cluster=~\"a|b\"}[5m]))",
           "histogram_quantile(0.9, sum by (le, job) (rate(x_bucket[5m])))",
           "topk(5, rate(x_total[5m]))",
           "rate(a_total[5m]) * on (pod) group_left (node) kube_pod_info",
           "sum by (node) (rate(a_total[5m]) * on (pod) group_left (node) kube_pod_info)",
           "max_over_time(sum by (job) (rate(x_total[5m]))[1h:1m])",
           "sum(x) or vector(0)",
           "1 - avg(rate(x_total[5m]))",
           "x and on () y > 3",
           "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)\")",
           "count(sum by (a) (x))",
           "absent(x)",
           "time() - x",
           "last_over_time({__name__=~\"a|b\"}[5m])",
       }) {
    CAPTURE(text);
    CHECK(of(text));
  }
}

TEST_CASE("values that depend on the range or on other series are evaluated whole") {
  for (const char* text : {
           "x @ start()",
           "sum_over_time(x[5m] @ end())",
           "x > end()",
           "x - start()",
           "vector(range())",
           "rate(x_total[range()])",
           "rate({__name__=~\"a|b\"}[5m])",
           "-{__name__=~\"a|b\"}",
           "{__name__=~\"a|b\"} * 2",
           "rate({job=\"a\"}[5m])",
           "sum(sum by (job) (x))",
           "topk(3, sum by (job) (x))",
           "sum(x / y)",
           "sum(a or b)",
           "sum(label_replace(x, \"a\", \"$1\", \"b\", \"(.*)\"))",
           "info(x)",
           "abs(a or b)",
           "rate(sum by (__name__) (x)[1h:1m])",
       }) {
    CAPTURE(text);
    CHECK_FALSE(of(text));
  }
}

TEST_CASE("how far an expression looks") {
  CHECK(of("x")->ahead == 0);
  CHECK(of("x offset 5m")->ahead == -300'000);
  CHECK(of("x offset -5m")->ahead == 300'000);
  CHECK(of("x offset 5m + y offset 1m")->ahead == -60'000);
  CHECK(of("max_over_time(x[5m] offset 2m)")->ahead == -120'000);
  CHECK(of("max_over_time((x offset 1m)[5m:1m] offset 2m)")->ahead == -180'000);
  CHECK(of("x smoothed")->ahead == kLookback);
  const auto fixed = of("x - y @ 100 offset 1m");
  CHECK(fixed->ahead == 0);
  CHECK(fixed->fixed == 40'000);
  CHECK(fixed->holds(50'000, 50'001));
  CHECK_FALSE(fixed->holds(50'000, 50'000));
  CHECK_FALSE(fixed->holds(30'000, 40'000));
  CHECK(of("vector(1)")->holds(model::kMaxTimestamp - 1, model::kMaxTimestamp));
  CHECK_FALSE(of("x offset -5m")->holds(0, 300'000));
}

TEST_CASE("which clusters an expression looks at") {
  CHECK(of("x{cluster=\"a\"}")->selects("a"));
  CHECK_FALSE(of("x{cluster=\"a\"}")->selects("b"));
  CHECK(of("x{cluster=\"a\"} + on () y{cluster=~\"b|c\"}")->selects("c"));
  CHECK(of("x{job=\"a\"}")->selects("anything"));
  CHECK_FALSE(of("vector(1)")->selects("anything"));
}

}  // namespace
}  // namespace aerie::query
