#pragma once

#include <cstdint>
#include <vector>

namespace aerie::model {

enum class ResetHint : uint8_t { Unknown = 0, Yes = 1, No = 2, Gauge = 3 };

/// `length` consecutive buckets, `offset` after the end of the previous span (the first: absolute
/// index).
struct BucketSpan {
  int32_t offset = 0;
  uint32_t length = 0;
  bool operator==(const BucketSpan&) const = default;
};

inline constexpr int32_t kCustomBucketsSchema = -53;

/// A native histogram with absolute bucket counts, as PromQL computes on it. A value type.
/// Schemas -4..8 are exponential (bounds are powers of 2^(2^-schema)); -53 has the bounds in
/// `custom_values`.
struct NativeHistogram {
  int32_t schema = 0;
  ResetHint reset_hint = ResetHint::Unknown;
  bool is_float = true;  ///< false: came as integers and goes back as integers
  double zero_threshold = 0;
  double zero_count = 0;
  double count = 0;
  double sum = 0;
  std::vector<BucketSpan> positive_spans;
  std::vector<BucketSpan> negative_spans;
  std::vector<double> positive_buckets;  ///< absolute counts, in span order
  std::vector<double> negative_buckets;
  std::vector<double> custom_values;  ///< strictly ascending upper bounds, without +Inf
  bool operator==(const NativeHistogram&) const = default;
};

/// The hint with which `now` is read when it was sent right after `before` (null: after a float,
/// a series' beginning, or not known): Gauge stays, No if nothing fell and the layout only grew,
/// else Unknown, which is also what becomes of a "Yes" that was sent: whether the sample before is
/// still there when it is read is not known. Prometheus's rule (tsdb/chunkenc, appendable).
ResetHint hint_after(const NativeHistogram* before, const NativeHistogram& now);

}  // namespace aerie::model
