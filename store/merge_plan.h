#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "model/time.h"
#include "store/partition_set.h"

namespace aerie::store {

/// Which partitions to merge next; docs/decisions/0100. Pure functions.

inline constexpr uint8_t kTiers = 3;

struct MergeRules {
  model::DurationMs partition_span = 30LL * 60 * 1000;  ///< of tier 0
  model::DurationMs retention = 0;  ///< 0: for ever; else no partition spans more than a seventh
};

/// Tier 1 spans four of tier 0 (2 h), tier 2 forty-eight (a day).
model::DurationMs tier_span(const MergeRules& rules, uint8_t tier);
/// The start of the span of `tier` that holds `t`.
model::TimestampMs tier_start(const MergeRules& rules, uint8_t tier, model::TimestampMs t);

struct MergePlan {
  uint8_t tier = 0;
  model::TimestampMs start = 0;
  std::vector<PartitionInfo> parts;  ///< ascending by commit
  bool operator==(const MergePlan& other) const;
};

/// The most useful merge among `live`, or none. Spans that are over become one partition of the
/// next tier; late additions wait until they are worth writing the span again, and many generations
/// of one half hour become one. `refused` names plans that are not wanted now (they failed).
std::optional<MergePlan> plan_merge(const std::vector<PartitionInfo>& live, const MergeRules& rules,
                                    model::TimestampMs now,
                                    const std::function<bool(const MergePlan&)>& refused);

/// True if what wins over what stays the same when `parts` become one: no partition outside of them
/// was committed between two of them over a common time.
bool keeps_order(const std::vector<PartitionInfo>& parts, const std::vector<PartitionInfo>& live);

}  // namespace aerie::store
