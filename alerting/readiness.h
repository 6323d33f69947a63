#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "model/time.h"
#include "store/arrivals.h"

namespace aerie::alerting {

/// Says whether the absence of a sample means anything: not while its cluster is silent, catches up
/// with a backlog, or has just come back and has not yet sent every series. Thread-safe.
/// docs/decisions/0070-hold-alerts-of-silent-clusters.md.
class ClusterReadiness {
 public:
  explicit ClusterReadiness(const store::Arrivals& arrivals) : arrivals_(arrivals) {}

  /// Whether the cluster's data can be trusted to be complete at `t` (about now). An empty name
  /// stands for an alert without a `cluster` label: then any one ready cluster suffices. Clusters
  /// that never sent anything are ready: nothing is known of them.
  bool ready(std::string_view cluster, model::TimestampMs t);

 private:
  bool ready(const store::ClusterArrival& arrival, model::TimestampMs t);

  const store::Arrivals& arrivals_;
  /// When a cluster that was not ready may be trusted again.
  Guarded<std::map<std::string, model::TimestampMs, std::less<>>> ready_from_;
};

}  // namespace aerie::alerting
