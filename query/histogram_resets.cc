#include <algorithm>
#include <bit>
#include <limits>

#include "query/histogram_sum.h"

namespace aerie::query {
namespace {

using Bucket = HistogramSum::Bucket;

/// True if some bucket of `before` holds more than the same one of `now`; both ascend by index.
bool some_bucket_fell(const std::vector<Bucket>& before, const std::vector<Bucket>& now) {
  auto current = now.begin();
  for (const Bucket& previous : before) {
    while (current != now.end() && current->index < previous.index) ++current;
    const bool present = current != now.end() && current->index == previous.index;
    if (present ? current->count.sum < previous.count.sum : previous.count.sum != 0) return true;
  }
  return false;
}

/// Observations up to each bound, +Inf included, that `bounds` and `custom_values` have in common.
std::vector<double> counts_between(const model::NativeHistogram& histogram,
                                   const std::vector<double>& bounds) {
  std::vector<double> counts(bounds.size() + 1, 0);
  const HistogramSum unpacked(histogram);
  for (const Bucket& bucket : unpacked.positive()) {
    const auto index = static_cast<size_t>(bucket.index);
    size_t target = bounds.size();
    if (index < histogram.custom_values.size())
      target = static_cast<size_t>(
          std::lower_bound(bounds.begin(), bounds.end(), histogram.custom_values[index]) -
          bounds.begin());
    counts[target] += bucket.count.sum;
  }
  return counts;
}

bool fell_between_common_bounds(const model::NativeHistogram& before,
                                const model::NativeHistogram& now) {
  std::vector<double> common;
  std::set_intersection(before.custom_values.begin(), before.custom_values.end(),
                        now.custom_values.begin(), now.custom_values.end(),
                        std::back_inserter(common));
  const std::vector<double> earlier = counts_between(before, common);
  const std::vector<double> later = counts_between(now, common);
  for (size_t i = 0; i < earlier.size(); ++i)
    if (later[i] < earlier[i]) return true;
  return false;
}

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

bool same_buckets(const std::vector<Bucket>& a, const std::vector<Bucket>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Bucket& x, const Bucket& y) {
    return x.index == y.index && same_bits(x.count.sum, y.count.sum);
  });
}

std::vector<Bucket> filled(std::vector<Bucket> buckets) {
  std::erase_if(buckets, [](const Bucket& bucket) { return bucket.count.sum == 0; });
  return buckets;
}

/// Buckets at or below the threshold are in the zero bucket.
std::vector<Bucket> beyond(std::vector<Bucket> buckets, double threshold, int32_t schema) {
  if (schema == model::kCustomBucketsSchema) return buckets;
  std::erase_if(buckets,
                [&](const Bucket& b) { return exponential_bound(b.index, schema) <= threshold; });
  return buckets;
}

}  // namespace

bool was_reset(const model::NativeHistogram& before, const model::NativeHistogram& now) {
  if (now.reset_hint == model::ResetHint::Yes) return true;
  if (now.reset_hint == model::ResetHint::No) return false;
  if (now.count < before.count) return true;
  if (now.schema == model::kCustomBucketsSchema) {
    if (before.schema != model::kCustomBucketsSchema) return true;
    if (now.custom_values != before.custom_values) return fell_between_common_bounds(before, now);
  }
  if (now.schema > before.schema || now.zero_threshold < before.zero_threshold) return true;
  HistogramSum earlier(before);
  earlier.widen_zero_bucket(now.zero_threshold);
  if (earlier.zero_threshold() != now.zero_threshold) return true;
  if (now.zero_count < earlier.zero_count().sum + earlier.zero_count().compensation) return true;
  if (now.schema != model::kCustomBucketsSchema) earlier.reduce_to(now.schema);
  const HistogramSum later(now);
  return some_bucket_fell(beyond(earlier.positive(), now.zero_threshold, now.schema),
                          later.positive()) ||
         some_bucket_fell(beyond(earlier.negative(), now.zero_threshold, now.schema),
                          later.negative());
}

bool equal_histograms(const model::NativeHistogram& a, const model::NativeHistogram& b) {
  if (a.schema != b.schema || !same_bits(a.count, b.count) || !same_bits(a.sum, b.sum))
    return false;
  if (a.schema == model::kCustomBucketsSchema && a.custom_values != b.custom_values) return false;
  if (a.zero_threshold != b.zero_threshold || !same_bits(a.zero_count, b.zero_count)) return false;
  const HistogramSum left(a);
  const HistogramSum right(b);
  return same_buckets(filled(left.positive()), filled(right.positive())) &&
         same_buckets(filled(left.negative()), filled(right.negative()));
}

}  // namespace aerie::query
