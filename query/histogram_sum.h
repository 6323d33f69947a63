#pragma once

#include <cstdint>
#include <vector>

#include "query/kahan.h"
#include "query/value.h"

namespace aerie::query {

/// A native histogram that others are added to: buckets by index with a compensation each, brought
/// to a common resolution, zero bucket and custom bounds as model/histogram/float_histogram.go
/// does. One query, one thread.
class HistogramSum {
 public:
  struct Bucket {
    int32_t index = 0;
    KahanSum count;
  };
  enum class Rounding : uint8_t { Plain, Compensated };
  /// What adding brought up, for the notices.
  struct Outcome {
    bool incompatible = false;       ///< exponential with custom buckets: nothing was added
    bool resets_collide = false;     ///< one says "reset", the other "no reset"
    bool bounds_reconciled = false;  ///< custom bounds differed: only common ones are left
  };

  explicit HistogramSum(const model::NativeHistogram& histogram);

  Outcome add(const model::NativeHistogram& other, Rounding rounding);
  Outcome subtract(const model::NativeHistogram& other);
  void scale(double factor);
  void divide(double divisor);
  /// Only for exponential buckets; `schema` not above the current one.
  void reduce_to(int32_t schema);
  void set_reset_hint(model::ResetHint hint) { hint_ = hint; }
  bool has_overflow() const;

  int32_t schema() const { return schema_; }
  model::ResetHint reset_hint() const { return hint_; }
  const KahanSum& count() const { return count_; }
  double zero_threshold() const { return zero_threshold_; }
  const KahanSum& zero_count() const { return zero_count_; }
  const std::vector<double>& custom_values() const { return custom_values_; }
  const std::vector<Bucket>& positive() const { return positive_; }
  const std::vector<Bucket>& negative() const { return negative_; }

  /// Widens the zero bucket to at least `threshold`, further where it would cut a filled bucket.
  void widen_zero_bucket(double threshold);

  /// Compensations added in, empty buckets left out.
  std::shared_ptr<model::NativeHistogram> result() const;

 private:
  enum class Sign : uint8_t { Add, Subtract };
  Outcome combine(HistogramSum other, Sign sign, Rounding rounding);
  bool combine_hints(model::ResetHint other);
  void add_buckets(std::vector<Bucket>& into, const std::vector<Bucket>& from, Sign sign,
                   Rounding rounding) const;
  void keep_bounds(const std::vector<double>& bounds);
  bool is_custom() const { return schema_ == model::kCustomBucketsSchema; }

  int32_t schema_ = 0;
  model::ResetHint hint_ = model::ResetHint::Unknown;
  double zero_threshold_ = 0;
  KahanSum zero_count_;
  KahanSum count_;
  KahanSum sum_;
  std::vector<Bucket> positive_;  // ascending by index
  std::vector<Bucket> negative_;
  std::vector<double> custom_values_;
};

/// The mean of histograms: directly, and incrementally from where the sum would overflow.
class HistogramMean {
 public:
  explicit HistogramMean(const model::NativeHistogram& first) : sum_(first) {}
  HistogramSum::Outcome add(const model::NativeHistogram& histogram);
  std::shared_ptr<model::NativeHistogram> mean() const;

 private:
  HistogramSum sum_;  // of the histograms, or of histogram / count once incremental
  double count_ = 1;
  bool incremental_ = false;
};

/// The upper bound of exponential bucket `index`: (2^(2^-schema))^index.
double exponential_bound(int32_t index, int32_t schema);

/// True if a counter was reset between `before` and `now`: by its hint, or because something in it
/// fell.
bool was_reset(const model::NativeHistogram& before, const model::NativeHistogram& now);
/// Same buckets, counts and sum bit by bit; hints do not count.
bool equal_histograms(const model::NativeHistogram& a, const model::NativeHistogram& b);

}  // namespace aerie::query
