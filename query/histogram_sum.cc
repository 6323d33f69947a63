#include "query/histogram_sum.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace aerie::query {
namespace {

using Bucket = HistogramSum::Bucket;

std::vector<Bucket> unpack(const std::vector<model::BucketSpan>& spans,
                           const std::vector<double>& counts) {
  std::vector<Bucket> buckets;
  buckets.reserve(counts.size());
  int32_t index = 0;
  size_t next = 0;
  for (const model::BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && next < counts.size(); ++i)
      buckets.push_back({index++, {counts[next++], 0}});
  }
  return buckets;
}

void pack(const std::vector<Bucket>& buckets, std::vector<model::BucketSpan>& spans,
          std::vector<double>& counts) {
  int32_t end = 0;
  for (const Bucket& bucket : buckets) {
    const double count = bucket.count.sum + bucket.count.compensation;
    if (count == 0) continue;
    if (!spans.empty() && bucket.index == end) {
      ++spans.back().length;
    } else {
      spans.push_back({bucket.index - end, 1});
    }
    counts.push_back(count);
    end = bucket.index + 1;
  }
}

/// Adds without compensation, but keeps one that is there.
void add_plain(KahanSum& sum, double value) { sum.sum += value; }

void add_with(KahanSum& sum, const KahanSum& value, HistogramSum::Rounding rounding) {
  if (rounding == HistogramSum::Rounding::Plain)
    return add_plain(sum, value.sum + value.compensation);
  sum.add(value.sum);
  if (value.compensation != 0) sum.add(value.compensation);
}

/// Several buckets of a finer schema become one of a coarser.
void merge_to_schema(std::vector<Bucket>& buckets, int32_t from, int32_t to) {
  size_t kept = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    Bucket bucket = buckets[i];
    bucket.index = ((bucket.index - 1) >> (from - to)) + 1;
    if (kept > 0 && buckets[kept - 1].index == bucket.index) {
      add_with(buckets[kept - 1].count, bucket.count, HistogramSum::Rounding::Compensated);
    } else {
      buckets[kept++] = bucket;
    }
  }
  buckets.resize(kept);
}

std::vector<double> common_bounds(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  return common;
}

void scale_buckets(std::vector<Bucket>& buckets, double factor) {
  for (Bucket& bucket : buckets) {
    bucket.count.sum *= factor;
    bucket.count.compensation *= factor;
  }
}

void divide_buckets(std::vector<Bucket>& buckets, double divisor) {
  for (Bucket& bucket : buckets) {
    bucket.count.sum /= divisor;
    bucket.count.compensation /= divisor;
  }
}

constexpr int32_t kFinestSchema = 8;

/// 2^(i/n) / 2 for the n buckets between two powers of two. By repeated multiplication instead of
/// by exp2, as the clients and Prometheus have it: their bounds differ from the exact ones in the
/// last digit, and bounds are compared and shown.
class FractionTable {
 public:
  FractionTable() {
    fractions_[0] = {0.5};
    for (int32_t schema = 1; schema <= kFinestSchema; ++schema) {
      const double factor = schema == 1 ? 1.414213562373095 : std::exp2(std::exp2(-schema));
      std::vector<double>& fractions = fractions_[static_cast<size_t>(schema)];
      fractions = {0.5};
      const std::vector<double>& coarser = fractions_[static_cast<size_t>(schema) - 1];
      for (size_t i = 1; i < size_t{1} << schema; ++i)
        fractions.push_back(i % 2 == 0 ? coarser[i / 2] : fractions[i - 1] * factor);
    }
  }
  double of(int32_t schema, int32_t fraction) const {
    return fractions_[static_cast<size_t>(schema)][static_cast<size_t>(fraction)];
  }

 private:
  std::array<std::vector<double>, kFinestSchema + 1> fractions_;
};

}  // namespace

double exponential_bound(int32_t index, int32_t schema) {
  if (schema <= 0) {
    const double exponent = std::ldexp(static_cast<double>(index), -schema);
    return exponent == 1024 ? std::numeric_limits<double>::max() : std::exp2(exponent);
  }
  static const FractionTable kFractions;
  const int32_t power = index >> schema;
  if (schema > kFinestSchema) {
    const double fraction = std::ldexp(static_cast<double>(index), -schema) - power;
    return std::ldexp(std::exp2(fraction), power);
  }
  const int32_t fraction = index & ((1 << schema) - 1);
  if (fraction == 0 && power == 1024) return std::numeric_limits<double>::max();
  return std::ldexp(kFractions.of(schema, fraction), power + 1);
}

HistogramSum::HistogramSum(const model::NativeHistogram& histogram)
    : schema_(histogram.schema),
      hint_(histogram.reset_hint),
      zero_threshold_(histogram.zero_threshold),
      zero_count_{histogram.zero_count, 0},
      count_{histogram.count, 0},
      sum_{histogram.sum, 0},
      positive_(unpack(histogram.positive_spans, histogram.positive_buckets)),
      negative_(unpack(histogram.negative_spans, histogram.negative_buckets)),
      custom_values_(histogram.custom_values) {}

HistogramSum::Outcome HistogramSum::add(const model::NativeHistogram& other, Rounding rounding) {
  return combine(HistogramSum(other), Sign::Add, rounding);
}

HistogramSum::Outcome HistogramSum::subtract(const model::NativeHistogram& other) {
  return combine(HistogramSum(other), Sign::Subtract, Rounding::Plain);
}

/// A gauge with anything is a gauge, unknown with anything unknown; the rest collides.
bool HistogramSum::combine_hints(model::ResetHint other) {
  using model::ResetHint;
  if (other == hint_ || hint_ == ResetHint::Gauge) return false;
  if (other == ResetHint::Gauge) {
    hint_ = ResetHint::Gauge;
    return false;
  }
  const bool collide = hint_ != ResetHint::Unknown && other != ResetHint::Unknown;
  hint_ = ResetHint::Unknown;
  return collide;
}

HistogramSum::Outcome HistogramSum::combine(HistogramSum other, Sign sign, Rounding rounding) {
  Outcome outcome;
  if (is_custom() != other.is_custom()) {
    outcome.incompatible = true;
    return outcome;
  }
  outcome.resets_collide = combine_hints(other.hint_);
  const double factor = sign == Sign::Subtract ? -1 : 1;
  const auto signed_sum = [factor](const KahanSum& sum) {
    return KahanSum{sum.sum * factor, sum.compensation * factor};
  };
  if (is_custom()) {
    if (custom_values_ != other.custom_values_) {
      outcome.bounds_reconciled = true;
      const std::vector<double> common = common_bounds(custom_values_, other.custom_values_);
      keep_bounds(common);
      other.keep_bounds(common);
    }
  } else {
    while (zero_threshold_ != other.zero_threshold_) {
      if (zero_threshold_ > other.zero_threshold_) other.widen_zero_bucket(zero_threshold_);
      if (other.zero_threshold_ > zero_threshold_) widen_zero_bucket(other.zero_threshold_);
    }
    add_with(zero_count_, signed_sum(other.zero_count_), rounding);
    if (other.schema_ < schema_) reduce_to(other.schema_);
    if (other.schema_ > schema_) other.reduce_to(schema_);
  }
  add_with(count_, signed_sum(other.count_), rounding);
  add_with(sum_, signed_sum(other.sum_), rounding);
  add_buckets(positive_, other.positive_, sign, rounding);
  add_buckets(negative_, other.negative_, sign, rounding);
  return outcome;
}

void HistogramSum::add_buckets(std::vector<Bucket>& into, const std::vector<Bucket>& from,
                               Sign sign, Rounding rounding) const {
  const double factor = sign == Sign::Subtract ? -1 : 1;
  std::vector<Bucket> merged;
  merged.reserve(into.size() + from.size());
  auto left = into.begin();
  for (const Bucket& bucket : from) {
    const KahanSum value{bucket.count.sum * factor, bucket.count.compensation * factor};
    while (left != into.end() && left->index < bucket.index) merged.push_back(*left++);
    if (left != into.end() && left->index == bucket.index) {
      add_with(left->count, value, rounding);
      merged.push_back(*left++);
    } else {
      merged.push_back({bucket.index, value});
    }
  }
  merged.insert(merged.end(), left, into.end());
  into = std::move(merged);
}

void HistogramSum::keep_bounds(const std::vector<double>& bounds) {
  std::vector<Bucket> mapped;
  for (const Bucket& bucket : positive_) {
    const auto index = static_cast<size_t>(bucket.index);
    auto target = static_cast<int32_t>(bounds.size());  // the +Inf bucket
    if (index < custom_values_.size())
      target = static_cast<int32_t>(
          std::lower_bound(bounds.begin(), bounds.end(), custom_values_[index]) - bounds.begin());
    if (mapped.empty() || mapped.back().index != target) mapped.push_back({target, {}});
    add_with(mapped.back().count, bucket.count, Rounding::Compensated);
  }
  positive_ = std::move(mapped);
  custom_values_ = bounds;
}

void HistogramSum::reduce_to(int32_t schema) {
  if (schema >= schema_) return;
  merge_to_schema(positive_, schema_, schema);
  merge_to_schema(negative_, schema_, schema);
  schema_ = schema;
}

void HistogramSum::widen_zero_bucket(double threshold) {
  if (threshold <= zero_threshold_) return;
  const auto upper = [this](const Bucket& b) { return exponential_bound(b.index, schema_); };
  const auto lower = [this](const Bucket& b) { return exponential_bound(b.index - 1, schema_); };
  // A filled bucket that the threshold would cut moves it to the bucket's far end; that may cut one
  // of the other side.
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto* side : {&positive_, &negative_}) {
      for (const Bucket& bucket : *side) {
        if (lower(bucket) >= threshold) break;
        if (upper(bucket) <= threshold || bucket.count.sum == 0) continue;
        threshold = upper(bucket);
        moved = true;
      }
    }
  }
  for (auto* side : {&positive_, &negative_}) {
    size_t swallowed = 0;
    while (swallowed < side->size() && lower((*side)[swallowed]) < threshold) {
      add_with(zero_count_, (*side)[swallowed].count, Rounding::Compensated);
      ++swallowed;
    }
    side->erase(side->begin(), side->begin() + static_cast<ptrdiff_t>(swallowed));
  }
  zero_threshold_ = threshold;
}

void HistogramSum::scale(double factor) {
  for (KahanSum* sum : {&zero_count_, &count_, &sum_}) {
    sum->sum *= factor;
    sum->compensation *= factor;
  }
  scale_buckets(positive_, factor);
  scale_buckets(negative_, factor);
  if (factor < 0) hint_ = model::ResetHint::Gauge;
}

void HistogramSum::divide(double divisor) {
  for (KahanSum* sum : {&zero_count_, &count_, &sum_}) {
    sum->sum /= divisor;
    sum->compensation /= divisor;
  }
  divide_buckets(positive_, divisor);
  divide_buckets(negative_, divisor);
  if (divisor == 0) {
    positive_.clear();
    negative_.clear();
  } else if (divisor < 0) {
    hint_ = model::ResetHint::Gauge;
  }
}

bool HistogramSum::has_overflow() const {
  const auto infinite = [](const Bucket& bucket) { return std::isinf(bucket.count.sum); };
  return std::isinf(zero_count_.sum) || std::isinf(count_.sum) || std::isinf(sum_.sum) ||
         std::any_of(positive_.begin(), positive_.end(), infinite) ||
         std::any_of(negative_.begin(), negative_.end(), infinite);
}

std::shared_ptr<model::NativeHistogram> HistogramSum::result() const {
  auto out = std::make_shared<model::NativeHistogram>();
  out->schema = schema_;
  out->reset_hint = hint_;
  out->zero_threshold = zero_threshold_;
  out->zero_count = zero_count_.sum + zero_count_.compensation;
  out->count = count_.sum + count_.compensation;
  out->sum = sum_.sum + sum_.compensation;
  pack(positive_, out->positive_spans, out->positive_buckets);
  pack(negative_, out->negative_spans, out->negative_buckets);
  out->custom_values = custom_values_;
  return out;
}

HistogramSum::Outcome HistogramMean::add(const model::NativeHistogram& histogram) {
  count_ += 1;
  if (!incremental_) {
    HistogramSum next = sum_;
    const HistogramSum::Outcome outcome = next.add(histogram, HistogramSum::Rounding::Compensated);
    if (outcome.incompatible) return outcome;
    if (!next.has_overflow()) {
      sum_ = std::move(next);
      return outcome;
    }
    incremental_ = true;
    sum_.divide(count_ - 1);
  }
  sum_.scale((count_ - 1) / count_);
  HistogramSum share(histogram);
  share.divide(count_);
  return sum_.add(*share.result(), HistogramSum::Rounding::Compensated);
}

std::shared_ptr<model::NativeHistogram> HistogramMean::mean() const {
  if (incremental_) return sum_.result();
  HistogramSum divided = sum_;
  divided.divide(count_);
  return divided.result();
}

}  // namespace aerie::query
