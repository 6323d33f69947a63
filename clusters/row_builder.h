#pragma once

#include "clusters/fleet.h"
#include "clusters/verdict.h"

namespace aerie::clusters {

/// What readers see of one judgement. `version` is left at 0.
DeploymentRow make_row(const ClusterRow& cluster, const Case& matter, const WorkloadKey& key,
                       Judgement judgement);

/// True if nobody who looks at the two could tell that anything happened: all but times of
/// evidence.
bool same_to_readers(const DeploymentRow& a, const DeploymentRow& b);

}  // namespace aerie::clusters
