#pragma once

#include <string_view>
#include <vector>

#include "model/histogram.h"
#include "query/annotations.h"

namespace aerie::query {

/// One bucket of a native histogram, with its own count (not cumulative).
struct NativeBucket {
  double lower = 0;
  double upper = 0;
  double count = 0;
};

/// All buckets from the lowest to the highest, the zero bucket among them if it holds anything.
/// Buckets that reach into the zero bucket are cut at its threshold.
std::vector<NativeBucket> buckets_of(const model::NativeHistogram& histogram);
inline bool has_custom_buckets(const model::NativeHistogram& histogram) {
  return histogram.schema == model::kCustomBucketsSchema;
}

struct NativeNotices {
  std::string_view metric_name;
  PositionRange position;
  AnnotationSet& annotations;
};

/// promql/quantile.go HistogramQuantile: exponential interpolation, linear in the zero bucket and
/// in custom buckets.
double native_quantile(double quantile, const model::NativeHistogram& histogram,
                       const NativeNotices& notices);
double native_fraction(double lower, double upper, const model::NativeHistogram& histogram,
                       const NativeNotices& notices);
/// `{count:20, sum:10, [-2,-1):2, [-0.001,0.001]:2, (0.5,1]:1}`, as count_values labels it.
std::string describe_histogram(const model::NativeHistogram& histogram);
/// The variance estimated from the buckets' (geometric) means.
double native_variance(const model::NativeHistogram& histogram);

}  // namespace aerie::query
