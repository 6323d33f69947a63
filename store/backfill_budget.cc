#include "store/backfill_budget.h"

namespace aerie::store {
namespace {

constexpr model::DurationMs kHour = 3600LL * 1000;

}  // namespace

bool BackfillBudget::admit(const std::string& cluster, model::TimestampMs day,
                           model::TimestampMs now) {
  if (days_per_hour_ == 0) return true;
  if (const model::TimestampMs hour = now - now % kHour; hour != hour_) {
    hour_ = hour;
    touched_.clear();
  }
  std::set<model::TimestampMs>& days = touched_[cluster];
  if (days.contains(day)) return true;
  return days.size() < days_per_hour_ && days.insert(day).second;
}

}  // namespace aerie::store
