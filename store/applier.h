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
#include "store/arrivals.h"
#include "store/changes.h"
#include "store/head.h"
#include "store/ingest_log.h"
#include "store/late_guard.h"
#include "store/memory_limit.h"
#include "store/metadata_cache.h"
#include "store/store.h"
#include "store/tap.h"

namespace aerie::store {

/// The one thread that writes: it takes all waiting batches, puts them into the log with one sync,
/// applies them to the head in log order and answers. Everything that changes the head's writer
/// side runs here. Thread-safe.
class Applier {
 public:
  struct Options {
    size_t max_queued_rows =
        4'000'000;  ///< more wait already: the next batch is answered Unavailable
    size_t max_group_bytes = 16u << 20;  ///< of payload in one sync
    model::DurationMs arrivals_every = 15'000;
    bool sync_when_idle = false;  ///< SyncMode::Interval: commit also when nothing comes
    model::DurationMs out_of_order_window = 0;  ///< for batches that name none
    MemoryLimit* memory = nullptr;              ///< likewise; null: no limit
    LateGuard* late_guard = nullptr;            ///< outlives the applier; null: none (tests)
    Changes* changes = nullptr;                 ///< likewise
    Tap* tap = nullptr;                         ///< likewise; null: nobody listens
  };
  /// All references outlive the applier.
  Applier(Options options, Head& head, IngestLog& log, Arrivals& arrivals, MetadataCache& metadata,
          const Clock& clock, MetricRegistry& metrics);
  ~Applier() { stop(); }
  Applier(const Applier&) = delete;
  Applier& operator=(const Applier&) = delete;

  /// Store::append. After stop(), `done` is called with Unavailable from the caller's thread.
  void append(WriteBatch batch, Store::Done done);
  /// Runs `job` on the applier's thread between two groups and returns what it returns. Unavailable
  /// after stop(). Never called from the applier's thread.
  Status run(std::function<Status()> job);
  /// Logs the state of all series at the beginning of a new segment. Only inside run(), or before
  /// the first append().
  Status write_checkpoint();
  /// Refuses new work, finishes what waits, joins the thread. Idempotent.
  void stop();

 private:
  struct Pending {
    WriteBatch batch;
    Store::Done done;
    bool refused = false;  // the queue was full
    LogPosition position = 0;
    bool logged = false;
    std::vector<uint32_t> defined;      // slots whose definition is in this record
    std::vector<SeriesNewest> revived;  // likewise their newest sample
    Result<WriteOutcome> outcome{WriteOutcome()};
  };
  struct Job {
    std::function<Status()> work;
    std::function<void(Status)> done;
  };
  struct Meters {
    Counter& samples;
    Counter& histograms;
    Counter& exemplars;
    Counter& deduplicated;
    Counter& rejected_order;
    Counter& rejected_duplicate;
    Counter& rejected_old;
    Counter& rejected_future;
    Counter& rejected_backfill;
    Counter& refused_batches;
    Gauge& series;
    Gauge& head_samples;
    Gauge& log_bytes;
    Gauge& writable;
  };

  void loop();
  void write_group(std::vector<Pending>& group);
  void log_batch(Pending& pending, model::TimestampMs now);
  void drop_stale_rows(Pending& pending);
  void forget_logged(const Pending& pending);
  std::vector<SeriesDefinition> new_definitions(Pending& pending);
  void apply(Pending& pending, model::TimestampMs now);
  void add_arrivals_record(bool due);
  void count(const WriteOutcome& outcome);
  void note_memory(size_t queued_rows);
  static size_t rows_of(const WriteBatch& batch);

  const Options options_;
  Head& head_;
  IngestLog& log_;
  Arrivals& arrivals_;
  MetadataCache& metadata_;
  const Clock& clock_;
  Meters meters_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Pending> queue_;  // guarded by mutex_
  std::deque<Job> jobs_;       // guarded by mutex_
  size_t queued_rows_ = 0;     // guarded by mutex_
  bool stopping_ = false;      // guarded by mutex_

  // Of the applier's thread.
  std::string payload_;
  int64_t arrivals_written_ns_ = 0;
  bool writable_ = true;
  std::thread thread_;
};

}  // namespace aerie::store
