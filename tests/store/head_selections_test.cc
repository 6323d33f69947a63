#include "store/head_selections.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

namespace aerie::store {
namespace {

using model::Labels;
using model::Matcher;

Labels pod(int i) {
  return {{"__name__", "up"},
          {"pod", "pod-" + std::to_string(i)},
          {"zone", i % 2 == 0 ? "even" : "odd"}};
}

TEST_CASE("a selection of the head is sorted and stays the same object while nothing changes") {
  SeriesIndex index;
  HeadSelections selections(index);
  for (const int i : {3, 1, 2}) index.resolve(pod(i));
  const auto table = selections.select({Matcher::equal("zone", "odd")});
  CHECK(table->labels == std::vector<Labels>{pod(1), pod(3)});
  CHECK(table->handles[0].slot == 1);
  CHECK(table->handles[1].slot == 0);
  CHECK(selections.select({Matcher::equal("zone", "odd")}) == table);
  CHECK(selections.bytes() > 0);
  index.resolve(pod(0));
  index.resolve(pod(5));
  CHECK(selections.select({Matcher::equal("zone", "odd")})->labels ==
        std::vector<Labels>{pod(1), pod(3), pod(5)});
  CHECK(table->labels.size() == 2);
}

TEST_CASE("selections follow series that come, go and reuse slots") {
  const auto seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  std::mt19937 random(seed);
  SeriesIndex index;
  HeadSelections selections(index);
  std::map<Labels, SeriesHandle> alive;
  const model::Matchers matchers = {Matcher::equal("zone", "even")};
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 5; ++i) {
      const Labels labels = pod(static_cast<int>(random() % 100));
      alive[labels] = index.resolve(labels);
    }
    std::vector<uint32_t> gone;
    for (auto at = alive.begin(); at != alive.end();) {
      const bool goes = random() % 10 == 0;
      if (goes) gone.push_back(at->second.slot);
      at = goes ? alive.erase(at) : std::next(at);
    }
    index.remove(gone);
    std::vector<Labels> labels;
    std::vector<SeriesHandle> handles;
    for (const auto& [one, handle] : alive) {
      if (one.get("zone") != "even") continue;
      labels.push_back(one);
      handles.push_back(handle);
    }
    const auto table = selections.select(matchers);
    REQUIRE(table->labels == labels);
    REQUIRE(table->handles == handles);
  }
}

}  // namespace
}  // namespace aerie::store
