#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "model/time.h"

namespace aerie::store {

/// How much of the past one cluster may touch: so many days an hour, so that a bad clock cannot
/// make a hundred thousand partitions. Forgotten by a restart. One thread.
class BackfillBudget {
 public:
  /// 0: no limit.
  explicit BackfillBudget(size_t days_per_hour) : days_per_hour_(days_per_hour) {}

  /// True if samples of `cluster` in this UTC day (its start) are taken. A day counts once an hour.
  bool admit(const std::string& cluster, model::TimestampMs day, model::TimestampMs now);

 private:
  const size_t days_per_hour_;
  model::TimestampMs hour_ = model::kMinTimestamp;
  std::map<std::string, std::set<model::TimestampMs>> touched_;  // within hour_
};

}  // namespace aerie::store
