// Partitions that are committed in any order of their times are read as if in order.
#include "store/reading_order.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "store/partition_set.h"
#include "tests/store/support/columns.h"
#include "tests/store/support/partitions.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

constexpr model::DurationMs kSpan = 30LL * 60 * 1000;

}  // namespace

TEST_CASE("of two samples of one time the later commit's counts, whatever lies between") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 6; ++round) {
    TempFolder folder;
    auto set = must(PartitionSet::open({folder.path()}));
    std::vector<model::TimestampMs> starts = {0, 0, 1, 2, 2, 3, 4};
    std::shuffle(starts.begin(), starts.end(), random);
    std::map<model::TimestampMs, double> expected;
    double value = 1;
    for (const model::TimestampMs start : starts) {
      // Two of one span overlap in part; some reach into nobody else's.
      const model::TimestampMs first =
          start * kSpan + static_cast<model::TimestampMs>(random() % 3) * 15'000;
      std::vector<double> values(4);
      for (double& one : values) one = value++;
      for (size_t i = 0; i < values.size(); ++i)
        expected[first + static_cast<model::TimestampMs>(i) * 15'000] = values[i];
      must(seal_all(*set, partition_at(start * kSpan, 0, 10),
                    {series({{"__name__", "up"}}, first, 15'000, std::move(values))}));
    }
    const auto source = set->pin();
    const auto selection = must(source->select({}, {}));
    REQUIRE(selection->size() == 1);
    model::SeriesSamples samples;
    must(selection->read(0, {}, samples));
    std::vector<model::TimestampMs> times;
    std::vector<double> values;
    for (const auto& [t, one] : expected) {
      times.push_back(t);
      values.push_back(one);
    }
    CHECK(samples.timestamps == times);
    CHECK(samples.values == values);
  }
}
