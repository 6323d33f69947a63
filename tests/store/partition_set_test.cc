#include "store/partition_set.h"

#include <algorithm>
#include <filesystem>

#include "tests/store/support/partitions.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

TEST_CASE("a sealed partition is live, readable and found again after reopening") {
  TempFolder folder;
  const std::vector<SealSeries> input = {
      series({{"__name__", "up"}, {"cluster", "a"}, {"job", "node"}}, 1000, 15'000, {1, 1, 0, 1}),
      series({{"__name__", "up"}, {"cluster", "b"}, {"job", "node"}}, 1000, 15'000, {1, 1, 1, 1}),
      series({{"__name__", "work_seconds_total"}, {"cluster", "a"}}, 1500, 15'000,
             {0.25, 1.5, 2, 3.125}),
  };
  for (const bool reopened : {false, true}) {
    auto set = must(PartitionSet::open({folder.path()}));
    if (!reopened) {
      const PartitionInfo info = must(seal_all(*set, partition_at(0, 10, 90), input));
      CHECK(info.generation == 1);
      CHECK(info.series_count == 3);
      CHECK(info.sample_count == 12);
      CHECK(info.samples == model::TimeRange{1000, 46'500});
    }
    REQUIRE(set->live().size() == 1);
    CHECK(set->live()[0].log_end == 90);
    CHECK(set->sealed_end(0) == 90);
    CHECK(set->sealed_end(1) == 0);
    CHECK(read_all(*set->pin()) == printed(input));
  }
}
