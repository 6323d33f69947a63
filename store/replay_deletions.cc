#include "store/replay_deletions.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace aerie::store {

ReplayDeletions::ReplayDeletions(const Erasures& deletions) : all_(deletions.all()) {
  std::sort(all_.begin(), all_.end(), [](const Erasure& a, const Erasure& b) {
    return std::tie(a.log_end, a.number) < std::tie(b.log_end, b.number);
  });
}

std::vector<const Erasure*> ReplayDeletions::passed(LogPosition position) {
  std::vector<const Erasure*> out;
  const bool first = !std::exchange(started_, true);
  for (; next_ < all_.size() && all_[next_].log_end <= position; ++next_)
    if (!first) out.push_back(&all_[next_]);
  return out;
}

bool ReplayDeletions::deleted(const SeriesIndex& index, uint32_t slot, model::TimestampMs t,
                              LogPosition position) {
  if (next_ == all_.size()) return false;  // the replay is behind the last one
  Known& known = by_slot_[slot];
  const uint32_t generation = index.state(slot)->generation.load(std::memory_order_relaxed);
  if (known.generation != generation) {
    known = {generation, {}};
    const model::Labels labels = index.labels(slot);
    for (uint32_t i = 0; i < all_.size(); ++i)
      if (all_[i].matches(labels)) known.matching.push_back(i);
  }
  return std::any_of(known.matching.begin(), known.matching.end(), [&](uint32_t i) {
    return position < all_[i].log_end && all_[i].range.contains(t);
  });
}

}  // namespace aerie::store
