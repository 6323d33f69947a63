#include "store/erased_now.h"

#include <utility>

namespace aerie::store {
namespace {

model::TimestampMs before(model::TimestampMs now, model::DurationMs retention) {
  return now < model::kMinTimestamp + retention ? model::kMinTimestamp : now - retention;
}

}  // namespace

void ErasedNow::set_cluster_retention(std::vector<ClusterRetention> rules) {
  const bool other = state_.with([&](State& state) {
    if (state.rules == rules) return false;
    state = {std::move(rules), nullptr, 0, nullptr};
    return true;
  });
  if (other) expired_();
}

ErasuresPtr ErasedNow::current() const {
  const auto deletions = deletions_.current();
  const model::TimestampMs now = clock_.now_ms();
  const model::TimestampMs step = now - now % kExpiryStep;
  bool expired = false;
  auto out = state_.with([&](State& state) -> ErasuresPtr {
    if (state.rules.empty()) return deletions->all().empty() ? nullptr : deletions;
    if (state.made && state.deletions == deletions && state.made_at == step) return state.made;
    expired = state.made_at != step;
    std::vector<Erasure> all = deletions->all();
    for (const ClusterRetention& rule : state.rules) {
      Erasure expiry;
      expiry.number = Erasure::kAlways;
      expiry.selectors = {{rule.cluster}};
      const model::TimestampMs oldest = before(step, rule.retention);
      if (oldest == model::kMinTimestamp) continue;
      expiry.range = {model::kMinTimestamp, oldest - 1};
      all.push_back(std::move(expiry));
    }
    state.deletions = deletions;
    state.made_at = step;
    state.made = std::make_shared<const Erasures>(std::move(all));
    return state.made;
  });
  if (expired) expired_();
  return out;
}

}  // namespace aerie::store
