#pragma once

#include "base/result.h"
#include "clusters/kube_state.h"
#include "model/matcher.h"
#include "model/sample_source.h"
#include "model/time.h"
#include "store/arrivals.h"

namespace aerie::clusters {

/// How old a sample may be, against the newest one of its cluster, to be the state of now: max(2.5
/// intervals, 60 s). Scrapes come in pieces and a single series may lag behind; one that ends says
/// so by a stale marker.
model::DurationMs evidence_bound(model::DurationMs scrape_interval);

/// Reads the newest samples of one cluster into `state`. Cost: all kube-state-metrics series of the
/// cluster. Errors: those of the source; then part of it may have been taken.
Status read_evidence(const model::SampleSource& source, const store::ClusterArrival& arrival,
                     KubeState& state);

/// Matches the series of a cluster: `cluster="x"`, or no such label for those booked as unlabelled.
model::Matcher cluster_matcher(std::string_view cluster);

}  // namespace aerie::clusters
