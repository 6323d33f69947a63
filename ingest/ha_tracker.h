#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "ingest/options.h"
#include "model/time.h"

namespace aerie::ingest {

/// Servers that scrape the same targets: one of them is wanted.
struct HaGroup {
  std::string cluster;
  std::string group;  ///< see ha_group()
  auto operator<=>(const HaGroup&) const = default;
};

/// Who leads a group. What is kept durably of it are group, replica, epoch and cut.
struct Election {
  HaGroup group;
  std::string replica;
  uint32_t epoch = 0;                             ///< counts the leads of this group
  model::TimestampMs cut = model::kMinTimestamp;  ///< samples of this epoch are later than this
  model::TimestampMs since_ms = 0;                ///< wall clock of the election
  model::TimestampMs last_arrival_ms = 0;         ///< wall clock
  model::DurationMs allowed_silence = 0;  ///< how long it may be silent before a standby takes over
};

/// Elects one replica per group and says of each request whether it is kept. The first replica seen
/// leads; another takes over when the lead has been silent for longer than it ever is (three times
/// the longest of its last arrival gaps, within limits), lags far behind the other, or comes back
/// from a shorter absence with a hole in its samples. There is no way back by itself. After a
/// change the new lead's samples are *stitched* to the old one's for a while: the store then keeps
/// a sample of a series only if it comes at least half an interval after the last one, so that
/// nothing is doubled and no series goes back in time. Thread-safe, lock rank
/// 10. docs/decisions/0060, 0170.
class HaTracker {
 public:
  HaTracker(HaOptions options, const Clock& clock);  // `clock` outlives the tracker

  struct Decision {
    bool keep = true;        ///< false: a standby's, answered as a duplicate
    bool stitch = false;     ///< kept, with ReplicaPolicy::ChangeOfLead: a change is near
    bool took_over = false;  ///< this request made its sender the lead (not set for the first lead)
    bool began = false;      ///< this request made its sender the first lead of its group
    std::string handed_to;   ///< this lead has come back with scrapes missing: the standby that has
                             ///< them leads now, what it sent comes first (keep is false)
    bool replay_first = false;  ///< what the lead (or handed_to) sent as a standby is to be stored
                                ///< before this request; then replayed()
    bool wait = false;          ///< kept, but somebody is storing that right now:
                                ///< wait_until_replayed()
    uint32_t epoch = 0;
    model::TimestampMs cut = model::kMinTimestamp;  ///< newest sample of the lead before
    std::string previous;                           ///< the lead that lost, when took_over
    model::DurationMs keep_for = 0;  ///< of a standby's request: how long it may still be needed
  };
  /// Notes that a request of `replica` with samples up to `newest` has come, and decides about it.
  /// O(log groups), no I/O.
  Decision observe(const HaGroup& group, std::string_view replica, model::TimestampMs newest);

  /// The same for a request that has not been read, if its sender is a standby and stays one.
  /// Nothing, and nothing noted: it has to be read and observed.
  std::optional<Decision> observe_standby(const HaGroup& group, std::string_view replica,
                                          model::TimestampMs newest);

  /// The decision about a request of `replica` that came earlier and was kept back; notes nothing.
  Decision decide_again(const HaGroup& group, std::string_view replica,
                        model::TimestampMs newest) const;

  /// What the new lead of a group had sent as a standby is in the store's queue.
  void replayed(const HaGroup& group);
  /// It could not be done: the next request of the lead is to do it.
  void postpone_replay(const HaGroup& group);
  /// Blocks until replayed(), at most 30 s.
  void wait_until_replayed(const HaGroup& group);

  /// Puts back what was known before a restart; the lead gets the full time to be heard again.
  void restore(const Election& election);
  /// All groups, sorted.
  std::vector<Election> elections() const;

 private:
  struct Replica {
    std::string name;
    int64_t arrival_ns = 0;  // monotonic
    model::TimestampMs arrival_ms = 0;
    model::TimestampMs newest = model::kMinTimestamp;
    std::array<uint32_t, 32> gaps_ms{};  // the last arrival gaps, a ring
    uint32_t gaps = 0;                   // ever recorded
    uint32_t outages = 0;                // gaps in a row that were too long to be ordinary
  };
  struct Group {
    std::vector<Replica> replicas;
    size_t lead = 0;  // index into replicas
    uint32_t epoch = 0;
    model::TimestampMs cut = model::kMinTimestamp;
    model::TimestampMs since_ms = 0;
    int64_t lagging_since_ns = 0;  // 0: the lead does not lag
    bool to_replay = false;        // the next request of the lead is to store what it sent before
    bool replaying = false;        // that is being done
  };

  void tell_waiting();
  Decision decide(Group& group, std::string_view replica, model::TimestampMs newest) const;
  void note(Replica& replica, model::TimestampMs newest) const;
  Decision standby_decision(const Group& group) const;
  Replica* note_arrival(Group& group, std::string_view name, model::TimestampMs newest) const;
  void record_gap(Replica& replica, int64_t gap_ms) const;
  bool lead_lost(Group& group, const Replica& rival) const;
  /// The standby that fills the hole that the lead's newest request shows, if there is one.
  static std::optional<size_t> successor_for_hole(const Group& group, model::TimestampMs before,
                                                  model::TimestampMs newest);
  model::DurationMs allowed_silence(const Replica& replica) const;
  void take_over(Group& group, size_t rival, model::TimestampMs newest) const;

  const HaOptions options_;
  const Clock& clock_;
  Guarded<std::map<HaGroup, Group>> groups_;
  std::mutex wait_mutex_;  // rank 9; for replay_done_ alone
  std::condition_variable replay_done_;
};

}  // namespace aerie::ingest
