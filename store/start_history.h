#pragma once

#include <atomic>
#include <cstdint>

#include "model/sample.h"
#include "store/slot_directory.h"

namespace aerie::store {

class Arena;

/// When the counters of a head block's series began. Nearly no series says so, and one that does
/// says the same for all its samples (cumulative) or for all the same time before each (delta): a
/// row of runs per series, found by time. Append-only: one thread adds, any number read.
class StartHistory {
 public:
  /// Writer, before the sample at `t` is published; `t` ascends within a slot. `start` 0: not said.
  void add(Arena& arena, uint32_t slot, model::TimestampMs t, model::TimestampMs start);
  /// Sets the starts of the samples in `out` from `first_value` and `first_histogram` on, which are
  /// of this slot.
  void fill(uint32_t slot, model::SeriesSamples& out, size_t first_value,
            size_t first_histogram) const;

 private:
  struct Run {
    const Run* previous;
    model::TimestampMs from;  // holds for samples at or after this time
    int64_t value;
    bool before_sample;  // the start is `value` before the sample, else `value` itself
    model::TimestampMs start_at(model::TimestampMs t) const;
  };
  struct Series {
    std::atomic<const Run*> newest{nullptr};
  };

  SlotDirectory<Series> series_;
  bool any_ = false;  // writer only
};

}  // namespace aerie::store
