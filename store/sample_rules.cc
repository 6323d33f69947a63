#include "store/sample_rules.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace aerie::store {
namespace {

constexpr uint32_t kLadderMs[] = {1'000,  5'000,  10'000,  15'000, 20'000,
                                  30'000, 60'000, 120'000, 300'000};
constexpr int64_t kAssumedIntervalMs = 15'000;
constexpr int64_t kLongestDeltaMs = 600'000;
// One gap looks like a pair twice (15 s, 45 s, 15 s); a new interval has to be seen once more.
constexpr uint8_t kConfirmations = 3;
constexpr uint64_t kPairQuarters = 3;
constexpr uint64_t kChangeQuarters = 2;

std::optional<uint32_t> on_ladder(int64_t delta) {
  for (const uint32_t step : kLadderMs) {
    if (std::abs(delta - int64_t{step}) <= step / 100) return step;
  }
  return std::nullopt;
}

/// Two replicas at a constant offset: the differences alternate and two of them make one interval.
/// One sender: every difference is the interval.
std::optional<uint32_t> interval_from(int64_t previous, int64_t delta) {
  if (std::abs(previous - delta) <= std::max<int64_t>(20, delta / 100)) return on_ladder(delta);
  return on_ladder(previous + delta);
}

void learn(PairState& pair, bool first, model::TimestampMs t) {
  if (first) {
    pair.newest_seen = t;
    return;
  }
  if (t <= pair.newest_seen) return;
  const uint64_t wide = static_cast<uint64_t>(t) - static_cast<uint64_t>(pair.newest_seen);
  pair.newest_seen = t;
  if (wide > kLongestDeltaMs) {
    pair.previous_delta_ms = 0;
    return;
  }
  const auto delta = static_cast<int64_t>(wide);
  const int64_t previous = pair.previous_delta_ms;
  pair.previous_delta_ms = static_cast<uint32_t>(delta);
  if (previous == 0) return;
  const auto interval = interval_from(previous, delta);
  if (!interval) return;
  pair.confirmations = *interval == pair.candidate_ms
                           ? static_cast<uint8_t>(std::min(pair.confirmations + 1, 100))
                           : 1;
  pair.candidate_ms = *interval;
  if (pair.interval_ms == 0 || pair.confirmations >= kConfirmations) pair.interval_ms = *interval;
}

std::optional<Verdict> outside(const RowToJudge& row, const TimeLimits& limits) {
  if (row.t < limits.oldest) return Verdict::TooOld;
  if (row.t > limits.latest) return Verdict::TooFarInFuture;
  return std::nullopt;
}

bool repeats(const NewestSample& newest, const RowToJudge& row) {
  return newest.any && newest.t == row.t && newest.histogram == row.histogram &&
         newest.bits == row.bits;
}

/// Keeps a row that comes at least so many quarters of an interval after the newest kept one.
Verdict judge_spacing(const NewestSample& newest, PairState& pair, const RowToJudge& row,
                      const TimeLimits& limits, uint64_t quarters) {
  if (repeats(newest, row)) return Verdict::Repeat;
  if (const auto verdict = outside(row, limits)) return *verdict;
  const bool first = !newest.any;
  if (!row.stale) learn(pair, first, row.t);
  if (first) return Verdict::Keep;
  if (row.t <= newest.t) return Verdict::Deduplicated;
  if (newest.stale) return row.stale ? Verdict::Deduplicated : Verdict::Keep;
  const int64_t interval = pair.interval_ms == 0 ? kAssumedIntervalMs : pair.interval_ms;
  const uint64_t spacing = static_cast<uint64_t>(row.t) - static_cast<uint64_t>(newest.t);
  return spacing * 4 >= static_cast<uint64_t>(interval) * quarters ? Verdict::Keep
                                                                   : Verdict::Deduplicated;
}

}  // namespace

Verdict judge_single_sender(const NewestSample& newest, const RowToJudge& row,
                            const TimeLimits& limits) {
  if (repeats(newest, row)) return Verdict::Repeat;
  if (const auto verdict = outside(row, limits)) return *verdict;
  if (!newest.any || row.t > newest.t) return Verdict::Keep;
  return row.t == newest.t ? Verdict::DuplicateValue : Verdict::OutOfOrder;
}

Verdict judge_pair(const NewestSample& newest, PairState& pair, const RowToJudge& row,
                   const TimeLimits& limits) {
  return judge_spacing(newest, pair, row, limits, kPairQuarters);
}

Verdict judge_change_of_lead(const NewestSample& newest, PairState& pair, const RowToJudge& row,
                             const TimeLimits& limits) {
  return judge_spacing(newest, pair, row, limits, kChangeQuarters);
}

void note_interval(const NewestSample& newest, PairState& pair, const RowToJudge& row) {
  if (!row.stale) learn(pair, !newest.any, row.t);
}

std::string_view rejection_text(RejectReason reason) {
  switch (reason) {
    case RejectReason::OutOfOrder: return "out of order sample";
    case RejectReason::DuplicateValue: return "duplicate sample for timestamp";
    case RejectReason::TooOld: return "out of bounds: too old sample";
    case RejectReason::TooFarInFuture: return "out of bounds: timestamp too far in the future";
  }
  return "rejected";
}

}  // namespace aerie::store
