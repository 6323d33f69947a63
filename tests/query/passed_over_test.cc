// Series without partners are not read, as long as nobody can tell.
#include <catch2/catch.hpp>

#include "query/engine.h"
#include "query/result_json.h"
#include "tests/query/support/memory_source.h"

namespace aerie::query {
namespace {

constexpr uint64_t kSamples = 10;

struct Fixture {
  MemorySource source;
  ManualClock clock{0};
  Engine engine{{}, source, clock};

  Fixture() {
    for (const char* pod : {"a", "b", "c", "d"}) {
      source.add({{"__name__", "usage"}, {"pod", pod}}, 0, 30'000,
                 std::vector<double>(kSamples, 4.0));
      source.add({{"__name__", "owner"}, {"pod", pod}, {"workload", "w"}}, 0, 30'000,
                 std::vector<double>(kSamples, 1.0));
    }
    // Two of the same pod at the same time.
    for (const char* uid : {"1", "2"})
      source.add({{"__name__", "twice"}, {"pod", "z"}, {"uid", uid}}, 0, 30'000,
                 std::vector<double>(kSamples, 1.0));
    source.add({{"__name__", "twice"}, {"pod", "a"}, {"uid", "1"}}, 0, 30'000,
               std::vector<double>(kSamples, 1.0));
  }
  Result<QueryResult> ask(std::string_view query, bool count = false) {
    QueryLimits limits;
    limits.count_queryable = count;
    return engine.range(query, 0, 270'000, 30'000, limits);
  }
  uint64_t series_read(std::string_view query) {
    const auto result = ask(query);
    REQUIRE(result.ok());
    return result->stats.samples_read / kSamples;
  }
};

TEST_CASE("a join reads the series that have partners") {
  Fixture f;
  CHECK(f.series_read("usage{pod=\"a\"} * on (pod) group_left (workload) owner") == 2);
  CHECK(f.series_read("owner * on (pod) group_right () usage{pod=~\"a|b\"}") == 4);
  CHECK(f.series_read("usage * on (pod) owner{pod=\"a\"}") == 2);
  CHECK(f.series_read("usage{pod=\"a\"} + on (pod) (owner * 2)") == 2);
  CHECK(f.series_read("usage * on (pod) owner") == 8);
}

TEST_CASE("and, unless read what decides") {
  Fixture f;
  CHECK(f.series_read("usage and on (pod) owner{pod=\"a\"}") == 2);
  CHECK(f.series_read("usage{pod=\"a\"} and on (pod) owner") == 2);
  CHECK(f.series_read("usage{pod=\"a\"} unless on (pod) owner") == 2);
  CHECK(f.series_read("usage unless on (pod) owner{pod=\"a\"}") == 5);
}

TEST_CASE("duplicates are an error where they have no partner, too") {
  Fixture f;
  const auto failed = f.ask("usage{pod=\"a\"} * on (pod) twice");
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().message().find("found duplicate series for the match group "
                                      "{pod=\"z\"} on the right hand-side") != std::string::npos);
  CHECK(f.ask("usage{pod=\"none\"} * on (pod) twice").ok());
}

TEST_CASE("who asks for Prometheus's counts gets them") {
  Fixture f;
  const auto all = [&](std::string_view query) {
    return f.ask(query, true)->stats.queryable_samples;
  };
  CHECK(all("usage{pod=\"a\"} * on (pod) owner") == all("usage{pod=\"a\"}") + all("owner"));
}

}  // namespace
}  // namespace aerie::query
