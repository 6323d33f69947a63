#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "query/classic_histogram.h"
#include "query/histogram_sum.h"
#include "query/histogram_trim.h"
#include "query/native_histogram.h"

namespace aerie::query {
namespace {

/// Positive buckets from `first_index` on, without a zero bucket.
model::NativeHistogram histogram(int32_t schema, int32_t first_index, std::vector<double> counts) {
  model::NativeHistogram h;
  h.schema = schema;
  h.positive_spans = {{first_index, static_cast<uint32_t>(counts.size())}};
  for (const double count : counts) h.count += count;
  h.sum = h.count;
  h.positive_buckets = std::move(counts);
  return h;
}

std::string describe(const HistogramPtr& h) {
  return h == nullptr ? "none" : describe_histogram(*h);
}

}  // namespace

TEST_CASE("sums of histograms meet at the coarser schema") {
  HistogramSum sum(histogram(1, 1, {1, 2, 3, 4}));  // bounds 2^0.5, 2, 2^1.5, 4
  const auto outcome = sum.add(histogram(0, 1, {10, 20}), HistogramSum::Rounding::Plain);
  CHECK_FALSE(outcome.incompatible);
  CHECK(describe(sum.result()) == "{count:40, sum:40, (1,2]:13, (2,4]:27}");
}

TEST_CASE("a wider zero bucket swallows what lies inside it") {
  model::NativeHistogram wide = histogram(0, 2, {5});
  wide.zero_threshold = 1.5;
  wide.zero_count = 1;
  HistogramSum sum(histogram(0, 1, {4, 6}));
  sum.add(wide, HistogramSum::Rounding::Plain);
  // The bucket (1,2] is cut by 1.5 and filled, so the zero bucket reaches to 2.
  CHECK(describe(sum.result()) == "{count:15, sum:15, [-2,2]:5, (2,4]:11}");
}

TEST_CASE("custom bounds are reduced to those in common") {
  model::NativeHistogram a = histogram(model::kCustomBucketsSchema, 0, {1, 2, 3});
  a.custom_values = {1, 2};
  model::NativeHistogram b = histogram(model::kCustomBucketsSchema, 0, {10, 20, 30});
  b.custom_values = {2, 4};
  HistogramSum sum(a);
  CHECK(sum.add(b, HistogramSum::Rounding::Plain).bounds_reconciled);
  CHECK(describe(sum.result()) == "{count:66, sum:66, [-Inf,2]:13, (2,+Inf]:53}");
  CHECK(sum.add(histogram(0, 1, {1}), HistogramSum::Rounding::Plain).incompatible);
}

TEST_CASE("a counter reset shows in any bucket") {
  CHECK_FALSE(was_reset(histogram(0, 1, {1, 2}), histogram(0, 1, {1, 2})));
  CHECK_FALSE(was_reset(histogram(0, 1, {1, 2}), histogram(0, 0, {1, 1, 2})));
  CHECK(was_reset(histogram(0, 1, {2, 2}), histogram(0, 1, {1, 5})));
  CHECK(was_reset(histogram(0, 1, {1, 2}), histogram(1, 1, {9, 9})));
  model::NativeHistogram hinted = histogram(0, 1, {9, 9});
  hinted.reset_hint = model::ResetHint::Yes;
  CHECK(was_reset(histogram(0, 1, {1, 2}), hinted));
}

TEST_CASE("means that would overflow are computed incrementally") {
  const double huge = std::numeric_limits<double>::max() / 1.5;
  HistogramMean mean(histogram(0, 1, {huge}));
  mean.add(histogram(0, 1, {huge}));
  mean.add(histogram(0, 1, {huge}));
  CHECK(mean.mean()->count == Approx(huge));
}

TEST_CASE("trimming splits the bucket that holds the bound") {
  CHECK(describe(trim_histogram(histogram(0, 1, {4, 4}), 2, Trim::Upper)) ==
        "{count:4, sum:5.656854249492381, (1,2]:4}");
  const HistogramPtr half = trim_histogram(histogram(0, 1, {4, 4}), std::sqrt(8.0), Trim::Lower);
  CHECK(half->count == Approx(2));
}

TEST_CASE("quantiles of classic histograms force counts to ascend") {
  std::vector<ClassicBucket> buckets{
      {1, 10}, {2, 8}, {std::numeric_limits<double>::infinity(), 20}};
  const ClassicQuantile result = classic_quantile(0.5, buckets);
  CHECK(result.value == 1);
  CHECK(result.forced_monotonic);
  CHECK(result.fix.max_difference == 2);
  std::vector<ClassicBucket> open{{1, 10}, {2, 20}};
  CHECK(std::isnan(classic_quantile(0.5, open).value));
}

TEST_CASE("bounds are read as Go reads floats") {
  CHECK(parse_bound("+Inf") == std::numeric_limits<double>::infinity());
  CHECK(parse_bound("1e-3") == 1e-3);
  CHECK(parse_bound("-0x10p0") == -16);
  CHECK_FALSE(parse_bound("").has_value());
  CHECK_FALSE(parse_bound("1s").has_value());
  CHECK_FALSE(parse_bound("+-1").has_value());
}

}  // namespace aerie::query
