#include "query/engine.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "tests/query/support/memory_source.h"

namespace aerie::query {
namespace {

using model::Labels;

constexpr model::DurationMs kMinute = 60'000;

/// `name{labels} => value` lines, in result order.
std::string describe(const VectorValue& vector) {
  std::string out;
  for (const VectorElement& element : vector)
    out += fmt::format("{} => {}\n", element.labels.to_string(), element.value);
  return out;
}

/// `name{labels} => t:value …` lines, times in seconds.
std::string describe(const MatrixValue& matrix) {
  std::string out;
  for (const MatrixSeries& series : matrix) {
    out += series.labels.to_string() + " =>";
    for (size_t i = 0; i < series.values.size(); ++i)
      out += fmt::format(" {}:{}", series.timestamps[i] / 1000, series.values[i]);
    out += "\n";
  }
  return out;
}

struct Fixture {
  MemorySource source;
  ManualClock clock;
  EngineOptions options;

  Fixture() {
    source.add(Labels{{"__name__", "http_requests_total"}, {"job", "api"}, {"instance", "0"}}, 0,
               kMinute, {0, 60, 120, 180, 240, 300});
    source.add(Labels{{"__name__", "http_requests_total"}, {"job", "api"}, {"instance", "1"}}, 0,
               kMinute, {0, 120, 240, 0, 120, 240});
    source.add(Labels{{"__name__", "http_requests_total"}, {"job", "db"}, {"instance", "0"}}, 0,
               kMinute, {5, 5, 5, 5, 5, 5});
    source.add(Labels{{"__name__", "weight"}, {"job", "api"}}, 0, kMinute, {2, 2, 2, 2, 2, 2});
  }

  QueryResult instant(std::string_view query, model::TimestampMs t) {
    const Engine engine(options, source, clock);
    auto result = engine.instant(query, t);
    INFO(query);
    if (!result) FAIL(result.error().message());
    return std::move(result).value();
  }
  std::string vector(std::string_view query, model::TimestampMs t) {
    return describe(std::get<VectorValue>(instant(query, t).value));
  }
  std::string range(std::string_view query, model::TimestampMs start, model::TimestampMs end,
                    model::DurationMs step) {
    const Engine engine(options, source, clock);
    auto result = engine.range(query, start, end, step);
    INFO(query);
    if (!result) FAIL(result.error().message());
    return describe(std::get<MatrixValue>(result->value));
  }
  Error failure(std::string_view query, model::TimestampMs t, const QueryLimits& limits = {}) {
    const Engine engine(options, source, clock);
    auto result = engine.instant(query, t, limits);
    INFO(query);
    REQUIRE_FALSE(result.ok());
    return std::move(result).error();
  }
};

}  // namespace

TEST_CASE("a selector takes the newest sample of the left-open lookback window") {
  Fixture f;
  CHECK(f.vector("weight", 0) == "weight{job=\"api\"} => 2\n");
  CHECK(f.vector("weight", -1).empty());
  CHECK(f.vector("weight", 10 * kMinute - 1) == "weight{job=\"api\"} => 2\n");
  CHECK(f.vector("weight", 10 * kMinute).empty());
}

TEST_CASE("a stale marker ends a series at once") {
  Fixture f;
  f.source.add(Labels{{"__name__", "gone"}}, 0, kMinute, {1, model::stale_marker(), 3});
  CHECK(f.range("gone", 0, 2 * kMinute, kMinute) == "gone => 0:1 120:3\n");
  CHECK(f.range("gone + 1", 0, 2 * kMinute, kMinute) == "{} => 0:2 120:4\n");
  CHECK(f.vector("count_over_time(gone[10m])", 2 * kMinute) == "{} => 2\n");
}

TEST_CASE("rate corrects counter resets and extrapolates to the window's edges") {
  Fixture f;
  CHECK(f.vector("rate(http_requests_total{instance=\"0\",job=\"api\"}[5m])", 5 * kMinute) ==
        "{instance=\"0\", job=\"api\"} => 1\n");
  CHECK(f.vector("increase(http_requests_total{instance=\"1\"}[5m])", 5 * kMinute) ==
        "{instance=\"1\", job=\"api\"} => 450\n");
}

TEST_CASE("aggregations group by labels") {
  Fixture f;
  CHECK(f.vector("sum by (job) (http_requests_total)", 5 * kMinute) ==
        "{job=\"api\"} => 540\n{job=\"db\"} => 5\n");
  CHECK(f.vector("sum without (instance) (http_requests_total)", 5 * kMinute) ==
        "{job=\"api\"} => 540\n{job=\"db\"} => 5\n");
  CHECK(f.vector("count(http_requests_total)", 5 * kMinute) == "{} => 3\n");
  CHECK(f.vector("max by (job) (http_requests_total)", 5 * kMinute) ==
        "{job=\"api\"} => 300\n{job=\"db\"} => 5\n");
  CHECK(f.vector("topk(1, http_requests_total)", 5 * kMinute) ==
        "http_requests_total{instance=\"0\", job=\"api\"} => 300\n");
  CHECK(f.range("avg(http_requests_total{job=\"api\"})", 0, 2 * kMinute, kMinute) ==
        "{} => 0:0 60:90 120:180\n");
}

TEST_CASE("vectors are matched by labels") {
  Fixture f;
  CHECK(f.vector("http_requests_total{job=\"api\"} * on(job) group_left weight", 5 * kMinute) ==
        "{instance=\"0\", job=\"api\"} => 600\n{instance=\"1\", job=\"api\"} => 480\n");
  CHECK(f.vector("http_requests_total and on(job) weight", kMinute) ==
        "http_requests_total{instance=\"0\", job=\"api\"} => "
        "60\nhttp_requests_total{instance=\"1\", job=\"api\"} => 120\n");
  CHECK(f.vector("http_requests_total unless on(job) weight", kMinute) ==
        "http_requests_total{instance=\"0\", job=\"db\"} => 5\n");
  CHECK(f.vector("http_requests_total > 60 or weight", kMinute) ==
        "http_requests_total{instance=\"1\", job=\"api\"} => 120\nweight{job=\"api\"} => 2\n");
  CHECK(f.failure("weight * on(job) http_requests_total", kMinute).message() ==
        "found duplicate series for the match group {job=\"api\"} on the right hand-side of the "
        "operation: "
        "[{__name__=\"http_requests_total\", instance=\"0\", job=\"api\"}, "
        "{__name__=\"http_requests_total\", "
        "instance=\"1\", job=\"api\"}];many-to-many matching not allowed: matching labels must be "
        "unique on one side");
}

TEST_CASE("subqueries, @ and offset move the evaluation time") {
  Fixture f;
  CHECK(f.vector("max_over_time(sum(http_requests_total)[3m:1m])", 5 * kMinute) == "{} => 545\n");
  CHECK(f.range("weight @ 60 + time() * 0", 0, 20 * kMinute, 10 * kMinute) ==
        "{job=\"api\"} => 0:2 600:2 1200:2\n");
  CHECK(f.vector("http_requests_total{job=\"api\",instance=\"0\"} offset 2m", 5 * kMinute) ==
        "http_requests_total{instance=\"0\", job=\"api\"} => 180\n");
}

TEST_CASE("scalars, strings and literals evaluate without samples") {
  Fixture f;
  CHECK(std::get<ScalarValue>(f.instant("1 + 2 * 3", 0).value).value == 7);
  CHECK(std::get<ScalarValue>(f.instant("time()", 12'500).value).value == 12.5);
  CHECK(std::get<StringValue>(f.instant("\"x\"", 0).value).value == "x");
  CHECK(f.range("time()", 0, 2000, 1000) == "{} => 0:0 1:1 2:2\n");
}

TEST_CASE("notices carry Prometheus's text and position") {
  Fixture f;
  CHECK(f.instant("sum(rate(weight[5m]))", 5 * kMinute).annotations.infos ==
        std::vector<std::string>{"PromQL info: metric might not be a counter, name does not end in "
                                 "_total/_sum/_count/_bucket: \"weight\" (1:10)"});
}

TEST_CASE("limits end a query with Prometheus's texts") {
  Fixture f;
  f.options.max_samples = 3;
  CHECK(f.failure("sum_over_time(http_requests_total[5m])", 5 * kMinute).message() ==
        "query processing would load too many samples into memory in query execution; the limit is "
        "3 (--query.max-samples)");
  f.options.max_samples = 1000;
  QueryLimits limits;
  limits.cancelled = [] { return true; };
  CHECK(f.failure("weight", 0, limits).code() == ErrorCode::Cancelled);
  limits.cancelled = [&f] {
    f.clock.advance(std::chrono::seconds(200));
    return false;
  };
  const Error late = f.failure("weight", 0, limits);
  CHECK(late.code() == ErrorCode::DeadlineExceeded);
  CHECK(late.message() == "query timed out in expression evaluation (--query.timeout)");
}

TEST_CASE("a subquery with absurdly many steps is refused before anything is allocated") {
  Fixture f;
  CHECK(f.failure("max_over_time(weight[100y:1ms])", 0).code() == ErrorCode::ResourceExhausted);
}

TEST_CASE("operations may not make series coincide") {
  Fixture f;
  f.source.add(Labels{{"__name__", "other"}, {"job", "api"}}, 0, kMinute, {1});
  CHECK(f.failure("ceil({job=\"api\",__name__=~\"weight|other\"})", 0).message() ==
        "vector cannot contain metrics with the same labelset");
}

}  // namespace aerie::query
