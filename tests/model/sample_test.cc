#include "model/sample.h"

#include <catch2/catch.hpp>

using namespace aerie::model;

namespace {

NativeHistogram counts(std::vector<double> buckets, ResetHint hint = ResetHint::Unknown) {
  NativeHistogram out;
  out.reset_hint = hint;
  out.is_float = false;
  out.positive_spans = {{0, static_cast<uint32_t>(buckets.size())}};
  for (const double count : buckets) out.count += count;
  out.positive_buckets = std::move(buckets);
  return out;
}

HistogramSample at(TimestampMs t, std::vector<double> buckets, ResetHint hint) {
  return {t, std::make_shared<NativeHistogram>(counts(std::move(buckets), hint))};
}

}  // namespace

TEST_CASE("a histogram goes on from the one before it, or nobody knows") {
  const NativeHistogram before = counts({1, 2, 3});
  CHECK(hint_after(nullptr, before) == ResetHint::Unknown);
  CHECK(hint_after(&before, counts({1, 2, 3})) == ResetHint::No);
  CHECK(hint_after(&before, counts({1, 3, 3, 7})) == ResetHint::No);
  CHECK(hint_after(&before, counts({9, 1, 9})) == ResetHint::Unknown);
  CHECK(hint_after(&before, counts({1, 2})) == ResetHint::Unknown);
  CHECK(hint_after(&before, counts({9, 9, 9}, ResetHint::Yes)) == ResetHint::Unknown);
  CHECK(hint_after(&before, counts({0}, ResetHint::Gauge)) == ResetHint::Gauge);
  const NativeHistogram gauge = counts({1}, ResetHint::Gauge);
  CHECK(hint_after(&gauge, counts({2})) == ResetHint::Unknown);
}

TEST_CASE("a change of layout or kind leaves the hint open, an empty bucket may vanish") {
  NativeHistogram before = counts({1, 0, 3});
  NativeHistogram now = before;
  now.positive_spans = {{0, 1}, {1, 1}};
  now.positive_buckets = {1, 3};
  CHECK(hint_after(&before, now) == ResetHint::No);
  NativeHistogram moved = before;
  moved.positive_spans = {{1, 3}};
  CHECK(hint_after(&before, moved) == ResetHint::Unknown);
  for (const auto change : {+[](NativeHistogram& h) { h.schema = 1; },
                            +[](NativeHistogram& h) { h.zero_threshold = 0.5; },
                            +[](NativeHistogram& h) { h.is_float = true; },
                            +[](NativeHistogram& h) { h.custom_values = {1}; },
                            +[](NativeHistogram& h) { h.count -= 1; },
                            +[](NativeHistogram& h) { h.sum = stale_marker(); }}) {
    NativeHistogram changed = before;
    change(changed);
    CHECK(hint_after(&before, changed) == ResetHint::Unknown);
  }
}

TEST_CASE("starts are kept only once one is said") {
  SeriesSamples samples;
  samples.add(10, 1);
  CHECK(samples.starts.empty());
  samples.add(20, 2, 5);
  samples.add(30, 3);
  CHECK(samples.starts == std::vector<TimestampMs>{0, 5, 0});
  samples.timestamps.push_back(40);
  samples.values.push_back(4);
  samples.pad_starts();
  CHECK(samples.start_of(3) == 0);
}

TEST_CASE("of two samples at one time the later one stays, with its start") {
  SeriesSamples out;
  for (const TimestampMs t : {10, 20, 30}) out.add(t, 1, 5);
  SeriesSamples later;
  later.add(20, 2);
  later.add(25, 2, 7);
  merge_samples(out, std::move(later));
  CHECK(out.timestamps == std::vector<TimestampMs>{10, 20, 25, 30});
  CHECK(out.values == std::vector<double>{1, 2, 2, 1});
  CHECK(out.starts == std::vector<TimestampMs>{5, 0, 7, 5});
  SeriesSamples histogram;
  histogram.histograms.push_back(at(25, {1}, ResetHint::No));
  merge_samples(out, std::move(histogram));
  CHECK(out.timestamps == std::vector<TimestampMs>{10, 20, 30});
  REQUIRE(out.histograms.size() == 1);
  CHECK(out.starts == std::vector<TimestampMs>{5, 0, 5});
}

TEST_CASE("hints of samples that get another neighbour are forgotten") {
  SeriesSamples out;
  for (const TimestampMs t : {10, 20, 30}) out.histograms.push_back(at(t, {1}, ResetHint::No));
  SeriesSamples later;
  for (const TimestampMs t : {22, 25}) later.histograms.push_back(at(t, {1}, ResetHint::No));
  SeriesSamples behind;
  behind.histograms.push_back(at(40, {1}, ResetHint::No));
  behind.histograms.push_back(at(50, {1}, ResetHint::Gauge));
  merge_samples(out, std::move(later));
  merge_samples(out, std::move(behind));
  std::vector<ResetHint> hints;
  for (const HistogramSample& sample : out.histograms)
    hints.push_back(sample.histogram->reset_hint);
  using enum ResetHint;
  CHECK(hints == std::vector<ResetHint>{No, No, Unknown, No, Unknown, Unknown, Gauge});
}

TEST_CASE("what was written later may lie before, whole") {
  SeriesSamples out;
  out.add(30, 3, 25);
  out.add(40, 4, 25);
  SeriesSamples imported;
  imported.add(10, 1, 0);
  imported.add(20, 2, 0);
  merge_samples(out, std::move(imported));
  CHECK(out.timestamps == std::vector<TimestampMs>{10, 20, 30, 40});
  CHECK(out.values == std::vector<double>{1, 2, 3, 4});
  CHECK(out.start_of(1) == 0);
  CHECK(out.start_of(2) == 25);
}
