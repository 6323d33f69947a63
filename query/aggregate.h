#pragma once

#include "query/label_projection.h"
#include "query/planner.h"

namespace aerie::query {

/// `sum by (…) (…)` and its kin. sum, avg, min, max, count, group, stddev and stdvar fold one
/// series at a time into their group's columns; the others need the samples of a group side by side
/// and read their input while planning.
Result<StreamPtr> plan_aggregate(const Aggregate& aggregate, PositionRange position,
                                 const Steps& steps, Planner& planner);

/// The group of every series: an id each, and what the group is called.
struct Grouping {
  std::vector<uint32_t> group_of;  ///< by series
  std::vector<SeriesInfo> groups;  ///< a group drops its name if one of its series does
};
Grouping group_series(const std::vector<SeriesInfo>& series, const Aggregate& aggregate,
                      bool delayed_name_removal);

/// What ranks or samples the series of a group.
Result<StreamPtr> plan_ranking(const Aggregate& aggregate, PositionRange position, StreamPtr input,
                               const Steps& steps, Planner& planner);
Result<StreamPtr> plan_quantile(const Aggregate& aggregate, StreamPtr input, const Steps& steps,
                                Planner& planner);
Result<StreamPtr> plan_count_values(const Aggregate& aggregate, StreamPtr input, const Steps& steps,
                                    Planner& planner);

}  // namespace aerie::query
