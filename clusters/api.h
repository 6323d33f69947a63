#pragma once

#include "base/work_pool.h"
#include "clusters/cluster_view.h"
#include "http/router.h"

namespace aerie::clusters {

/// Registers the API under /api/v1/clusters, /api/v1/deployments, /api/v1/pods and /api/v1/events
/// (clusters/README.md). `view` and `pool` outlive the router.
void register_routes(http::Router& router, WorkPool& pool, ClusterView& view);

}  // namespace aerie::clusters
