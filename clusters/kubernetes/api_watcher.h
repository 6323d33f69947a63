#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "clusters/watched_cluster.h"
#include "http/stream_client.h"

namespace aerie::clusters::kubernetes {

/// A cluster whose API server is watched. A user that may list and watch is enough.
struct WatchedApi {
  std::string cluster;
  std::string environment;
  std::string zone;
  std::string
      kubeconfig;       ///< file; read again every half minute, so that credentials can be rotated
  std::string context;  ///< empty: the current one
  bool operator==(const WatchedApi&) const = default;
};

/// Path 2: follows Deployments, ReplicaSets, Pods, Nodes, quotas, namespaces and warning events of
/// every cluster by list and watch, on one thread and, where the server speaks HTTP/2, one
/// connection a cluster. Never asks for anything but GET. clusters() is thread-safe.
class ApiWatcher {
 public:
  /// Reads the kubeconfigs. Errors: those of load_kubeconfig(). `clock` and `metrics` outlive it.
  static Result<std::unique_ptr<ApiWatcher>> open(std::vector<WatchedApi> clusters,
                                                  const Clock& clock, MetricRegistry& metrics);
  ~ApiWatcher();  ///< stop()

  void start();
  /// Ends all requests within milliseconds. Idempotent.
  void stop();

  /// Every cluster, for the evaluator. What was seen stays readable after stop(), and grows old.
  std::vector<std::shared_ptr<WatchedCluster>> clusters() const;

 private:
  class Cluster;
  ApiWatcher(const Clock& clock);
  void run();

  const Clock& clock_;
  http::StreamClient client_;                       // owned by thread_ while it runs
  std::vector<std::shared_ptr<Cluster>> clusters_;  // constant after open()
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace aerie::clusters::kubernetes
