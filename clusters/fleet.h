#pragma once

#include <array>
#include <cstdint>
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
  Warming   ///< we have just started and have not heard of it yet
};
std::string_view cluster_state_name(ClusterState state);

struct ClusterRow {
  std::string cluster;
  std::string environment;
  std::string zone;
  ClusterState state = ClusterState::Warming;
  std::string note;               ///< what is wrong with its evidence; empty: nothing
  model::DurationMs silence = 0;  ///< since the last arrival
  model::DurationMs lag = 0;      ///< arrival minus sample time
  model::TimestampMs watermark = model::kMinTimestamp;
  std::array<int64_t, kPhases> deployments{};  ///< by phase
};

/// One Deployment in one cluster. Numbers of an Unknown one are empty: the last known ones are no
/// answer.
struct DeploymentRow {
  WorkloadKey key;
  std::string environment;
  std::string zone;
  Verdict verdict;
  std::optional<int64_t> desired;  ///< from the desired state, else from the Deployment's own spec
                                   ///< (kept while Unknown)
  std::optional<int64_t> updated;
  std::optional<int64_t> ready;
  std::optional<int64_t> available;
  std::optional<model::DurationMs> evidence_age;
  std::string desired_source;
};

/// One evaluation of everything. Immutable once published.
struct FleetSnapshot {
  model::TimestampMs evaluated_at = 0;     ///< 0: nothing was evaluated yet
  std::vector<ClusterRow> clusters;        ///< by name
  std::vector<DeploymentRow> deployments;  ///< worst first, then by namespace, name, cluster

  const ClusterRow* find_cluster(std::string_view name) const;
};

/// The same Deployment over all clusters that have it, or should.
struct FederatedRow {
  std::string space;
  std::string name;
  Phase phase = Phase::Idle;  ///< the worst
  std::string reason;         ///< "FailedCreate/Quota@shire"; empty when all is well
  int64_t desired = 0;
  int64_t ready = 0;                           ///< over clusters that can be believed
  int64_t unknown = 0;                         ///< asked for in clusters that cannot
  std::vector<const DeploymentRow*> clusters;  ///< of the snapshot, by cluster; borrowed
};

/// Empty when no cluster has it. Invariant: desired = ready + not ready + unknown, with not ready
/// >= 0.
std::optional<FederatedRow> roll_up(const FleetSnapshot& fleet, std::string_view space,
                                    std::string_view name);

}  // namespace aerie::clusters
