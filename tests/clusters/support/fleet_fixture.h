#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/work_pool.h"
#include "clusters/cluster_view.h"
#include "tests/clusters/support/memory_source.h"

namespace aerie::clusters::testing {

/// A fleet of clusters that scrape every 15 s, a clock that we move, and a view over them.
class FleetFixture {
 public:
  FleetFixture();
  ~FleetFixture();

  /// A healthy Deployment of `replicas`; it is part of every later scrape of the cluster.
  void deploy(const std::string& cluster, const std::string& space, const std::string& name,
              int replicas);
  /// nginx in gondor and shire and dns in shire; for a minute one of shire's two nginx has not been
  /// available.
  void deploy_small_fleet();
  /// Changes one series of a Deployment, by the end of its name: "status_replicas_available".
  void set(const std::string& cluster, const std::string& name, const std::string& field,
           double value);
  void remove(const std::string& cluster, const std::string& name);
  /// kube-state-metrics answers no more: its series end, `up` is 0.
  void kill_kube_state(const std::string& cluster) { down_.insert(cluster); }
  void silence(const std::string& cluster) { silent_.insert(cluster); }
  void unsilence(const std::string& cluster) { silent_.erase(cluster); }
  /// Time goes on; scrapes arrive every 15 s, evaluations happen every 5 s.
  void run(int seconds);
  /// A new process on the same data: nothing has arrived since.
  void restart(ClusterViewOptions options = {});

  const DeploymentRow* row(const std::string& cluster, const std::string& space,
                           const std::string& name) const;
  std::string phase(const std::string& cluster, const std::string& space,
                    const std::string& name) const;
  std::shared_ptr<const FleetSnapshot> fleet() const { return view->snapshot(); }
  /// Value of the own series, "stale", or "none".
  std::string own(const model::Labels& labels) const;

  ManualClock clock{1'700'000'000'000};
  MemorySource source;
  std::shared_ptr<MemoryTable> table = std::make_shared<MemoryTable>();
  std::unique_ptr<ClusterView> view;
  std::filesystem::path folder;
  bool write_fails = false;
  std::vector<std::shared_ptr<WatchedCluster>> watched;  ///< by list and watch; before restart()
  TappedChanges tapped;  ///< before restart(); empty: scrapes are read

 private:
  struct Series {
    model::Labels labels;
    double value = 0;
  };
  struct Arrived {
    int64_t last_ms = 0;
    int64_t watermark = 0;
  };
  void scrape(const std::string& cluster);
  std::vector<store::ClusterArrival> arrivals() const;
  Status write_own(const std::vector<store::Store::OwnSample>& samples);

  MetricRegistry metrics_;
  WorkPool pool_{WorkPool::Options{"background", 1, 16, 0}};
  std::map<std::string, std::map<std::string, std::vector<Series>>>
      clusters_;  // cluster, Deployment
  std::map<std::string, Arrived> arrived_;
  std::set<std::string> silent_;
  std::set<std::string> down_;
};

}  // namespace aerie::clusters::testing
