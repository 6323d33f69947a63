#include "clusters/fleet.h"

#include <algorithm>

namespace aerie::clusters {

std::string_view cluster_state_name(ClusterState state) {
  switch (state) {
    case ClusterState::Fresh: return "fresh";
    case ClusterState::Lagging: return "lagging";
    case ClusterState::Silent: return "silent";
    case ClusterState::Warming: return "warming";
  }
  return "silent";
}

const ClusterRow* FleetSnapshot::find_cluster(std::string_view name) const {
  const auto found = std::find_if(clusters.begin(), clusters.end(),
                                  [&](const ClusterRow& row) { return row.cluster == name; });
  return found == clusters.end() ? nullptr : &*found;
}

std::optional<FederatedRow> roll_up(const FleetSnapshot& fleet, std::string_view space,
                                    std::string_view name) {
  FederatedRow sum;
  sum.space = space;
  sum.name = name;
  const DeploymentRow* worst = nullptr;
  for (const auto& row : fleet.deployments) {
    if (row.key.space != space || row.key.name != name) continue;
    sum.clusters.push_back(&row);
    const int64_t desired = row.desired.value_or(0);
    sum.desired += desired;
    if (row.verdict.phase == Phase::Unknown) sum.unknown += desired;
    // More ready than desired (a surge) must not hide what is short elsewhere.
    if (row.verdict.phase != Phase::Unknown) sum.ready += std::min(desired, row.ready.value_or(0));
    if (!worst || row.verdict.phase < worst->verdict.phase) worst = &row;
  }
  if (!worst) return std::nullopt;
  sum.phase = worst->verdict.phase;
  if (!worst->verdict.reason.empty()) sum.reason = worst->verdict.reason + "@" + worst->key.cluster;
  std::sort(sum.clusters.begin(), sum.clusters.end(),
            [](const DeploymentRow* a, const DeploymentRow* b) {
              return a->key.cluster < b->key.cluster;
            });
  return sum;
}

}  // namespace aerie::clusters
