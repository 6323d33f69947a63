#include "query/histogram_scaling.h"

namespace aerie::query {
namespace {

template <class Change>
std::shared_ptr<model::NativeHistogram> change_counts(const model::NativeHistogram& histogram,
                                                      Change change) {
  auto result = std::make_shared<model::NativeHistogram>(histogram);
  result->is_float = true;
  result->zero_count = change(result->zero_count);
  result->count = change(result->count);
  result->sum = change(result->sum);
  for (double& bucket : result->positive_buckets) bucket = change(bucket);
  for (double& bucket : result->negative_buckets) bucket = change(bucket);
  return result;
}

}  // namespace

HistogramPtr scale_histogram(const model::NativeHistogram& histogram, double factor) {
  auto result = change_counts(histogram, [factor](double count) { return count * factor; });
  if (factor < 0) result->reset_hint = model::ResetHint::Gauge;
  return result;
}

HistogramPtr divide_histogram(const model::NativeHistogram& histogram, double divisor) {
  auto result = change_counts(histogram, [divisor](double count) { return count / divisor; });
  if (divisor < 0) result->reset_hint = model::ResetHint::Gauge;
  if (divisor == 0) {
    result->positive_spans.clear();
    result->positive_buckets.clear();
    result->negative_spans.clear();
    result->negative_buckets.clear();
  }
  return result;
}

}  // namespace aerie::query
