#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

namespace aerie::cli {

/// What `describe deployment` prints of the answers to /api/v1/deployments/{ns}/{name} and its
/// timeline. `now`: Unix seconds, for ages. Pure.
std::string describe_workload(const boost::json::value& workload,
                              const boost::json::value& timeline, double now);

/// What `rollout status` makes of one answer. Pure.
struct RolloutProgress {
  std::string line;              ///< one sentence for the operator
  std::optional<int> exit_code;  ///< 0 complete everywhere, 1 broken; empty: go on waiting
};
/// `clusters`: only these count; empty: all. A cluster that is asked for and not among the answer's
/// counts as unknown.
RolloutProgress rollout_progress(const boost::json::value& workload,
                                 const std::vector<std::string>& clusters);

}  // namespace aerie::cli
