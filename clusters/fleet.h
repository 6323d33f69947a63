#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clusters/verdict.h"
#include "clusters/workload.h"
#include "model/time.h"

namespace aerie::clusters {

enum class ClusterState : uint8_t {
  Fresh,
  Lagging,  ///< its samples arrive, but late
  Silent,   ///< nothing arrives, or only what is long past
  Warming,  ///< we have just started and have not heard of it yet
  Never     ///< named by the desired state, and has never written anything
};
std::string_view cluster_state_name(ClusterState state);

struct ClusterRow {
  std::string cluster;
  std::string environment;
  std::string zone;
  ClusterState state = ClusterState::Warming;
  std::string note;                  ///< what is wrong with its evidence; empty: nothing
  model::DurationMs silence = 0;     ///< since the last arrival
  model::DurationMs lag = 0;         ///< arrival minus sample time
  model::DurationMs clock_skew = 0;  ///< > 0: its clock is ahead of ours
  model::TimestampMs watermark = model::kMinTimestamp;
  model::TimestampMs evidence_at = model::kMinTimestamp;  ///< newest kube-state-metrics sample
  uint64_t transitions = 0;                          ///< between silent and alive, since our start
  bool flapping = false;                             ///< three or more of them in 15 minutes
  std::map<std::string, uint64_t> node_transitions;  ///< between ready and not, by node
  std::array<int64_t, kPhases> deployments{};        ///< by phase
  uint64_t version = 0;  ///< of its last change, as DeploymentRow::version
};

/// One pod, as the pages and the search show it.
struct PodRow {
  std::string name;
  std::string node;
  std::string phase;
  std::string reason;   ///< what holds it back; empty: nothing
  std::string message;  ///< Kubernetes' own words, where they are known
  bool ready = false;
  bool newest = true;  ///< of the newest template, as far as can be told
  double restarts_10m = 0;
};

/// One workload in one cluster. Immutable. Numbers of an Unknown one are empty: the last known ones
/// are no answer.
struct DeploymentRow {
  WorkloadKey key;
  std::string environment;
  std::string zone;
  Verdict verdict;
  std::optional<int64_t> desired;  ///< from the desired state, else from its own spec (kept while
                                   ///< Unknown)
  std::optional<int64_t> spec;
  std::optional<int64_t> created;
  std::optional<int64_t> updated;
  std::optional<int64_t> ready;
  std::optional<int64_t> available;
  std::optional<int64_t> generation;
  std::optional<model::TimestampMs> evidence_at;  ///< its oldest required sample
  bool settled = false;        ///< nothing of it changes: the cluster's evidence_at is its own
  std::string desired_source;  ///< empty: nobody but its own spec
  bool autoscaled = false;
  std::string template_id;  ///< of the newest ReplicaSet's name; empty: not known
  std::vector<std::string> images;
  std::vector<PodRow> pods;
  std::optional<model::TimestampMs> rollout_began;
  std::optional<model::TimestampMs> last_complete;
  std::optional<Phase> last_known;  ///< of an Unknown one
  std::string last_known_reason;
  uint64_t version = 0;  ///< grows with every visible change; one counter for the whole fleet
};
using RowPtr = std::shared_ptr<const DeploymentRow>;

/// One evaluation of everything. Immutable once published.
struct FleetSnapshot {
  model::TimestampMs evaluated_at = 0;  ///< 0: nothing was evaluated yet
  uint64_t version = 0;                 ///< of its newest row; grows over restarts too
  uint64_t last_removal = 0;            ///< the version at which a workload last left
  std::vector<ClusterRow> clusters;     ///< by name
  std::vector<RowPtr> deployments;      ///< worst first, then by namespace, name, cluster

  const ClusterRow* find_cluster(std::string_view name) const;  ///< O(log clusters)
  /// Age of what the row's verdict rests on; empty: it rests on nothing.
  std::optional<model::DurationMs> evidence_age(const DeploymentRow& row) const;
};

/// Where one cluster differs from most others that run the same workload.
struct Drift {
  std::string cluster;
  std::string field;  ///< image, replicas, template
  std::string own;
  std::string most;
};

/// The same workload over all clusters that have it, or should.
struct FederatedRow {
  std::string space;
  std::string name;
  Kind kind = Kind::Deployment;
  Phase phase = Phase::Idle;  ///< the worst
  std::string reason;         ///< "FailedCreate/Quota@shire"; empty when all is well
  int64_t desired = 0;
  int64_t ready = 0;             ///< over clusters that can be believed
  int64_t unknown = 0;           ///< asked for in clusters that cannot
  int64_t created = 0;           ///< over clusters that can be believed
  std::vector<RowPtr> clusters;  ///< by cluster
  std::vector<Drift> drift;
  model::TimestampMs since = 0;  ///< of the worst
  uint64_t version = 0;

  size_t healthy() const;  ///< clusters that are Complete or Idle
};

/// Empty when no cluster has it. Invariant: desired = ready + not ready + unknown, with not ready
/// >= 0.
std::optional<FederatedRow> roll_up(const FleetSnapshot& fleet, std::string_view space,
                                    std::string_view name, Kind kind = Kind::Deployment);

/// All of them, worst first.
std::vector<FederatedRow> roll_up_all(const FleetSnapshot& fleet);

}  // namespace aerie::clusters
