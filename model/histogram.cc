#include "model/histogram.h"

#include "model/sample.h"

namespace aerie::model {
namespace {

/// Walks over the buckets of one side by their absolute index.
class BucketWalk {
 public:
  BucketWalk(const std::vector<BucketSpan>& spans, const std::vector<double>& counts)
      : spans_(spans), counts_(counts) {
    enter_span();
  }
  bool at_end() const { return position_ >= counts_.size() || span_ >= spans_.size(); }
  int64_t index() const { return index_; }
  double count() const { return counts_[position_]; }
  void next() {
    ++position_;
    ++index_;
    if (++in_span_ < spans_[span_].length) return;
    ++span_;
    in_span_ = 0;
    enter_span();
  }

 private:
  void enter_span() {
    for (; span_ < spans_.size(); ++span_) {
      index_ += spans_[span_].offset;
      if (spans_[span_].length > 0) return;
    }
  }

  const std::vector<BucketSpan>& spans_;
  const std::vector<double>& counts_;
  size_t span_ = 0;
  uint32_t in_span_ = 0;
  size_t position_ = 0;
  int64_t index_ = 0;
};

/// True if a bucket lost observations, or one that had some is gone.
bool some_bucket_fell(BucketWalk before, BucketWalk now) {
  for (; !before.at_end(); before.next()) {
    while (!now.at_end() && now.index() < before.index()) now.next();
    const bool present = !now.at_end() && now.index() == before.index();
    if (present ? before.count() > now.count() : before.count() != 0) return true;
  }
  return false;
}

}  // namespace

ResetHint hint_after(const NativeHistogram* before, const NativeHistogram& now) {
  if (now.reset_hint == ResetHint::Gauge) return ResetHint::Gauge;
  if (now.reset_hint == ResetHint::Yes || before == nullptr) return ResetHint::Unknown;
  if (before->reset_hint == ResetHint::Gauge || before->is_float != now.is_float)
    return ResetHint::Unknown;
  if (is_stale(before->sum) || is_stale(now.sum)) return ResetHint::Unknown;
  const bool same_layout = before->schema == now.schema &&
                           before->zero_threshold == now.zero_threshold &&
                           before->custom_values == now.custom_values;
  if (!same_layout || now.count < before->count || now.zero_count < before->zero_count)
    return ResetHint::Unknown;
  const bool fell = some_bucket_fell({before->positive_spans, before->positive_buckets},
                                     {now.positive_spans, now.positive_buckets}) ||
                    some_bucket_fell({before->negative_spans, before->negative_buckets},
                                     {now.negative_spans, now.negative_buckets});
  return fell ? ResetHint::Unknown : ResetHint::No;
}

}  // namespace aerie::model
