#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/applier.h"
#include "store/erasures.h"
#include "store/head.h"
#include "store/ingest_log.h"
#include "store/memory_limit.h"
#include "store/metadata_cache.h"
#include "store/partition_set.h"
#include "store/space_guard.h"

namespace aerie::store {

/// The background thread: cuts finished spans from the head, seals them into partitions, and only
/// when they are durable drops them from the head and trims the log; forgets idle series and
/// expired partitions. Thread-safe.
class Sealer {
 public:
  struct Options {
    model::DurationMs partition_span = 30LL * 60 * 1000;
    model::DurationMs retention = 0;        ///< 0: for ever
    bool background = true;                 ///< false: only flush() seals
    SpaceGuard* space = nullptr;            ///< tended every second; may be null
    const MemoryLimit* memory = nullptr;    ///< likewise
    StepHook on_step;                       ///< `seal-cut`, `seal-committed`, `seal-trimmed`
    std::function<ErasuresPtr()> erasures;  ///< not sealed any more; may be empty, or return null
  };
  /// All references outlive the sealer.
  Sealer(Options options, Head& head, IngestLog& log, Applier& applier, PartitionSet& partitions,
         MetadataCache& metadata, const Clock& clock, MetricRegistry& metrics);
  ~Sealer() { stop(); }
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  /// Seals everything that was applied before the call and trims the log. Waits. Unavailable after
  /// stop().
  Status flush();
  /// Runs `job` on the sealer's thread: nothing is sealed or trimmed meanwhile. Waits. Unavailable
  /// after stop().
  Status between_cycles(std::function<Status()> job);
  /// Finishes the cycle that runs, joins the thread. Idempotent.
  void stop();

 private:
  struct Job {
    std::function<Status()> work;
    std::function<void(Status)> done;
  };
  struct Waiting {
    std::shared_ptr<const HeadBlock> block;
    LogPosition log_end = 0;
  };

  void loop();
  Status cycle(bool everything);
  Status cut(bool everything);
  Status seal(const Waiting& waiting);
  Status tidy(bool sealed);
  Status prepare();
  bool is_pressed();
  Status settle();

  const Options options_;
  Head& head_;
  IngestLog& log_;
  Applier& applier_;
  PartitionSet& partitions_;
  MetadataCache& metadata_;
  const Clock& clock_;
  Counter& sealed_samples_;
  Counter& failures_;
  Histogram& seconds_;
  Gauge& damaged_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::function<void(Status)>> flushes_;  // guarded by mutex_
  std::vector<Job> jobs_;                             // guarded by mutex_
  bool stopping_ = false;                             // guarded by mutex_
  int64_t pressed_ns_ = 0;                            // when sealing was last hurried
  std::deque<Waiting> waiting_;  // of the sealer's thread; sealed strictly in this order
  std::thread thread_;
};

}  // namespace aerie::store
