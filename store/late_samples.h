#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "model/sample.h"

namespace aerie::store {

/// The samples of one head block that came behind the newest one of their column. Few: most blocks
/// have none, and then nothing here costs more than one load. Thread-safe; the reader-writer lock
/// (rank: docs/threads.md) is held for copying one series' samples.
class LateSamples {
 public:
  struct Sample {
    model::TimestampMs t = 0;
    uint64_t bits = 0;             ///< of a float
    model::TimestampMs start = 0;  ///< when its counter began; 0: not said
    std::shared_ptr<const model::NativeHistogram> histogram;
  };

  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }
  /// One thread only. There must be no sample of `column` at this time. O(samples of the column).
  void insert(const void* column, Sample sample);
  /// Those of one column within the range, ascending.
  std::vector<Sample> find(const void* column, model::TimeRange range) const;
  /// Adds find() to `out`, merged by time. `out` must be ascending.
  void merge_into(const void* column, model::TimeRange range, model::SeriesSamples& out) const;
  /// Memory, about.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<const void*, std::vector<Sample>> columns_;  // sorted; guarded by mutex_
  std::atomic<size_t> count_{0};
  std::atomic<size_t> bytes_{0};
};

}  // namespace aerie::store
