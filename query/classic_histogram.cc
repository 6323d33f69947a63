#include "query/classic_histogram.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace aerie::query {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Differences that arise from adding the same floats in another order (Prometheus:
/// smallDeltaTolerance).
constexpr double kTolerance = 1e-12;

bool almost_equal(double a, double b) {
  if (a == b) return true;
  const double sum = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  constexpr double kMinNormal = 2.2250738585072014e-308;
  if (a == 0 || b == 0 || sum < kMinNormal) return difference < kTolerance * kMinNormal;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kTolerance;
}

void merge_equal_bounds(std::vector<ClassicBucket>& buckets) {
  size_t kept = 0;
  for (size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].upper_bound == buckets[kept].upper_bound) {
      buckets[kept].count += buckets[i].count;
    } else {
      buckets[++kept] = buckets[i];
    }
  }
  buckets.resize(kept + 1);
}

void force_monotonic(std::vector<ClassicBucket>& buckets, ClassicQuantile& result) {
  result.fix.min_bucket = kInfinity;
  result.fix.max_bucket = -kInfinity;
  double previous = buckets[0].count;
  for (size_t i = 1; i < buckets.size(); ++i) {
    const double current = buckets[i].count;
    if (current == previous) continue;
    if (almost_equal(previous, current)) {
      buckets[i].count = previous;
    } else if (current < previous) {
      buckets[i].count = previous;
      result.forced_monotonic = true;
      result.fix.min_bucket = std::min(result.fix.min_bucket, buckets[i].upper_bound);
      result.fix.max_bucket = std::max(result.fix.max_bucket, buckets[i].upper_bound);
      result.fix.max_difference = std::max(result.fix.max_difference, previous - current);
    } else {
      previous = current;
    }
  }
}

bool ends_at_infinity(const std::vector<ClassicBucket>& buckets) {
  return !buckets.empty() && buckets.back().upper_bound == kInfinity;
}

}  // namespace

ClassicQuantile classic_quantile(double quantile, std::vector<ClassicBucket>& buckets) {
  ClassicQuantile result;
  result.value = kNan;
  if (std::isnan(quantile)) return result;
  if (quantile < 0 || quantile > 1) {
    result.value = quantile < 0 ? -kInfinity : kInfinity;
    return result;
  }
  if (!ends_at_infinity(buckets)) return result;
  merge_equal_bounds(buckets);
  force_monotonic(buckets, result);
  if (buckets.size() < 2) return result;
  const double observations = buckets.back().count;
  if (observations == 0) return result;
  double rank = quantile * observations;
  const auto last = buckets.end() - 1;
  const auto found = std::find_if(buckets.begin(), last,
                                  [rank](const ClassicBucket& b) { return b.count >= rank; });
  if (found == last) {
    result.value = (last - 1)->upper_bound;
  } else if (found == buckets.begin() && found->upper_bound <= 0) {
    result.value = found->upper_bound;
  } else {
    double start = 0;
    double count = found->count;
    if (found != buckets.begin()) {
      start = (found - 1)->upper_bound;
      count -= (found - 1)->count;
      rank -= (found - 1)->count;
    }
    result.value = start + (found->upper_bound - start) * (rank / count);
  }
  return result;
}

double classic_fraction(double lower, double upper, std::vector<ClassicBucket>& buckets) {
  if (!ends_at_infinity(buckets)) return kNan;
  merge_equal_bounds(buckets);
  const double count = buckets.back().count;
  if (count == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  double rank = 0;
  std::optional<double> lower_rank;
  std::optional<double> upper_rank;
  double bucket_start = buckets[0].upper_bound <= 0 ? -kInfinity : 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (i > 0) bucket_start = buckets[i - 1].upper_bound;
    const double bucket_end = buckets[i].upper_bound;
    const auto interpolate = [&](double v) {
      // No observation of a bucket without a lower end is counted below v.
      if (bucket_start == -kInfinity) return buckets[i].count;
      return rank + (buckets[i].count - rank) * (v - bucket_start) / (bucket_end - bucket_start);
    };
    if (!lower_rank && bucket_start >= lower) lower_rank = rank;
    if (!upper_rank && bucket_start >= upper) upper_rank = rank;
    if (lower_rank && upper_rank) break;
    if (!lower_rank && bucket_start < lower && bucket_end > lower) lower_rank = interpolate(lower);
    if (!upper_rank && bucket_start < upper && bucket_end > upper) upper_rank = interpolate(upper);
    if (lower_rank && upper_rank) break;
    rank = buckets[i].count;
  }
  if (!lower_rank || *lower_rank > count) lower_rank = count;
  if (!upper_rank || *upper_rank > count) upper_rank = count;
  return (*upper_rank - *lower_rank) / count;
}

std::optional<double> parse_bound(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.front() == '-' || text.front() == '+') return std::nullopt;
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  double value = 0;
  const auto format = hexadecimal ? std::chars_format::hex : std::chars_format::general;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, format);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return negative ? -value : value;
}

}  // namespace aerie::query
