#pragma once

#include <cstdint>
#include <string_view>

#include "model/time.h"
#include "store/log_record.h"
#include "store/write_batch.h"

namespace aerie::store {

/// What becomes of one row.
enum class Verdict : uint8_t {
  Keep,
  Late,  ///< to be kept, if there is no sample at its time yet
  Repeat,
  Deduplicated,
  Hold,  ///< a stale marker of one of two replicas: see HeldMarkers
  OutOfOrder,
  DuplicateValue,
  TooOld,
  TooFarInFuture
};

/// Stands for the newest sample of a series when that was deleted (a NaN that nobody sends; if
/// somebody does, its time is looked up too). Nothing is newer; what is at its time is not known.
inline constexpr uint64_t kDeletedBits = 0xfff8aeae00000000;

/// The newest kept sample of a series.
struct NewestSample {
  bool any = false;
  bool histogram = false;
  bool stale = false;  ///< it is a stale marker
  model::TimestampMs t = 0;
  uint64_t bits = 0;
};

struct RowToJudge {
  model::TimestampMs t = 0;
  uint64_t bits = 0;
  bool histogram = false;
  bool stale = false;
};

/// Samples are kept within [oldest, latest], and at most `late_window` behind the newest of their
/// series.
struct TimeLimits {
  model::TimestampMs oldest = model::kMinTimestamp;
  model::TimestampMs latest = model::kMaxTimestamp;
  model::DurationMs late_window = 0;
};

/// Order, duplicates, limits: pure, so that a replay decides the same. An exact repeat of the
/// newest sample is a Repeat (it counts as written), anything else at its time is DuplicateValue,
/// anything older Late or, beyond the window, OutOfOrder (Prometheus's rules).
Verdict judge_single_sender(const NewestSample& newest, const RowToJudge& row,
                            const TimeLimits& limits);

/// The spacing rule for HA pairs that dropped their replica label (phase lock): a row is kept if it
/// comes at least three quarters of the series' scrape interval after the newest kept one. A stale
/// marker is held, whatever its phase; one that is the newest does not hold the lock. The interval
/// is learned from all rows, kept or not: `pair` is updated; an unusual one (7 s) has to be seen
/// three times. Until then 15 s are assumed.
Verdict judge_pair(const NewestSample& newest, PairState& pair, const RowToJudge& row,
                   const TimeLimits& limits);

/// The spacing rule while another replica takes over: as judge_pair(), but half an interval is
/// enough. The two replicas scrape at constant phases, so whatever these are, the first sample kept
/// of the new lead comes within [0.5, 1.5) intervals of the last one of the old.
Verdict judge_change_of_lead(const NewestSample& newest, PairState& pair, const RowToJudge& row,
                             const TimeLimits& limits);

/// How long a held marker waits for the word of the other replica, by the arrival of records: a
/// scrape and a quarter, and the time in which samples are sent (batch_send_deadline, twice).
model::DurationMs marker_patience(const PairState& pair);

/// The last sample of a series that its distance refused: the other replica's.
struct RivalSample {
  model::TimestampMs t = model::kMinTimestamp;
  double value = 0;
};
/// What a row is that was kept by its distance (judge_pair(), judge_change_of_lead()).
enum class Step : uint8_t {
  Plain,     ///< it goes up, or follows a sample of its own replica
  Inverted,  ///< it goes down where one replica's samples go over into the other's, and its own
             ///< replica saw no reset: the slower scrape of the same moment. In a counter it would
             ///< look like a reset
  Unknown    ///< the same, and what its replica saw before is not known
};
Step step_of(const NewestSample& newest, const PairState& pair, const RivalSample& rival,
             const RowToJudge& row);
/// Whether the name is one of a counter, a classic histogram's or a summary's parts included.
bool is_counter_name(std::string_view metric_name);

/// Learns the interval of a series from a row of its only sender, for judge_change_of_lead().
void note_interval(const NewestSample& newest, PairState& pair, const RowToJudge& row);

/// Prometheus's words for a refusal.
std::string_view rejection_text(RejectReason reason);

}  // namespace aerie::store
