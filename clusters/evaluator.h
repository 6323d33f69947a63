#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "clusters/desired.h"
#include "clusters/evidence.h"
#include "clusters/fleet.h"
#include "clusters/verdict.h"
#include "model/sample_source.h"
#include "store/arrivals.h"
#include "store/keyed_table.h"

namespace aerie::clusters {

/// Reads the evidence of every cluster, judges every Deployment and keeps what the next evaluation
/// needs: memory of each workload, identity of each cluster. Not thread-safe: one evaluation at a
/// time.
class Evaluator {
 public:
  /// `table` may be null: then a restart forgets since when and what was completed. `started_at`:
  /// our clock, from when on we could have heard of a cluster. `source` outlives the evaluator.
  Evaluator(const model::SampleSource& source, std::shared_ptr<store::KeyedTable> table,
            model::TimestampMs started_at);

  /// Reads what earlier processes kept. Errors: those of the table; the evaluator works without,
  /// and has forgotten.
  Status restore();
  /// One evaluation of everything. A cluster whose evidence cannot be read is judged as partial;
  /// its reason stands in its note.
  FleetSnapshot evaluate(const std::vector<store::ClusterArrival>& arrivals,
                         const DesiredFile& desired, model::TimestampMs now);
  /// Writes what changed since the last time to the table. Errors: those of the table; the next
  /// call tries again.
  Status persist();

 private:
  struct ClusterMemory {
    std::string environment;
    std::string zone;
    std::set<Target> targets;  ///< of its kube-state-metrics, when last sound
    std::string encode() const;
    static ClusterMemory decode(const std::string& text);
  };
  struct Testimony {  // of one cluster, for one evaluation
    ClusterRow row;
    ClusterEvidence evidence;
    Witness witness = Witness::Warming;
    std::string text;
    model::DurationMs interval = 15'000;
  };
  using Peers =
      std::map<std::pair<std::string, std::string>, std::set<std::string>>;  // ns, name -> clusters

  Testimony hear(const store::ClusterArrival& arrival, model::TimestampMs now);
  void weigh(Testimony& testimony, const store::ClusterArrival& arrival, model::TimestampMs now);
  void identify(Testimony& testimony);
  std::map<std::string, Peers> peers_by_environment(
      const std::vector<Testimony>& testimonies) const;
  void judge_cluster(Testimony& testimony, std::set<WorkloadKey> remembered, const Peers& peers,
                     const DesiredFile& desired, model::TimestampMs now, FleetSnapshot& fleet);
  bool forget(const Case& matter, const WorkloadKey& key);
  DeploymentRow make_row(const Testimony& testimony, const Case& matter, const WorkloadKey& key,
                         Judgement judgement);

  const model::SampleSource& source_;
  const std::shared_ptr<store::KeyedTable> table_;
  const model::TimestampMs started_at_;
  std::map<WorkloadKey, Memory> workloads_;
  std::map<std::string, ClusterMemory> clusters_;
  std::map<std::string, std::string> persisted_;  // rows of the table as last written
};

}  // namespace aerie::clusters
