#pragma once

#include <string>
#include <vector>

#include "model/time.h"
#include "query/ast.h"
#include "store/arrivals.h"

namespace aerie::query {

/// How far the data of one cluster reaches that a query selects.
struct ClusterCompleteness {
  std::string cluster;
  model::TimestampMs watermark = 0;  ///< newest sample
  model::DurationMs behind = 0;      ///< from there to the end of what the query looks at, >= 0
  bool late = false;                 ///< samples that should be there are missing
};

/// When the query is asked and what it looks at.
struct CompletenessRequest {
  model::TimestampMs start = 0;
  model::TimestampMs end = 0;
  model::TimestampMs now = 0;
};

/// The clusters that some selector of `expr` takes, by its matchers on `cluster`, sorted by name.
/// One is late if its newest sample lies further before the end of what the query looks at (or
/// before now) than one and a half of its scrape intervals and its usual delay, at most two
/// intervals. Series that aerie writes itself (`aerie_…`, `ALERTS…`) say nothing about clusters.
std::vector<ClusterCompleteness> completeness_of(const Expr& expr,
                                                 const CompletenessRequest& request,
                                                 const std::vector<store::ClusterArrival>& known);

/// `cluster "rohan" has no samples after 2023-11-14T22:13:20Z, 2m30s before the end of the query`.
std::string describe_late(const ClusterCompleteness& cluster);

/// `{"complete":false,"clusters":4,"late":[{"cluster":…,"watermark":…,"lagSeconds":…}]}`; with
/// `all`, every cluster is listed under `watermarks`.
void append_completeness(std::string& out, const std::vector<ClusterCompleteness>& clusters,
                         bool list_all);

}  // namespace aerie::query
