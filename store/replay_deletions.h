#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "model/time.h"
#include "store/erasures.h"
#include "store/series_index.h"

namespace aerie::store {

/// Deletions in the order of the log while it is replayed: rows that came before one are dropped,
/// and at its position the head does again what it did then. One owner.
class ReplayDeletions {
 public:
  explicit ReplayDeletions(const Erasures& deletions);

  /// Deletions between the record before and this one, in their order. Those before the first
  /// record are left out: the checkpoint there knows them.
  std::vector<const Erasure*> passed(LogPosition position);
  /// True if a row of the record at `position` was deleted later.
  bool deleted(const SeriesIndex& index, uint32_t slot, model::TimestampMs t, LogPosition position);

 private:
  struct Known {
    uint32_t generation = 0;
    std::vector<uint32_t> matching;  // numbers into all_
  };

  std::vector<Erasure> all_;  // by log_end, then number
  size_t next_ = 0;           // the first one that is not passed
  bool started_ = false;
  std::unordered_map<uint32_t, Known> by_slot_;
};

}  // namespace aerie::store
