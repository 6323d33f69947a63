#include "query/query_context.h"

#include <algorithm>

namespace aerie::query {

namespace {

Error too_many_samples() {
  return {ErrorCode::ResourceExhausted,
          "query processing would load too many samples into memory in query execution"};
}

}  // namespace

Status SampleBudget::hold(uint64_t samples) {
  held_ += samples;
  peak_ = std::max(peak_, held_);
  if (held_ <= limit_) return {};
  return too_many_samples();
}

QueryContext::QueryContext(const EngineOptions& options, const model::SampleSource& source,
                           const Clock& clock, const QueryLimits& limits, Request request)
    : options_(options),
      source_(source),
      clock_(clock),
      request_(request),
      lookback_(limits.lookback > 0 ? limits.lookback : options.lookback),
      cancelled_(limits.cancelled),
      budget_(options.max_samples) {
  auto timeout = options.timeout;
  if (limits.timeout.count() > 0) timeout = std::min(timeout, limits.timeout);
  deadline_ns_ =
      clock.monotonic_ns() + std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count();
}

Status QueryContext::check_steps(uint64_t steps) const {
  if (steps <= options_.max_samples) return {};
  return too_many_samples();
}

Status QueryContext::check() const {
  if (cancelled_ && cancelled_())
    return Error(ErrorCode::Cancelled, "query was canceled in expression evaluation");
  if (clock_.monotonic_ns() > deadline_ns_)
    return Error(ErrorCode::DeadlineExceeded, "query timed out in expression evaluation");
  return {};
}

}  // namespace aerie::query
