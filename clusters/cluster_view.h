#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/gate.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/work_pool.h"
#include "clusters/desired.h"
#include "clusters/evaluator.h"
#include "clusters/fleet.h"
#include "clusters/own_series.h"
#include "clusters/timeline.h"
#include "store/store.h"

namespace aerie::clusters {

/// What the view is wired to. All references outlive it.
struct ClusterViewPorts {
  const model::SampleSource& source;
  std::function<std::vector<store::ClusterArrival>()> arrivals;  ///< `store.arrivals().all()`
  /// `store.write_own(…)`; empty: verdicts are not written back.
  std::function<Status(const std::vector<store::Store::OwnSample>&)> write_own;
  std::shared_ptr<store::KeyedTable>
      table;       ///< `store.table("clusters")`; null: a restart forgets since when
  WorkPool& pool;  ///< `background`
  const Clock& clock;
  MetricRegistry& metrics;
  WatchedClusters watched = {};  ///< what list and watch see; empty: kube-state-metrics alone
  TappedChanges tapped = {};     ///< `tap.take()`; empty: the head is read once a scrape
};

struct ClusterViewOptions {
  std::chrono::milliseconds evaluation_interval{1'000};
  std::string desired_file;  ///< YAML, read again whenever it changes; empty: none. Format:
                             ///< clusters/README.md
};

/// Says of every Deployment in every cluster whether it became Pods. Thread-safe. Evaluates on the
/// pool given, one evaluation at a time; a thread of its own only keeps the time. Readers get the
/// last snapshot, never wait.
class ClusterView {
 public:
  /// Reads the memory of earlier processes and the desired-state file. Errors: InvalidArgument and
  /// NotFound for that file (at the start; later a broken file is logged and the last good one
  /// holds).
  static Result<std::unique_ptr<ClusterView>> open(ClusterViewOptions options,
                                                   ClusterViewPorts ports);
  ~ClusterView();  ///< stop()

  /// Starts to evaluate every interval.
  void start();
  /// Waits for the running evaluation, then evaluates no more. Idempotent.
  void stop();
  /// One evaluation, now, on the caller's thread; skipped if one is running. For tests and for
  /// start().
  void evaluate();

  std::shared_ptr<const FleetSnapshot> snapshot() const { return snapshot_.copy(); }
  const Timeline& timeline() const { return timeline_; }

  /// Called after every evaluation, on its thread, with what is new: must be quick. False: call no
  /// more. Destroyed when it is called no more, at the latest by stop().
  static constexpr size_t kMostListeners = 128;
  using Listener = std::function<bool(const std::shared_ptr<const FleetSnapshot>&)>;
  /// False: too many listen already.
  bool listen(Listener listener);
  size_t listening() const { return listening_.load(); }

 private:
  ClusterView(ClusterViewOptions options, ClusterViewPorts ports);
  void keep_time();
  void evaluate_once();
  Status load_desired();
  void write(const FleetSnapshot& fleet);
  void tell_listeners(const std::shared_ptr<const FleetSnapshot>& fleet);

  const ClusterViewOptions options_;
  const ClusterViewPorts ports_;
  Counter& evaluations_;
  Counter& failures_;
  Histogram& seconds_;
  Counter& judgements_;
  Gauge& desired_valid_;

  // Owned by the evaluation that runs; `running_` lets in one at a time.
  std::atomic<bool> running_{false};
  Evaluator evaluator_;
  Timeline timeline_;
  OwnSeries own_series_;
  bool own_series_restored_ = false;
  bool write_failing_ = false;  // said once, not every five seconds
  DesiredFile desired_;
  std::string desired_stamp_;  // size and time of the file that was read

  Guarded<std::shared_ptr<const FleetSnapshot>> snapshot_;
  Guarded<std::vector<Listener>> listeners_;
  std::atomic<size_t> listening_{0};
  Gate gate_;
  std::mutex timer_mutex_;
  std::condition_variable timer_wake_;
  bool stopping_ = false;  // guarded by timer_mutex_
  std::thread timer_;
};

}  // namespace aerie::clusters
