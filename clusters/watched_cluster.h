#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clusters/evidence.h"
#include "clusters/workload.h"
#include "model/time.h"

namespace aerie::clusters {

/// One cluster as list and watch of its API server see it, asked workload by workload so that
/// nobody has to hold all of its pods in their long form. Thread-safe. Implemented by
/// kubernetes/api_watcher.cc and by tests.
class WatchedCluster {
 public:
  struct Standing {
    /// Our clock: when its API server last answered while everything that verdicts need was being
    /// watched. 0: never yet.
    model::TimestampMs seen_at = 0;
    std::string environment;
    std::string zone;
  };
  virtual ~WatchedCluster() = default;
  virtual const std::string& name() const = 0;
  virtual Standing standing() const = 0;
  virtual std::vector<WorkloadKey> workloads() const = 0;
  /// Workloads whose evidence may have changed since the last call, those that are gone among them.
  virtual std::vector<WorkloadKey> take_changed() = 0;
  /// Empty: there is no such workload. All facts bear the time `now` of our clock.
  virtual std::optional<DeploymentEvidence> evidence(const WorkloadKey& key,
                                                     model::TimestampMs now) const = 0;
  /// True if the namespaces are known and this is none of them.
  virtual bool lacks_namespace(const std::string& space) const = 0;
};

/// Every cluster that is watched, also one that was not seen yet. Thread-safe.
using WatchedClusters = std::function<std::vector<std::shared_ptr<WatchedCluster>>()>;

}  // namespace aerie::clusters
