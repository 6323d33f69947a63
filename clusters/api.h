#pragma once

#include "base/work_pool.h"
#include "clusters/cluster_view.h"
#include "http/router.h"

namespace aerie::clusters {

/// Registers the read API under /api/v1/clusters and /api/v1/deployments (clusters/README.md).
/// `view` and `pool` outlive the router.
void register_routes(http::Router& router, WorkPool& pool, const ClusterView& view);

/// The bodies of the answers, for tests and for who wants them without HTTP. JSON values without
/// the envelope.
std::string clusters_json(const FleetSnapshot& fleet);
std::string cluster_json(const ClusterRow& row);

/// What `GET /api/v1/deployments?phase=&reason=&cluster=&namespace=&name=` selects; empty: any.
/// `reason` matches the whole reason or the part before its slash.
struct DeploymentFilter {
  std::string phase;
  std::string reason;
  std::string cluster;
  std::string space;
  std::string name;
};
std::string deployments_json(const FleetSnapshot& fleet, const DeploymentFilter& filter);
std::string federated_json(const FederatedRow& row);

}  // namespace aerie::clusters
