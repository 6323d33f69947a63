#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "clusters/cluster_book.h"
#include "clusters/desired.h"
#include "clusters/evidence.h"
#include "clusters/fleet.h"
#include "clusters/timeline.h"
#include "clusters/verdict.h"
#include "clusters/watched_cluster.h"
#include "model/sample_source.h"
#include "store/arrivals.h"
#include "store/keyed_table.h"
#include "store/tap.h"

namespace aerie::clusters {

/// What the tap is asked to listen to.
store::Tap::Interest interest_in(std::string_view metric_name);

/// What the store's tap has heard since the last call; empty function: the head is read at every
/// scrape instead.
using TappedChanges = std::function<store::Tap::Events()>;

/// Takes in the evidence of every cluster, judges the workloads of which anything changed or for
/// which a timer runs, and keeps what the next evaluation needs. Cost follows change: a workload at
/// rest costs nothing. Not thread-safe: one evaluation at a time.
class Evaluator {
 public:
  /// `table` may be null: then a restart forgets since when and what was completed. `started_at`:
  /// our clock, from when on we could have heard of a cluster. `source` outlives the evaluator.
  Evaluator(const model::SampleSource& source, std::shared_ptr<store::KeyedTable> table,
            model::TimestampMs started_at, WatchedClusters watched = {}, TappedChanges tapped = {});

  /// Reads what earlier processes kept. Errors: those of the table; the evaluator works without,
  /// and has forgotten.
  Status restore();
  /// One evaluation. A cluster whose evidence cannot be read is judged as partial; its reason
  /// stands in its note.
  FleetSnapshot evaluate(const std::vector<store::ClusterArrival>& arrivals,
                         const DesiredFile& desired, model::TimestampMs now);
  /// What has happened since the last call, in order of discovery.
  std::vector<TimelineEntry> take_events() { return std::exchange(events_, {}); }
  /// Writes what changed since the last time to the table. Errors: those of the table; the next
  /// call tries again.
  Status persist();
  /// Judgements made so far, for metrics.
  uint64_t judged() const { return judged_; }

 private:
  struct Round;  // what is the same for all of one evaluation
  ClusterBook& book(const std::string& cluster);
  void take_changes();
  void tell_silence(ClusterBook& book, model::TimestampMs now);
  void take_told(ClusterBook& book, model::DurationMs bound);
  void hear(ClusterBook& book, const store::ClusterArrival& arrival, model::TimestampMs now);
  void take_evidence(ClusterBook& book, const store::ClusterArrival& arrival,
                     model::TimestampMs now);
  void weigh(ClusterBook& book, const store::ClusterArrival& arrival, model::TimestampMs now);
  void look_at_watch(ClusterBook& book, model::TimestampMs now);
  void hear_of_watch_alone(ClusterBook& book, model::TimestampMs now);
  void judge_cluster(ClusterBook& book, const Round& round);
  void judge_workload(ClusterBook& book, const WorkloadKey& key, const Round& round);
  Case make_case(const ClusterBook& book, const WorkloadKey& key, const Round& round,
                 const DeploymentEvidence* observed) const;
  bool forget(ClusterBook& book, const Case& matter, const WorkloadKey& key);
  void keep_row(ClusterBook& book, const WorkloadKey& key, DeploymentRow row);
  FleetSnapshot publish(model::TimestampMs now);

  const model::SampleSource& source_;
  const std::shared_ptr<store::KeyedTable> table_;
  const model::TimestampMs started_at_;
  const WatchedClusters watched_;
  const TappedChanges tapped_;
  std::map<std::string, std::unique_ptr<ClusterBook>> books_;
  std::vector<TimelineEntry> events_;
  std::vector<RowPtr> sorted_;  // as last published
  bool rows_changed_ = true;
  model::TimestampMs desired_as_of_ = 0;
  uint64_t version_;
  uint64_t last_removal_;
  uint64_t judged_ = 0;
  // Rows of the table as last written.
  std::map<std::string, std::string> persisted_clusters_;
  std::unordered_map<std::string, std::string> persisted_;
  std::unordered_set<WorkloadKey, WorkloadKeyHash> unsaved_;  // changed since the last persist()
};

}  // namespace aerie::clusters
