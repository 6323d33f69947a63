#pragma once

#include <string>
#include <vector>

#include "clusters/fleet.h"
#include "clusters/timeline.h"

// The bodies of the answers under /api/v1, without the envelope (clusters/README.md). Pure.

namespace aerie::clusters {

std::string clusters_json(const FleetSnapshot& fleet);
std::string cluster_json(const ClusterRow& row);

/// What `GET /api/v1/deployments` selects; empty: any. `phases`, `clusters` and `kinds` may list
/// several. `reason` matches the whole reason or the part before its slash.
struct DeploymentFilter {
  std::vector<std::string> phases;
  std::vector<std::string> clusters;
  std::vector<std::string> kinds;
  std::string reason;
  std::string space;
  std::string name;
  std::string environment;
  std::string zone;
  std::vector<std::string> words;  ///< all must occur in the row, `!word` must not; any case
  bool selects(const DeploymentRow& row) const;
};

enum class Order : uint8_t { WorstFirst, Name, Since };
struct Page {
  size_t limit = 0;  ///< 0: all
  size_t offset = 0;
  Order order = Order::WorstFirst;
};
std::string deployments_json(const FleetSnapshot& fleet, const DeploymentFilter& filter,
                             const Page& page);

/// Sums per zone, environment, cluster, namespace or workload of what the filter selects, worst
/// first. `by` is one of these words.
std::string groups_json(const FleetSnapshot& fleet, const DeploymentFilter& filter,
                        const std::string& by, const Page& page);

std::string federated_json(const FleetSnapshot& fleet, const FederatedRow& row);
std::string events_json(const std::vector<EntryPtr>& entries);
/// One event; `{"number":…,"at":…,…}`.
std::string event_json(const TimelineEntry& entry);

struct PodFilter {
  std::vector<std::string> clusters;
  std::string space;
  std::string owner;  ///< the workload's name
  std::string owner_kind;
  std::string node;
  std::string reason;
  std::string name;  ///< of the pod, a part of it
};
std::string pods_json(const FleetSnapshot& fleet, const PodFilter& filter, const Page& page);

/// One row of the listing, for the stream of changes.
std::string row_json(const FleetSnapshot& fleet, const DeploymentRow& row);

}  // namespace aerie::clusters
