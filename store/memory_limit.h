#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/metrics.h"

namespace aerie::store {

/// What the head and its index hold in memory against the most that they may. The applier notes it
/// after every group; past the limit it refuses batches, before that the sealer makes room.
/// Thread-safe.
class MemoryLimit {
 public:
  /// 0: no limit; the memory is still counted.
  MemoryLimit(uint64_t limit_bytes, MetricRegistry& metrics);

  struct Use {
    uint64_t head_bytes = 0;   ///< blocks, those that wait to be sealed included
    uint64_t index_bytes = 0;  ///< series, labels, postings
    uint64_t queue_bytes = 0;  ///< rows that wait for the applier
    uint64_t log_bytes = 0;    ///< records that wait for a write or a sync
  };
  /// One thread.
  void note(const Use& use);
  /// A cache that note() asks from now on; not part of the limit, because it has its own. Before
  /// the first note().
  void watch(const char* part, std::function<uint64_t()> bytes);

  /// Batches are refused.
  bool reached() const { return limit_ > 0 && used() >= limit_; }
  /// Three quarters are used and sealing would give back a part worth having.
  bool pressed() const;
  /// Why batches are refused, for the sender and the operator.
  std::string text() const;

 private:
  uint64_t used() const { return head_.load() + index_.load(); }

  struct Watched {
    Gauge& gauge;
    std::function<uint64_t()> bytes;
  };

  const uint64_t limit_;
  MetricRegistry& metrics_;
  std::vector<Watched> watched_;
  std::atomic<uint64_t> head_{0};
  std::atomic<uint64_t> index_{0};
  Gauge& head_gauge_;
  Gauge& index_gauge_;
  Gauge& queue_gauge_;
  Gauge& log_gauge_;
};

}  // namespace aerie::store
