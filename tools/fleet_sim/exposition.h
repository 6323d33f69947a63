#pragma once

#include <string>

#include "tools/fleet_sim/cluster_state.h"

namespace aerie::fleet_sim {

/// The cluster as kube-state-metrics 2.x would expose it (Prometheus text format 0.0.4): names,
/// labels and the presence of series (a waiting reason only while it holds, no Ready series for an
/// unbound pod) as there.
std::string expose(const ClusterState& state, TimestampMs now);

}  // namespace aerie::fleet_sim
