#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "clusters/fleet.h"
#include "clusters/timeline.h"
#include "model/labels.h"
#include "model/sample_source.h"
#include "store/store.h"

namespace aerie::clusters {

/// The verdicts as series, so that rules and dashboards reach them through PromQL:
/// clusters/README.md lists them. What changed is written at once, everything every 30 s. Only what
/// holds is written; what has ceased gets a stale marker. Written for silent clusters too, else
/// alerts on them would end with them; not for a cluster of which we have not heard since our
/// start, whose verdicts of before then stand. Not thread-safe.
class OwnSeries {
 public:
  using Sample = store::Store::OwnSample;
  static constexpr model::DurationMs kRefresh = 30'000;

  /// Finds the series that an earlier process left without an end. Errors: those of the source.
  Status restore(const model::SampleSource& source, model::TimestampMs now);
  /// Counts the durations of completed rollouts.
  void note(const std::vector<TimelineEntry>& events);
  /// Samples and stale markers of this evaluation, all at its time.
  std::vector<Sample> samples(const FleetSnapshot& fleet);
  /// Call when these samples were written: what of them is no stale marker now stands. Without the
  /// call the next samples() gives everything again.
  void written(const std::vector<Sample>& samples);

 private:
  /// Whom series belong to: cluster, namespace, name, kind; of a federated one the cluster is
  /// empty, of a cluster the name.
  using Owner = std::tuple<std::string, std::string, std::string, std::string>;
  static constexpr size_t kBuckets = 10;
  struct Durations {
    std::array<uint64_t, kBuckets> counts{};  // the last one is beyond all bounds
    double sum = 0;
  };
  struct Pass;  // one samples()
  static Owner owner_of(const model::Labels& labels);
  void end_the_rest(const Owner& owner, size_t begin, Pass& pass) const;
  void pass_clusters(Pass& pass) const;
  void pass_workloads(Pass& pass) const;
  void pass_federated(Pass& pass) const;
  void pass_durations(Pass& pass) const;

  std::map<Owner, std::set<model::Labels>> standing_;
  std::map<std::string, Durations> durations_;  // by cluster
  std::map<std::string, ClusterState> states_;  // of clusters, as last written
  std::map<std::string, ClusterState> pending_states_;
  uint64_t written_version_ = 0;
  uint64_t pending_version_ = 0;
  model::TimestampMs refreshed_at_ = 0;
  model::TimestampMs pending_refresh_ = 0;
};

}  // namespace aerie::clusters
