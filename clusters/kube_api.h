#pragma once

#include "base/work_pool.h"
#include "clusters/cluster_view.h"
#include "http/router.h"

namespace aerie::clusters {

/// Registers the Kubernetes API group status.aerie.io/v1alpha1 (clusters/README.md): discovery,
/// get, list and watch, as objects and as tables, so that kubectl works; under /apis, and for one
/// cluster under /clusters/{cluster}/apis, /apis/clusters/{cluster} and /kapis/clusters/{cluster}.
/// Read-only. `view` and `pool` outlive the router.
void register_kube_routes(http::Router& router, WorkPool& pool, ClusterView& view);

}  // namespace aerie::clusters
