#include "store/series_table.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

namespace aerie::store {
namespace {

using model::Labels;

Labels pod(int i) { return {{"__name__", "up"}, {"pod", "pod-" + std::to_string(i)}}; }

TEST_CASE("a table lists each series once, sorted, with its places in the order of partitions") {
  SeriesTableBuilder builder;
  builder.begin(0);
  builder.add(pod(1).encoded(), 0);
  builder.add(pod(3).encoded(), 1);
  builder.add(pod(2).encoded(), 2);  // a partition is not in Labels order throughout
  builder.begin(4);
  builder.add(pod(0).encoded(), 7);
  builder.add(pod(3).encoded(), 8);
  const auto table = builder.finish();
  REQUIRE(table->size() == 4);
  for (size_t i = 0; i < 4; ++i) CHECK(table->labels(i) == pod(static_cast<int>(i)));
  const auto places = [&](size_t i) {
    return std::vector(table->places(i).begin(), table->places(i).end());
  };
  CHECK(places(0) == std::vector<SeriesPlace>{{4, 7}});
  CHECK(places(1) == std::vector<SeriesPlace>{{0, 0}});
  CHECK(places(2) == std::vector<SeriesPlace>{{0, 2}});
  CHECK(places(3) == std::vector<SeriesPlace>{{0, 1}, {4, 8}});
  CHECK(table->memory_bytes() > 4 * sizeof(Labels));
}

TEST_CASE("a table of nothing is empty") {
  SeriesTableBuilder builder;
  builder.begin(0);
  CHECK(builder.finish()->size() == 0);
}

TEST_CASE("tables of partitions with churn and in any order equal a plain map") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u);
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::map<Labels, std::vector<SeriesPlace>> expected;
  SeriesTableBuilder builder;
  std::vector<int> alive(200);
  int born = 0;
  for (int& one : alive) one = born++;
  for (uint32_t partition = 0; partition < 12; ++partition) {
    for (int& one : alive)
      if (random() % 8 == 0) one = born++;
    if (partition % 3 == 1) std::shuffle(alive.begin(), alive.end(), random);
    builder.begin(partition);
    for (uint32_t i = 0; i < alive.size(); ++i) {
      builder.add(pod(alive[i]).encoded(), i);
      expected[pod(alive[i])].push_back({partition, i});
    }
  }
  const auto table = builder.finish();
  REQUIRE(table->size() == expected.size());
  size_t i = 0;
  for (const auto& [labels, places] : expected) {
    REQUIRE(table->labels(i) == labels);
    REQUIRE(
        std::equal(places.begin(), places.end(), table->places(i).begin(), table->places(i).end()));
    ++i;
  }
}

}  // namespace
}  // namespace aerie::store
