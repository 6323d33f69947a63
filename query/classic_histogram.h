#pragma once

#include <span>
#include <vector>

#include "query/annotations.h"

namespace aerie::query {

/// One cumulative bucket of a classic histogram.
struct ClassicBucket {
  double upper_bound = 0;
  double count = 0;
};

/// The φ-quantile by linear interpolation inside the bucket it falls into. `buckets` ascend by
/// bound and are changed: equal bounds are added up, counts forced to ascend (relative differences
/// up to 1e-12 silently, others reported in `fix`, whose time stays untouched). NaN without a +Inf
/// bucket, with fewer than two buckets, or without observations.
struct ClassicQuantile {
  double value = 0;
  bool forced_monotonic = false;
  AnnotationSet::MonotonicityFix fix;
};
ClassicQuantile classic_quantile(double quantile, std::vector<ClassicBucket>& buckets);

/// The fraction of observations between two bounds, interpolated likewise.
double classic_fraction(double lower, double upper, std::vector<ClassicBucket>& buckets);

/// The value of a label `le` as Go's ParseFloat reads it; nothing if malformed.
std::optional<double> parse_bound(std::string_view text);

}  // namespace aerie::query
