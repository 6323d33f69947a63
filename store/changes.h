#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "model/time.h"
#include "store/write_batch.h"

namespace aerie::store {

class SeriesIndex;

/// How far back the samples of each cluster changed since a moment, so that an answer computed then
/// can be used again up to there. Changes are numbered in the order of the log; a number means
/// nothing after a restart. Thread-safe, a leaf lock (rank 41: docs/threads.md).
/// docs/decisions/0141.
class Changes {
 public:
  /// Clusters that are told apart; those that come later share one name that everybody selects.
  static constexpr size_t kMaxClusters = 1000;

  struct Since {
    uint64_t number = 0;  ///< changes so far: what to ask with next time
    /// Of the oldest sample written or removed since; kMaxTimestamp: none.
    model::TimestampMs oldest = model::kMaxTimestamp;
  };
  using Selects = std::function<bool(std::string_view cluster)>;

  /// Changes so far. Asked before samples are read: what is noted later is not in them for sure.
  uint64_t number() const;
  /// What changed after `number` in the clusters that `selects` takes; exact for recent changes,
  /// never later than the truth. O(clusters).
  Since since(uint64_t number, const Selects& selects) const;

  /// Notes a batch that can be read since a moment, before its sender is told. Refused rows may be
  /// among them. The applier's thread only.
  void note(const WriteBatch& batch, const SeriesIndex& index);
  /// Notes that samples of one cluster from `oldest` on changed or went: a deletion.
  void note(std::string_view cluster, model::TimestampMs oldest);
  /// Notes that samples of any time, of any cluster, changed or went: retention, or a deletion.
  void note_everything();

 private:
  /// Of one cluster: what changed up to `number` is not older than `oldest`. Both ascending,
  /// because an older change hides all before it.
  struct Change {
    uint64_t number = 0;
    model::TimestampMs oldest = 0;
  };
  using History = std::vector<Change>;
  struct State {
    uint64_t number = 0;
    uint64_t everything = 0;  // number of the last change of everything
    std::map<std::string, uint16_t, std::less<>> ids;
    std::vector<History> histories;  // by id
  };
  struct Slot {
    uint16_t generation = 0;  // low bits; 0: not known, living series have odd ones
    uint16_t cluster = 0;
  };
  struct Oldest {
    uint16_t cluster = 0;
    model::TimestampMs t = 0;
  };

  static uint16_t id_of(State& state, std::string_view cluster);
  uint16_t cluster_of(SeriesHandle series, const SeriesIndex& index);
  void look_at(SeriesHandle series, model::TimestampMs t, const SeriesIndex& index);
  static void add(History& history, Change change);

  Guarded<State> state_;
  // Of the applier's thread.
  std::vector<Slot> slots_;
  std::vector<Oldest> batch_;  // of the batch being noted: one per cluster in it
};

}  // namespace aerie::store
