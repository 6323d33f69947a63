#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "store/kind_order.h"
#include "tests/store/support/stores.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using model::TimestampMs;

namespace {

std::shared_ptr<const model::NativeHistogram> histogram() {
  auto one = std::make_shared<model::NativeHistogram>();
  one->count = 1;
  one->sum = 1;
  one->positive_spans = {{0, 1}};
  one->positive_buckets = {1};
  return one;
}

}  // namespace

TEST_CASE("histograms have their turn before later floats of the same series, others at the end") {
  WriteBatch batch;
  batch.floats = {{{5, 1}, 10, 0}, {{6, 1}, 10, 0}, {{5, 1}, 30, 0}};
  for (const auto& [slot, t] : std::vector<std::pair<uint32_t, TimestampMs>>{
           {7, 1}, {5, 20}, {5 + 4096, 5}, {5, 25}, {5, 30}})
    batch.histograms.push_back({{slot, 1}, t, nullptr});
  std::string order;
  const auto apply = [&](const HistogramRow& row) {
    order += "h" + std::to_string(row.series.slot) + "@" + std::to_string(row.t) + " ";
  };
  HistogramTurns turns(batch);
  for (const FloatRow& row : batch.floats) {
    turns.before(row, apply);
    order += "f" + std::to_string(row.series.slot) + "@" + std::to_string(row.t) + " ";
  }
  turns.rest(apply);
  CHECK(order == "f5@10 f6@10 h5@20 h5@25 f5@30 h7@1 h4101@5 h5@30 ");
}

TEST_CASE("a series that changes its kind within one batch loses nothing") {
  StoreFixture store;
  const model::Labels labels = {{"__name__", "latency"}};
  const auto check = [&] {
    const auto selection = must(store.store().select({}, {}));
    REQUIRE(selection->size() == 1);
    model::SeriesSamples samples;
    must(selection->read(0, {}, samples));
    CHECK(samples.timestamps == std::vector<TimestampMs>{kNow, kNow + 2});
    REQUIRE(samples.histograms.size() == 2);
    CHECK(samples.histograms[0].t == kNow + 1);
    CHECK(samples.histograms[1].t == kNow + 3);
  };
  WriteBatch batch;
  batch.late_window = 0;
  batch.floats = {store.row(labels, kNow, 1), store.row(labels, kNow + 2, 2)};
  const SeriesHandle series = batch.floats[0].series;
  batch.histograms = {{series, kNow + 1, histogram()}, {series, kNow + 3, histogram()}};
  const WriteOutcome outcome = store.write(std::move(batch));
  CHECK(outcome.rejected_total() == 0);
  CHECK(outcome.floats_written == 2);
  CHECK(outcome.histograms_written == 2);
  check();
  store.reopen();
  check();
}
