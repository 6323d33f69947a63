#include "query/native_histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "query/histogram_sum.h"
#include "query/kahan.h"

namespace aerie::query {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

NativeBucket positive_bucket(const model::NativeHistogram& histogram, int32_t index, double count) {
  if (!has_custom_buckets(histogram))
    return {exponential_bound(index - 1, histogram.schema),
            exponential_bound(index, histogram.schema), count};
  const auto& bounds = histogram.custom_values;
  const auto position = static_cast<size_t>(index);
  return {index == 0                  ? -kInfinity
          : position <= bounds.size() ? bounds[position - 1]
                                      : kInfinity,
          position < bounds.size() ? bounds[position] : kInfinity, count};
}

template <class Visit>
void visit_spans(const std::vector<model::BucketSpan>& spans, const std::vector<double>& counts,
                 Visit visit) {
  int32_t index = 0;
  size_t next = 0;
  for (const model::BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && next < counts.size(); ++i)
      visit(index++, counts[next++]);
  }
}

/// A zero bucket of a histogram with observations on one side only lies on that side.
void narrow_zero_bucket(const model::NativeHistogram& histogram, NativeBucket& bucket) {
  if (histogram.negative_buckets.empty() && !histogram.positive_buckets.empty()) bucket.lower = 0;
  if (histogram.positive_buckets.empty() && !histogram.negative_buckets.empty()) bucket.upper = 0;
}

/// How much of an exponential bucket lies below v, on a logarithmic scale.
double exponential_fraction_below(const NativeBucket& bucket, double v) {
  const double log_lower = std::log2(std::fabs(bucket.lower));
  const double log_upper = std::log2(std::fabs(bucket.upper));
  const double log_v = std::log2(std::fabs(v));
  if (v > 0) return (log_v - log_lower) / (log_upper - log_lower);
  return 1 - ((log_v - log_upper) / (log_lower - log_upper));
}

double total_of(const std::vector<NativeBucket>& buckets, size_t first) {
  double total = 0;
  for (size_t i = first; i < buckets.size(); ++i) total += buckets[i].count;
  return total;
}

}  // namespace

std::vector<NativeBucket> buckets_of(const model::NativeHistogram& histogram) {
  std::vector<NativeBucket> buckets;
  visit_spans(histogram.negative_spans, histogram.negative_buckets,
              [&](int32_t index, double count) {
                NativeBucket bucket{-exponential_bound(index, histogram.schema),
                                    -exponential_bound(index - 1, histogram.schema), count};
                if (bucket.upper > -histogram.zero_threshold)
                  bucket.upper = -histogram.zero_threshold;
                buckets.push_back(bucket);
              });
  std::reverse(buckets.begin(), buckets.end());
  if (histogram.zero_count > 0)
    buckets.push_back({-histogram.zero_threshold, histogram.zero_threshold, histogram.zero_count});
  visit_spans(histogram.positive_spans, histogram.positive_buckets,
              [&](int32_t index, double count) {
                NativeBucket bucket = positive_bucket(histogram, index, count);
                if (bucket.lower > 0 && bucket.lower < histogram.zero_threshold)
                  bucket.lower = histogram.zero_threshold;
                buckets.push_back(bucket);
              });
  return buckets;
}

double native_quantile(double quantile, const model::NativeHistogram& histogram,
                       const NativeNotices& notices) {
  if (quantile < 0) return -kInfinity;
  if (quantile > 1) return kInfinity;
  if (histogram.count == 0 || std::isnan(quantile)) return kNan;
  const bool custom = has_custom_buckets(histogram);
  const bool has_nan = std::isnan(histogram.sum);
  // From the nearer end; NaN observations are in no bucket and count as the highest, so with them
  // always from below.
  const bool forward = has_nan || quantile < 0.5;
  std::vector<NativeBucket> buckets = buckets_of(histogram);
  if (!forward) std::reverse(buckets.begin(), buckets.end());
  double rank = (forward ? quantile : 1 - quantile) * histogram.count;
  double count = 0;
  NativeBucket bucket;
  size_t next = 0;
  while (next < buckets.size()) {
    bucket = buckets[next++];
    if (bucket.count == 0) continue;
    count += bucket.count;
    if (count >= rank) break;
  }
  if (!custom && bucket.lower < 0 && bucket.upper > 0) {
    narrow_zero_bucket(histogram, bucket);
  } else if (custom && bucket.lower == -kInfinity) {
    if (bucket.upper <= 0) return bucket.upper;
    bucket.lower = 0;
  } else if (custom && bucket.upper == kInfinity) {
    return bucket.lower;
  }
  count = std::min(count, histogram.count);
  if (count < rank) {
    if (!has_nan) return bucket.upper;
    notices.annotations.inform("input to histogram_quantile has NaN observations, result is NaN" +
                                   for_metric_name(notices.metric_name),
                               notices.position);
    return kNan;
  }
  rank = forward ? rank - (count - bucket.count) : count - rank;
  if (has_nan && count + total_of(buckets, next) < histogram.count)
    notices.annotations.inform(
        "input to histogram_quantile has NaN observations, result is skewed higher" +
            for_metric_name(notices.metric_name),
        notices.position);
  const double fraction = rank / bucket.count;
  if (custom || (bucket.lower <= 0 && bucket.upper >= 0))
    return bucket.lower + (bucket.upper - bucket.lower) * fraction;
  const double log_lower = std::log2(std::fabs(bucket.lower));
  const double log_upper = std::log2(std::fabs(bucket.upper));
  if (bucket.lower > 0) return std::exp2(log_lower + (log_upper - log_lower) * fraction);
  return -std::exp2(log_upper + (log_lower - log_upper) * (1 - fraction));
}

double native_fraction(double lower, double upper, const model::NativeHistogram& histogram,
                       const NativeNotices& notices) {
  if (histogram.count == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  const bool custom = has_custom_buckets(histogram);
  double rank = 0;
  std::optional<double> lower_rank;
  std::optional<double> upper_rank;
  const std::vector<NativeBucket> buckets = buckets_of(histogram);
  for (NativeBucket bucket : buckets) {
    const bool zero = bucket.lower <= 0 && bucket.upper >= 0;
    if (zero) narrow_zero_bucket(histogram, bucket);
    const auto interpolate = [&](double v) {
      if (!custom && !zero) return rank + bucket.count * exponential_fraction_below(bucket, v);
      if (bucket.lower == -kInfinity) return bucket.count;
      return rank + bucket.count * ((v - bucket.lower) / (bucket.upper - bucket.lower));
    };
    if (!lower_rank && bucket.lower >= lower) lower_rank = rank;
    if (!upper_rank && bucket.lower >= upper) upper_rank = rank;
    if (!lower_rank && bucket.lower < lower && bucket.upper > lower)
      lower_rank = interpolate(lower);
    if (!upper_rank && bucket.lower < upper && bucket.upper > upper)
      upper_rank = interpolate(upper);
    if (lower_rank && upper_rank) break;
    rank += bucket.count;
  }
  double count = histogram.count;
  if (std::isnan(histogram.sum)) {
    count = total_of(buckets, 0);
    if (count < histogram.count)
      notices.annotations.inform(
          "input to histogram_fraction has NaN observations, which are excluded from all "
          "fractions" +
              for_metric_name(notices.metric_name),
          notices.position);
  }
  if (!lower_rank || *lower_rank > count) lower_rank = count;
  if (!upper_rank || *upper_rank > count) upper_rank = count;
  return (*upper_rank - *lower_rank) / histogram.count;
}

std::string describe_histogram(const model::NativeHistogram& histogram) {
  std::string out =
      "{count:" + go_format_g(histogram.count) + ", sum:" + go_format_g(histogram.sum);
  for (const NativeBucket& bucket : buckets_of(histogram)) {
    if (bucket.count == 0) continue;
    const bool custom = has_custom_buckets(histogram);
    const bool zero = bucket.lower == -bucket.upper;
    out += (custom ? std::isinf(bucket.lower) : zero || bucket.lower < 0) ? ", [" : ", (";
    out += go_format_g(bucket.lower) + "," + go_format_g(bucket.upper);
    out += custom || zero || bucket.upper > 0 ? "]:" : "):";
    out += go_format_g(bucket.count);
  }
  return out + "}";
}

double native_variance(const model::NativeHistogram& histogram) {
  const double mean = histogram.sum / histogram.count;
  KahanSum total;
  for (const NativeBucket& bucket : buckets_of(histogram)) {
    if (bucket.count == 0) continue;
    double value = 0;
    if (has_custom_buckets(histogram)) {
      value = (bucket.upper + bucket.lower) / 2.0;
    } else if (bucket.lower > 0 || bucket.upper < 0) {
      value = std::sqrt(bucket.upper * bucket.lower);
      if (bucket.upper < 0) value = -value;
    }
    const double delta = value - mean;
    total.add(bucket.count * delta * delta);
  }
  return (total.sum + total.compensation) / histogram.count;
}

}  // namespace aerie::query
