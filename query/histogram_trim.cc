#include "query/histogram_trim.h"

#include <cmath>
#include <limits>
#include <optional>

#include "query/histogram_sum.h"
#include "query/native_histogram.h"

namespace aerie::query {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What stays of a bucket, and where its observations lie on average.
struct Kept {
  double count = 0;
  double middle = 0;
};

enum class Side : uint8_t { Positive, Negative };

/// The middle of a stretch: geometric on exponential buckets, arithmetic on custom ones; open ends
/// count as their finite one.
double middle_of(double lower, double upper, Side side, bool linear) {
  if (std::isinf(lower)) {
    if (std::isinf(upper)) return 0;
    return upper > 0 ? upper / 2 : upper;
  }
  if (std::isinf(upper)) return lower;
  if (linear) return (lower + upper) / 2;
  const double geometric = std::sqrt(std::fabs(lower * upper));
  return side == Side::Positive ? geometric : -geometric;
}

double zero_if_infinite(double value) { return std::isinf(value) ? 0 : value; }

/// A bucket without a lower end, as custom layouts begin with.
Kept split_from_minus_infinity(const NativeBucket& bucket, double bound, Trim trim) {
  const bool finite_positive = bucket.upper > 0 && !std::isinf(bucket.upper);
  if (trim == Trim::Upper) {
    if (bound >= bucket.upper) return {bucket.count, 0};
    if (bound > 0 && finite_positive) return {bucket.count * bound / bucket.upper, bound / 2};
    if (bucket.upper <= 0) return {bucket.count, bound};
    return {0, zero_if_infinite(bucket.upper)};
  }
  if (bound <= bucket.lower) return {bucket.count, 0};
  if (bound >= 0 && bucket.upper > bound && !std::isinf(bucket.upper))
    return {bucket.count * (1 - bound / bucket.upper), (bound + bucket.upper) / 2};
  return {0, zero_if_infinite(bucket.upper)};
}

/// A bucket without an upper end: how its observations are spread is not known.
Kept split_to_infinity(const NativeBucket& bucket, double bound, Trim trim) {
  if (trim == Trim::Lower && bound >= bucket.lower) return {bucket.count, bound};
  return {0, zero_if_infinite(bucket.lower)};
}

double fraction_below(const NativeBucket& bucket, double bound, bool linear) {
  if (linear) return (bound - bucket.lower) / (bucket.upper - bucket.lower);
  const double log_lower = std::log2(std::fabs(bucket.lower));
  const double log_upper = std::log2(std::fabs(bucket.upper));
  const double log_bound = std::log2(std::fabs(bound));
  if (bound > 0) return (log_bound - log_lower) / (log_upper - log_lower);
  return 1 - (log_bound - log_upper) / (log_lower - log_upper);
}

Kept split(const NativeBucket& bucket, double bound, Trim trim, Side side, bool linear) {
  if (bucket.lower == -kInfinity) return split_from_minus_infinity(bucket, bound, trim);
  if (bucket.upper == kInfinity) return split_to_infinity(bucket, bound, trim);
  double below = bucket.count * fraction_below(bucket, bound, linear);
  if (bound <= bucket.lower) below = 0;
  if (bound >= bucket.upper) below = bucket.count;
  if (trim == Trim::Upper) return {below, middle_of(bucket.lower, bound, side, linear)};
  return {bucket.count - below, middle_of(bound, bucket.upper, side, linear)};
}

Kept trim_bucket(const NativeBucket& bucket, double bound, Trim trim, Side side, bool linear) {
  const bool whole = trim == Trim::Upper ? bucket.upper <= bound : bucket.lower >= bound;
  if (whole) return {bucket.count, middle_of(bucket.lower, bucket.upper, side, linear)};
  const bool cut = trim == Trim::Upper ? bucket.lower < bound : bucket.upper > bound;
  if (!cut) return {0, 0};
  return split(bucket, bound, trim, side, linear);
}

Kept trim_zero_bucket(double threshold, double count, double bound, Trim trim, bool has_positive,
                      bool has_negative) {
  const double lower = has_positive && !has_negative ? 0 : -threshold;
  const double upper = has_negative && !has_positive ? 0 : threshold;
  const bool all = trim == Trim::Upper ? bound >= upper && bound > lower : bound <= lower;
  const bool none = trim == Trim::Upper ? bound <= lower : bound >= upper;
  if (none && !all) return {0, 0};
  if (all) return {count, (lower + upper) / 2};
  if (trim == Trim::Upper)
    return {count * ((bound - lower) / (upper - lower)), (lower + bound) / 2};
  return {count * ((upper - bound) / (upper - lower)), (bound + upper) / 2};
}

/// The bounds of bucket `index`.
NativeBucket bounds_of(const model::NativeHistogram& histogram, int32_t index, Side side,
                       double count) {
  if (has_custom_buckets(histogram)) {
    const auto& bounds = histogram.custom_values;
    const auto position = static_cast<size_t>(index);
    return {index == 0 ? -kInfinity : bounds[position - 1],
            position < bounds.size() ? bounds[position] : kInfinity, count};
  }
  const double near = exponential_bound(index - 1, histogram.schema);
  const double far = exponential_bound(index, histogram.schema);
  return side == Side::Positive ? NativeBucket{near, far, count} : NativeBucket{-far, -near, count};
}

/// Totals over what is kept, and whether anything went.
struct Totals {
  double count = 0;
  double sum = 0;
  bool changed = false;
  bool any = false;
};

Totals trim_side(const model::NativeHistogram& histogram, Side side, double bound, Trim trim,
                 const std::vector<model::BucketSpan>& spans, std::vector<double>& counts) {
  Totals totals;
  int32_t index = 0;
  size_t next = 0;
  for (const model::BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && next < counts.size(); ++i, ++index, ++next) {
      if (counts[next] == 0) continue;
      totals.any = true;
      const NativeBucket bucket = bounds_of(histogram, index, side, counts[next]);
      const Kept kept = trim_bucket(bucket, bound, trim, side, has_custom_buckets(histogram));
      totals.count += kept.count;
      totals.sum += kept.middle * kept.count;
      totals.changed = totals.changed || kept.count != counts[next];
      counts[next] = kept.count;
    }
  }
  return totals;
}

}  // namespace

HistogramPtr trim_histogram(const model::NativeHistogram& histogram, double bound, Trim trim) {
  model::NativeHistogram trimmed = histogram;
  const Totals positive = trim_side(histogram, Side::Positive, bound, trim,
                                    histogram.positive_spans, trimmed.positive_buckets);
  const Totals negative = trim_side(histogram, Side::Negative, bound, trim,
                                    histogram.negative_spans, trimmed.negative_buckets);
  double count = positive.count + negative.count;
  double sum = positive.sum + negative.sum;
  bool changed = positive.changed || negative.changed;
  if (histogram.zero_count > 0) {
    const Kept kept = trim_zero_bucket(histogram.zero_threshold, histogram.zero_count, bound, trim,
                                       positive.any, negative.any);
    changed = changed || kept.count != histogram.zero_count;
    trimmed.zero_count = kept.count;
    sum += kept.middle * kept.count;
    count += kept.count;
  }
  if (!changed) return std::make_shared<model::NativeHistogram>(histogram);
  trimmed.count = count;
  trimmed.sum = sum;
  return HistogramSum(trimmed).result();
}

}  // namespace aerie::query
