#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "clusters/evidence.h"
#include "clusters/fleet.h"
#include "clusters/kube_state.h"
#include "clusters/verdict.h"
#include "clusters/watched_cluster.h"
#include "model/time.h"
#include "store/arrivals.h"

namespace aerie::clusters {

/// What of a cluster survives a restart: who it is, and where its kube-state-metrics answered.
struct ClusterMemory {
  std::string environment;
  std::string zone;
  std::set<Target> targets;  ///< of its kube-state-metrics, when last sound
  std::string encode() const;
  static ClusterMemory decode(const std::string& text);
};

/// When to read a cluster's series again: once per scrape of its kube-state-metrics, a little after
/// it is due, again while pieces of it are missing. A value.
class ReadPlan {
 public:
  bool due(const store::ClusterArrival& arrival, model::TimestampMs now) const;
  /// The next read is due at once.
  void read_again();
  /// Due once in `kResync` when changes are told, else once a scrape.
  static constexpr model::DurationMs kResync = 5LL * 60 * 1000;
  void note_followed(model::TimestampMs now);
  /// Tells what a read found.
  void note(const store::ClusterArrival& arrival, model::TimestampMs scraped_at, bool torn,
            model::TimestampMs now);

 private:
  model::TimestampMs watermark_ = model::kMinTimestamp;   // of the arrival that was read
  model::TimestampMs scraped_at_ = model::kMinTimestamp;  // newest sample found
  model::TimestampMs next_ = 0;                           // our clock
  model::DurationMs own_interval_ = 0;                    // of kube-state-metrics; 0: not known
  int again_ = 0;                                         // reads of the same scrape
};

/// Everything the evaluator holds of one cluster. Not thread-safe.
struct ClusterBook {
  explicit ClusterBook(std::string name) : state(name) { row.cluster = std::move(name); }

  struct Workload {
    Memory memory;
    RowPtr row;
    bool restless = true;  // a timer runs: judge it at every evaluation
  };

  ClusterMemory memory;
  KubeState state;
  ReadPlan plan;
  ClusterEvidence surroundings;             ///< all but the workloads, as last read
  std::shared_ptr<WatchedCluster> watched;  ///< null: its API server is not followed
  bool restored = false;                    ///< an earlier process knew it
  model::TimestampMs watched_at = 0;        ///< when its API server last answered; 0: never
  bool by_watch = false;                    ///< the watch is what is believed now
  ClusterRow row;
  Witness witness = Witness::Warming;  ///< of its series; the watch, while believed, is sound
  bool frozen = false;
  std::string text;  ///< why it is no sound witness; stable while nothing changes
  model::DurationMs interval = 15'000;
  bool judge_all = true;  ///< the witness changed, or what is desired
  std::string read_error;
  bool following = false;    ///< changes are told, the head is read now and then only
  bool told_silent = false;  ///< the timeline says that it is silent
  bool told = false;         ///< changes were told since the last evaluation
  int unquiet_rounds = 0;    ///< evaluations since then in which more came
  std::deque<model::TimestampMs> transitions;  ///< between silent and alive, of the last 15 minutes
  std::unordered_map<WorkloadKey, Workload, WorkloadKeyHash> workloads;
  std::unordered_set<WorkloadKey, WorkloadKeyHash> pending;  ///< changed evidence, not judged yet

  /// True if the watch speaks of this workload: it follows Deployments.
  bool follows(const WorkloadKey& key) const { return by_watch && key.kind == Kind::Deployment; }
  /// Sets what the cluster's series are worth; a change wants every workload judged again.
  void find(Witness found, std::string why, bool is_frozen = false);
  void enter(ClusterState entered, model::TimestampMs now);
};

}  // namespace aerie::clusters
