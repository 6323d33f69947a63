#include "store/changes.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "store/series_index.h"

namespace aerie::store {
namespace {

constexpr auto kNothing = model::kMaxTimestamp;

Changes::Selects only(std::string_view name) {
  return [name](std::string_view cluster) { return cluster == name; };
}
bool all(std::string_view) { return true; }

TEST_CASE("what changed since a moment, by cluster") {
  Changes changes;
  CHECK(changes.since(0, all).oldest == kNothing);
  changes.note("gondor", 100);
  changes.note("rohan", 50);
  changes.note("gondor", 200);
  CHECK(changes.number() == 3);
  CHECK(changes.since(0, only("gondor")).oldest == 100);
  CHECK(changes.since(1, only("gondor")).oldest == 200);
  CHECK(changes.since(3, only("gondor")).oldest == kNothing);
  CHECK(changes.since(0, only("rohan")).oldest == 50);
  CHECK(changes.since(2, only("rohan")).oldest == kNothing);
  CHECK(changes.since(1, all).oldest == 50);

  changes.note("gondor", 120);  // late: hides what came after
  CHECK(changes.since(3, only("gondor")).oldest == 120);
  CHECK(changes.since(2, only("gondor")).oldest == 120);
  CHECK(changes.since(0, only("gondor")).oldest == 100);

  const uint64_t before = changes.number();
  changes.note_everything();
  CHECK(changes.since(before, only("mordor")).oldest == model::kMinTimestamp);
  CHECK(changes.since(changes.number(), all).oldest == kNothing);
}

TEST_CASE("long histories grow coarse at their old end, never too late") {
  Changes changes;
  std::vector<model::TimestampMs> times;
  for (int i = 0; i < 5000; ++i) {
    // Mostly forward, with a late one now and then.
    times.push_back(i * 10 - (i % 97 == 0 ? 300 : 0));
    changes.note("gondor", times.back());
  }
  for (size_t number = 0; number < times.size(); ++number) {
    const auto truth =
        *std::min_element(times.begin() + static_cast<ptrdiff_t>(number), times.end());
    const auto said = changes.since(number, all).oldest;
    CHECK(said <= truth);
    if (number + 64 > times.size()) CHECK(said == truth);
    CHECK(truth - said <= 300 + 4 * static_cast<int64_t>(times.size() - number) * 10);
  }
}

TEST_CASE("the rows of a batch count for the clusters of their series") {
  Changes changes;
  SeriesIndex index;
  const auto handle = [&](std::string_view cluster, std::string_view job) {
    return index.resolve(model::Labels({{"__name__", "up"}, {"cluster", cluster}, {"job", job}}));
  };
  WriteBatch batch;
  batch.floats = {{handle("gondor", "a"), 500, 1},
                  {handle("rohan", "a"), 300, 1},
                  {handle("gondor", "b"), 400, 1},
                  {handle("", "a"), 700, 1}};
  batch.histograms = {{handle("rohan", "h"), 200, nullptr, 0}};
  changes.note(batch, index);
  CHECK(changes.number() == 1);
  CHECK(changes.since(0, only("gondor")).oldest == 400);
  CHECK(changes.since(0, only("rohan")).oldest == 200);
  CHECK(changes.since(0, only("")).oldest == 700);
  changes.note(WriteBatch(), index);
  CHECK(changes.number() == 1);

  // A slot that another series has got belongs to that one's cluster.
  index.remove({batch.floats[0].series.slot});
  index.reuse_removed();
  const SeriesHandle again = handle("mordor", "a");
  REQUIRE(again.slot == batch.floats[0].series.slot);
  WriteBatch second;
  second.floats = {{again, 900, 1}};
  changes.note(second, index);
  CHECK(changes.since(1, only("gondor")).oldest == kNothing);
  CHECK(changes.since(1, only("mordor")).oldest == 900);
}

TEST_CASE("clusters past the limit share one name that everybody selects") {
  Changes changes;
  for (size_t i = 0; i < Changes::kMaxClusters; ++i) changes.note("c" + std::to_string(i), 1000);
  const uint64_t before = changes.number();
  changes.note("one more", 77);
  CHECK(changes.since(before, only("c1")).oldest == 77);
}

}  // namespace
}  // namespace aerie::store
