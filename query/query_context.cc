#include "query/query_context.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace aerie::query {

namespace {

// A time and a value; taken from the common limit in larger pieces.
constexpr uint64_t kBytesPerSample = 16;
constexpr uint64_t kPieceBytes = 1u << 20;
constexpr uint32_t kChecksPerLook = 8;

Error too_many_samples(uint64_t limit) {
  return {ErrorCode::ResourceExhausted,
          fmt::format("query processing would load too many samples into memory in query "
                      "execution; the limit is {} (--query.max-samples)",
                      limit)};
}

}  // namespace

Status SampleBudget::hold(uint64_t samples) {
  held_ += samples;
  peak_ = std::max(peak_, held_);
  if (held_ > limits_.samples) return too_many_samples(limits_.samples);
  return take_memory();
}

Status SampleBudget::take_memory() {
  const uint64_t bytes = held_ * kBytesPerSample;
  if (limits_.bytes != 0 && bytes > limits_.bytes) {
    return Error(ErrorCode::ResourceExhausted,
                 fmt::format("query processing would hold more than {} bytes in memory "
                             "(--query.max-memory)",
                             limits_.bytes));
  }
  while (limits_.total != nullptr && taken_bytes_ < bytes) {
    auto permit = limits_.total->try_acquire(kPieceBytes);
    if (!permit) {
      return Error(ErrorCode::Unavailable,
                   fmt::format("all queries together would hold more than {} bytes in memory "
                               "(--query.max-total-memory): try again",
                               limits_.total->limit_bytes()));
    }
    permits_.push_back(std::move(permit).value());
    taken_bytes_ += kPieceBytes;
  }
  return {};
}

QueryContext::QueryContext(const Services& engine, const QueryLimits& limits, Request request)
    : options_(engine.options),
      source_(limits.source != nullptr ? *limits.source : engine.source),
      clock_(engine.clock),
      request_(request),
      lookback_(limits.lookback > 0 ? limits.lookback : engine.options.lookback),
      cancelled_(limits.cancelled),
      budget_({engine.options.max_samples, engine.options.max_memory_bytes, engine.memory}),
      recorder_(limits.recorder),
      overflow_(limits.overflow),
      counted_times_(limits.count_queryable ? 1 : 0) {
  auto timeout = options_.timeout;
  if (limits.timeout.count() > 0) timeout = std::min(timeout, limits.timeout);
  deadline_ns_ =
      clock_.monotonic_ns() +
      (std::chrono::duration_cast<std::chrono::nanoseconds>(timeout) - limits.waited).count();
}

Status QueryContext::check_steps(uint64_t steps) const {
  if (steps <= options_.max_samples) return {};
  return too_many_samples(options_.max_samples);
}

Status QueryContext::check() const {
  if (cancelled_ && cancelled_())
    return Error(ErrorCode::Cancelled, "query was canceled in expression evaluation");
  // Reading the clock takes as long as a short series.
  if (checks_++ % kChecksPerLook == 0 && clock_.monotonic_ns() > deadline_ns_)
    return Error(ErrorCode::DeadlineExceeded,
                 "query timed out in expression evaluation (--query.timeout)");
  return {};
}

}  // namespace aerie::query
