#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "clusters/fleet.h"
#include "model/labels.h"
#include "model/sample_source.h"
#include "store/store.h"

namespace aerie::clusters {

/// The verdicts as series, so that rules and dashboards reach them through PromQL:
/// clusters/README.md lists them. Only what holds is written; what has ceased gets a stale marker.
/// Written for silent clusters too, else alerts on them would end with them; not for a cluster of
/// which we have not heard since our start, whose verdicts of before then stand. Not thread-safe.
class OwnSeries {
 public:
  using Sample = store::Store::OwnSample;

  /// Finds the series that an earlier process left without an end. Errors: those of the source.
  Status restore(const model::SampleSource& source, model::TimestampMs now);
  /// Samples and stale markers of this evaluation, all at its time.
  std::vector<Sample> samples(const FleetSnapshot& fleet) const;
  /// Call when these samples were written: what of them is no stale marker now stands.
  void written(const std::vector<Sample>& samples);

 private:
  std::map<std::string, std::set<model::Labels>> standing_;  // by cluster
};

}  // namespace aerie::clusters
