// What stands in a query twice is evaluated once, and nobody can tell but by the cost.
#include "query/shared_parts.h"

#include <catch2/catch.hpp>

#include "query/engine.h"
#include "query/explain.h"
#include "query/result_json.h"
#include "tests/query/support/memory_source.h"

namespace aerie::query {
namespace {

struct Fixture {
  MemorySource source;
  ManualClock clock{0};
  Engine engine{{}, source, clock};

  Fixture() {
    for (const char* instance : {"a", "b", "c"}) {
      source.add({{"__name__", "m"}, {"instance", instance}}, 0, 30'000,
                 {1, 4, 2, 8, 5, 7, 1, 4, 2, 8, 5, 7});
      source.add({{"__name__", "x_total"}, {"instance", instance}}, 0, 30'000,
                 {1, 2, 4, 8, 16, 32, 64, 65, 66, 67, 68, 69});
    }
  }
  Result<QueryResult> ask(std::string_view query, bool count_queryable = false) {
    QueryLimits limits;
    limits.count_queryable = count_queryable;
    return engine.range(query, 0, 300'000, 30'000, limits);
  }
  std::string text(std::string_view query) {
    const auto result = ask(query);
    if (!result) return result.error().message();
    std::string out;
    append_result(out, result->value, 0);
    return out;
  }
  uint64_t read(std::string_view query) { return ask(query)->stats.samples_read; }
};

TEST_CASE("a part that stands in a query twice is read once") {
  Fixture f;
  const uint64_t once = f.read("sum(rate(x_total[1m]))");
  CHECK(f.read("sum(rate(x_total[1m])) / (sum(rate(x_total[1m])) + 1)") == once);
  CHECK(f.read("rate(x_total[1m]) / scalar(sum(rate(x_total[1m])))") == once);
  CHECK(f.read("m / on (instance) (m + (m))") == f.read("m"));
  CHECK(f.read("m + on (instance) m offset 30s") > f.read("m"));
  CHECK(f.read("max_over_time(m[1m:30s]) + on (instance) m") > f.read("m"));  // other steps
}

TEST_CASE("answers are those of the same query without shared parts") {
  Fixture f;
  // `{…,instance!="z"}` is another text for the same series.
  const std::pair<const char*, const char*> pairs[] = {
      {"m / (m + m)", "m / (m{instance!=\"z\"} + m{instance!=\"y\"})"},
      {"m and m", "m and m{instance!=\"z\"}"},
      {"m unless m", "m unless m{instance!=\"z\"}"},
      {"m or m", "m or m{instance!=\"z\"}"},
      {"m > 3 and m < 6", "m > 3 and m{instance!=\"z\"} < 6"},
      {"sum(m) / count(m)", "sum(m) / count(m{instance!=\"z\"})"},
      {"topk(1, m) or bottomk(1, m)", "topk(1, m) or bottomk(1, m{instance!=\"z\"})"},
      {"scalar(sum(m)) * m / scalar(sum(m))",
       "scalar(sum(m)) * m / scalar(sum(m{instance!=\"\"}))"},
      {"m @ 60 + m @ 60", "m @ 60 + m{instance!=\"z\"} @ 60"},
  };
  for (const auto& [shared, plain] : pairs) {
    CAPTURE(shared);
    CHECK(f.text(shared) == f.text(plain));
  }
}

TEST_CASE("samples are counted and notices given for every place") {
  Fixture f;
  const auto queryable = [&](std::string_view query) {
    return f.ask(query, true)->stats.queryable_samples;
  };
  CHECK(queryable("sum(m) / sum(m)") == 2 * queryable("sum(m)"));
  const auto result = f.ask("rate(m[1m]) + rate(m[1m])");
  REQUIRE(result.ok());
  REQUIRE(result->annotations.infos.size() == 1);
  CAPTURE(result->annotations.infos[0]);
  // Prometheus names the place that it evaluates last.
  CHECK(result->annotations.infos[0].find("(1:20)") != std::string::npos);
}

TEST_CASE("errors of a shared part are those of its first place") {
  Fixture f;
  const std::string text = f.text("(m + on () x_total) / (m + on () x_total)");
  CHECK(text.find("many-to-many matching not allowed") != std::string::npos);
}

TEST_CASE("explain names what is read from an equal part") {
  Fixture f;
  PlanRecorder recorder(f.clock);
  QueryLimits limits;
  limits.recorder = &recorder;
  REQUIRE(f.engine.range("sum(m) / sum(m)", 0, 300'000, 30'000, limits).ok());
  const PlanNode& root = *recorder.root();
  REQUIRE(root.parts.size() == 2);
  CHECK_FALSE(root.parts[0]->shared);
  CHECK(root.parts[1]->shared);
  CHECK(root.parts[1]->parts.empty());
  CHECK(root.parts[1]->samples == root.parts[0]->samples);
}

}  // namespace
}  // namespace aerie::query
