#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "store/erasures.h"
#include "store/merge_plan.h"
#include "store/partition_record.h"
#include "store/partition_set.h"

namespace aerie::store {

/// The background thread that keeps partitions few: merges spans that are over, writes partitions
/// anew without what was deleted or has expired, and drops the oldest when there are too many
/// bytes. Its own thread at low priority; it works at most half of the time, so that ingest and
/// queries keep the machine. Thread-safe.
class Merger {
 public:
  struct Options {
    MergeRules rules;
    uint64_t retention_bytes = 0;  ///< of partitions and log together; 0: no limit
    bool background = true;        ///< false: only run() works (tests)
  };
  struct Ports {
    PartitionSet& partitions;
    const Clock& clock;
    MetricRegistry& metrics;
    std::function<ErasuresPtr()> erasures;  ///< what must not be seen at this moment; may be null
    /// Told of a deletion that no partition needs any more.
    std::function<Status(const Erasure&)> carried_out;
    std::function<uint64_t()> log_bytes;
  };
  /// Everything in `ports` outlives the merger.
  Merger(Options options, Ports ports);
  ~Merger() { stop(); }
  Merger(const Merger&) = delete;
  Merger& operator=(const Merger&) = delete;

  enum class Work : uint8_t {
    Merge,     ///< everything that is due
    CarryOut,  ///< deletions too, in all partitions
  };
  /// Does it at full speed and waits. Unavailable after stop(), or when stopped meanwhile; else the
  /// first error.
  Status run(Work work);
  /// Gives up what it is doing (nothing is half-done) and joins the thread. Idempotent.
  void stop();

 private:
  struct Request {
    Work work = Work::Merge;
    std::function<void(Status)> done;
  };
  struct Meters {
    Counter& read_bytes;
    Counter& written_bytes;
    Counter& failures;
    Counter& dropped;
    Counter& dropped_bytes;
    Histogram& seconds;
    Gauge& partitions;
    Gauge& bytes;
  };

  void loop();
  Status cycle(bool carry_out);
  Status merge_due();
  Status rewrite(bool deletions_too);
  Result<std::optional<MergePlan>> next_rewrite(const Erasures& erasures, bool deletions_too);
  Result<bool> needs(const PartitionInfo& info, const Erasure& erasure);
  Status forget_carried_out();
  Status execute(const MergePlan& plan, const char* why);
  Status limit_bytes();
  Status pause();
  bool refused(const MergePlan& plan) const;
  void publish();

  const Options options_;
  Ports ports_;
  Meters meters_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Request> requests_;  // guarded by mutex_
  bool stopping_ = false;          // guarded by mutex_

  // Of the merger's thread.
  bool hurry_ = false;
  int64_t working_since_ns_ = 0;
  uint32_t calls_ = 0;
  int64_t next_rewrite_ns_ = 0;
  std::vector<std::pair<MergePlan, int64_t>> failed_;  // and until when they are left alone
  /// Erasures (in words) that concern no series of a partition: partitions do not change.
  std::map<PartitionName, std::set<std::string>> untouched_;
  std::thread thread_;
};

}  // namespace aerie::store
