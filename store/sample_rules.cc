#include "store/sample_rules.h"

#include <algorithm>
#include <bit>
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
constexpr int64_t kSendingMs = 10'000;
constexpr uint64_t kPairQuarters = 3;
constexpr uint64_t kChangeQuarters = 2;

std::optional<uint32_t> on_ladder(int64_t delta) {
  for (const uint32_t step : kLadderMs) {
    if (std::abs(delta - int64_t{step}) <= step / 100) return step;
  }
  return std::nullopt;
}

bool whole_seconds(int64_t delta) {
  const int64_t off = delta % 1000;
  return delta >= 1000 && std::min(off, 1000 - off) <= std::min<int64_t>(20, delta / 100);
}

struct Guess {
  uint32_t interval_ms;
  bool usual;  // on the ladder
};

/// Two replicas at a constant offset: the differences alternate and two of them make one interval.
/// One sender: every difference is the interval, and so it looks if the replicas are exactly half
/// an interval apart; an unusual difference whose double is usual is taken for that.
Guess interval_from(int64_t previous, int64_t delta) {
  const int64_t both = previous + delta;
  const bool equal = std::abs(previous - delta) <= std::max<int64_t>(20, delta / 100);
  if (equal) {
    if (const auto usual = on_ladder(delta)) return {*usual, true};
  }
  if (const auto usual = on_ladder(both)) return {*usual, true};
  if (equal && (whole_seconds(delta) || !whole_seconds(both)))
    return {static_cast<uint32_t>(delta), false};
  return {static_cast<uint32_t>(both), false};
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
  const Guess guess = interval_from(previous, delta);
  const int64_t off = int64_t{guess.interval_ms} - int64_t{pair.candidate_ms};
  const bool again = guess.usual ? off == 0 : std::abs(off) <= guess.interval_ms / 50;
  pair.confirmations = again ? static_cast<uint8_t>(std::min(pair.confirmations + 1, 100)) : 1;
  if (!again) pair.candidate_ms = guess.interval_ms;
  if ((pair.interval_ms == 0 && guess.usual) || pair.confirmations >= kConfirmations)
    pair.interval_ms = pair.candidate_ms;
}

std::optional<Verdict> outside(const RowToJudge& row, const TimeLimits& limits) {
  if (row.t < limits.oldest) return Verdict::TooOld;
  if (row.t > limits.latest) return Verdict::TooFarInFuture;
  return std::nullopt;
}

bool repeats(const NewestSample& newest, const RowToJudge& row) {
  return newest.any && newest.bits != kDeletedBits && newest.t == row.t &&
         newest.histogram == row.histogram && newest.bits == row.bits;
}

int64_t interval_of(const PairState& pair) {
  return pair.interval_ms == 0 ? kAssumedIntervalMs : pair.interval_ms;
}

/// Keeps a row that comes at least so many quarters of an interval after the newest kept one.
Verdict judge_spacing(const NewestSample& newest, PairState& pair, const RowToJudge& row,
                      const TimeLimits& limits, uint64_t quarters, bool holds_markers) {
  if (repeats(newest, row)) return Verdict::Repeat;
  if (const auto verdict = outside(row, limits)) return *verdict;
  const bool first = !newest.any;
  if (!row.stale) learn(pair, first, row.t);
  if (first) return Verdict::Keep;
  if (row.t <= newest.t) return Verdict::Deduplicated;
  if (newest.stale) return row.stale ? Verdict::Deduplicated : Verdict::Keep;
  if (row.stale && holds_markers && !row.histogram) return Verdict::Hold;
  const int64_t interval = interval_of(pair);
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
  if (row.t == newest.t && newest.bits != kDeletedBits) return Verdict::DuplicateValue;
  const uint64_t behind = static_cast<uint64_t>(newest.t) - static_cast<uint64_t>(row.t);
  return behind <= static_cast<uint64_t>(limits.late_window) ? Verdict::Late : Verdict::OutOfOrder;
}

Verdict judge_pair(const NewestSample& newest, PairState& pair, const RowToJudge& row,
                   const TimeLimits& limits) {
  return judge_spacing(newest, pair, row, limits, kPairQuarters, true);
}

Verdict judge_change_of_lead(const NewestSample& newest, PairState& pair, const RowToJudge& row,
                             const TimeLimits& limits) {
  return judge_spacing(newest, pair, row, limits, kChangeQuarters, false);
}

model::DurationMs marker_patience(const PairState& pair) {
  return interval_of(pair) * 5 / 4 + kSendingMs;
}

Step step_of(const NewestSample& newest, const PairState& pair, const RivalSample& rival,
             const RowToJudge& row) {
  if (!newest.any || newest.histogram || newest.stale || row.histogram || row.stale)
    return Step::Plain;
  const auto value = std::bit_cast<double>(row.bits);
  if (!(value < std::bit_cast<double>(newest.bits))) return Step::Plain;
  const auto interval = static_cast<uint64_t>(interval_of(pair));
  const auto since = [&](model::TimestampMs t) {
    return static_cast<uint64_t>(row.t) - static_cast<uint64_t>(t);
  };
  // Its own replica's next scrape is late by a hundredth at most.
  if (since(newest.t) >= interval * 9 / 10) return Step::Plain;
  if (rival.t >= row.t || since(rival.t) > interval * 11 / 10) return Step::Unknown;
  return rival.value <= value ? Step::Inverted : Step::Plain;
}

bool is_counter_name(std::string_view name) {
  return name.ends_with("_total") || name.ends_with("_bucket") || name.ends_with("_count") ||
         name.ends_with("_sum");
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
    case RejectReason::BackfillLimit: return "too many days of the past at once";
  }
  return "rejected";
}

}  // namespace aerie::store
