#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "clusters/evidence.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/sample_source.h"
#include "model/time.h"
#include "store/arrivals.h"

namespace aerie::clusters {

/// The newest sample of one series: what assemble() needs of it, wherever it was read. `labels` is
/// borrowed.
struct LatestSample {
  const model::Labels* labels = nullptr;
  model::TimestampMs t = 0;
  double value = 0;     ///< a stale marker says that the series has ended
  double increase = 0;  ///< over ten minutes, for counters of restarts; else 0
};

/// Series that assemble() understands, as one matcher on the metric's name (kube-state-metrics 1.9
/// and 2.x, and `up`).
model::Matcher evidence_names();
bool is_restart_counter(std::string_view metric_name);

/// How old a sample may be, against the newest one of its cluster, to be the state of now: max(2.5
/// intervals, 60 s). Scrapes come in pieces and a single series may lag behind; one that ends says
/// so by a stale marker.
model::DurationMs evidence_bound(model::DurationMs scrape_interval);

/// Builds the records of one cluster from the newest samples of its series. Samples older than
/// `bound` against the newest of them are ignored, ended series are absent, and where two series
/// speak of the same thing the newer sample holds. Pure. `exported_*` labels, which Prometheus
/// makes of a target's own labels without honor_labels, are preferred.
ClusterEvidence assemble(std::string cluster, const std::vector<LatestSample>& samples,
                         model::DurationMs bound);

/// Reads the newest samples of one cluster and assembles them. Cost: all kube-state-metrics series
/// of the cluster. Errors: those of the source.
Result<ClusterEvidence> read_evidence(const model::SampleSource& source,
                                      const store::ClusterArrival& arrival);

/// Matches the series of a cluster: `cluster="x"`, or no such label for those booked as unlabelled.
model::Matcher cluster_matcher(std::string_view cluster);

}  // namespace aerie::clusters
