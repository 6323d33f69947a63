// A query that is ended stops at the next series or block of steps, whatever it is doing.
#include <catch2/catch.hpp>

#include "query/engine.h"
#include "tests/query/support/memory_source.h"

namespace aerie::query {
namespace {

const char* const kQueries[] = {
    "m",
    "rate(m[5m])",
    "sum by (pod) (rate(m[5m]))",
    "topk(3, m)",
    "quantile(0.9, m)",
    "count_values(\"v\", m)",
    "m + on (pod) group_left (node) n",
    "m and on (pod) n",
    "m or n",
    "m unless on (pod) n",
    "histogram_quantile(0.9, m)",
    "max_over_time(sum(m)[10m:1m])",
    "label_replace(m, \"a\", \"$1\", \"pod\", \"(.*)\")",
    "absent(m{pod=\"none\"}) or sum(m)",
    "sort_desc(m)",
    "m / (m + m)",
    "sum(m @ 60)",
    "abs(-m)",
    "scalar(sum(m)) + m",
    "m[5m]",
};

constexpr size_t kSeries = 200;

/// Counts how often the engine asks whether it is to stop.
struct Fixture {
  MemorySource source;
  ManualClock clock{0};
  Engine engine{{}, source, clock};

  Fixture() {
    for (size_t i = 0; i < kSeries; ++i) {
      const std::string pod = std::to_string(i);
      source.add({{"__name__", "m"}, {"pod", pod}, {"le", "1"}}, 0, 30'000,
                 std::vector<double>(20, static_cast<double>(i)));
      source.add({{"__name__", "n"}, {"pod", pod}, {"node", "x"}}, 0, 30'000,
                 std::vector<double>(20, 1.0));
    }
  }
  Result<QueryResult> ask(std::string_view query, size_t ended_at, size_t& looks) {
    QueryLimits limits;
    looks = 0;
    limits.cancelled = [&] { return ++looks > ended_at; };
    if (query == "m[5m]") return engine.instant(query, 300'000, limits);
    return engine.range(query, 0, 600'000, 30'000, limits);
  }
};

TEST_CASE("a query looks at least once per series whether it is to stop, and then stops") {
  Fixture f;
  for (const char* query : kQueries) {
    CAPTURE(query);
    size_t looks = 0;
    REQUIRE(f.ask(query, SIZE_MAX, looks).ok());
    const size_t all = looks;
    CHECK(all >= kSeries);
    for (const size_t ended_at : {size_t{0}, size_t{1}, all / 3, all / 2, all - 1}) {
      const auto ended = f.ask(query, ended_at, looks);
      REQUIRE_FALSE(ended.ok());
      CHECK(ended.error().code() == ErrorCode::Cancelled);
      CHECK(looks == ended_at + 1);  // nothing is looked at again: nothing went on
    }
  }
}

}  // namespace
}  // namespace aerie::query
