#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/sample_source.h"
#include "store/arrivals.h"
#include "store/check.h"
#include "store/erased_now.h"
#include "store/file_system.h"
#include "store/keyed_table.h"
#include "store/steps.h"
#include "store/write_batch.h"

namespace aerie::store {

class Tap;

/// When the log is synced. Anything but Always may lose acknowledged samples on power loss.
enum class SyncMode : uint8_t { Always, Interval, Off };

struct StoreOptions {
  std::string path;                                       ///< `--storage.path`; created if missing
  model::DurationMs retention = 15LL * 24 * 3600 * 1000;  ///< 0: keep for ever
  uint64_t retention_bytes = 0;  ///< of partitions and log together; 0: no limit
  SyncMode sync = SyncMode::Always;
  model::DurationMs sync_interval = 1000;               ///< for SyncMode::Interval
  model::DurationMs partition_span = 30LL * 60 * 1000;  ///< of tier 0
  model::DurationMs future_limit =
      10LL * 60 * 1000;  ///< samples further ahead are refused; 0: no limit
  model::DurationMs out_of_order_window =
      60LL * 60 * 1000;  ///< behind the newest sample of a series; 0: late samples are refused
  uint64_t head_memory_bytes = 0;      ///< past this in the head batches are refused; 0: no limit
  size_t backfill_days_per_hour = 64;  ///< of one cluster, of days that are over; 0: no limit
  size_t generations_per_day = 256;    ///< of one past day; then the merge has to come first
  /// False (tests): partitions are sealed by flush() only, and merged when asked.
  bool background_seal = true;
  /// Opens over damaged stretches of the log instead of refusing: what they held is lost.
  bool skip_corrupt_log = false;
  Tap* tap = nullptr;  ///< hears what is written (store/tap.h); outlives the store
  StepHook on_step;    ///< empty but in crash tests
};

/// One row of `/api/v1/metadata`.
struct FamilyMetadata {
  std::string metric_family;
  model::MetricMetadata metadata;
};

class Changes;

/// Keeps samples: log, head, partitions. Thread-safe. What is acknowledged is durable and visible.
class Store : public model::SampleSource {
 public:
  /// Opens or creates; replays the log. Errors: AlreadyExists (path used by another process: names
  /// the lock file and pid), InvalidArgument (path holds something that is not aerie's, or a newer
  /// format), Corruption (middle of the log), IoError. `clock`, `files` and `metrics` outlive the
  /// store.
  static Result<std::unique_ptr<Store>> open(StoreOptions options, const Clock& clock,
                                             FileSystem& files, MetricRegistry& metrics);
  ~Store() override = default;

  /// Finds or creates the series. O(1), no I/O; the definition becomes durable with its first
  /// sample.
  virtual SeriesHandle resolve(const model::Labels& labels) = 0;
  /// True if resolve() would find the series and not create it.
  virtual bool knows(const model::Labels& labels) const = 0;

  using Done = std::function<void(Result<WriteOutcome>)>;
  /// Queues the batch; `done` is called once, from the applier's thread, when every kept row is
  /// durable and visible, or with Unavailable (disk full, stopping) and then nothing of the batch
  /// was kept. `done` must be quick and must not call back.
  virtual void append(WriteBatch batch, Done done) = 0;
  /// append() and wait for it.
  Result<WriteOutcome> append_and_wait(WriteBatch batch);

  /// What aerie itself writes (verdicts, ALERTS, recorded series): labels and values at one time.
  /// Does not move arrivals. Rows that are out of order are dropped and counted; other errors are
  /// returned.
  struct OwnSample {
    model::Labels labels;
    model::TimestampMs t = 0;
    double value = 0;
  };
  Status write_own(const std::vector<OwnSample>& samples);

  /// Metric metadata from remote write, sorted by family. `metric_family` empty: all.
  virtual std::vector<FamilyMetadata> metadata(std::string_view metric_family) const = 0;

  virtual Arrivals& arrivals() = 0;
  /// Which samples changed since when; null: not kept, nothing may be taken for unchanged.
  virtual const Changes* changes() const { return nullptr; }
  virtual Result<std::shared_ptr<KeyedTable>> table(const std::string& name) = 0;

  /// Seals everything in the head and trims the log; returns when that is durable. Ingest goes on
  /// meanwhile.
  virtual Status flush() = 0;
  enum class SnapshotScope : uint8_t { Everything, WithoutHead };
  struct SnapshotInfo {
    std::string name;       ///< of the folder below `snapshots`
    uint64_t position = 0;  ///< of the log: exactly what was acknowledged before is in it
  };
  /// Makes a folder that a store can be started on, by hard links. Writing goes on meanwhile.
  /// Unavailable for stores that keep nothing (tests), like check().
  virtual Result<SnapshotInfo> snapshot(SnapshotScope scope);
  /// Reads and compares everything; `pace` as in store/check.h. Errors: Cancelled.
  virtual Result<CheckReport> check(const CheckPace& pace);
  virtual uint64_t active_series() const = 0;
  /// Newest and oldest sample of all, empty range if none.
  virtual model::TimeRange extent() const = 0;

  /// Deletes the samples of `range` (both ends inclusive) of the series that one of `selectors`
  /// matches, as far as they were written before this call. When it returns they are seen nowhere
  /// any more, whatever restarts; merges take them off the disk. May wait for a seal that runs.
  virtual Status delete_series(std::vector<model::Matchers> selectors, model::TimeRange range) = 0;
  /// Takes everything that was deleted off the disk; returns when that is done. Writes partitions
  /// anew that hold deleted samples.
  virtual Status clean_tombstones() = 0;
  /// A shorter retention for some clusters, in the place of what was set before. Samples expire
  /// from reads within ten minutes, from the disk when their partition's youngest has.
  virtual void set_cluster_retention(std::vector<ClusterRetention> rules) = 0;

  /// Refuses new batches, finishes those queued, syncs and closes. Idempotent; the destructor calls
  /// it.
  virtual Status close() = 0;
};

}  // namespace aerie::store
