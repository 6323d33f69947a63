#include "store/held_markers.h"

namespace aerie::store {

HeldMarkers::Answer HeldMarkers::hold(const Marker& marker) {
  const auto [found, added] = held_.emplace(marker.slot, marker);
  if (added) {
    due_.push({marker.due, marker.slot});
    return Answer::Held;
  }
  if (found->second.generation == marker.generation && found->second.t == marker.t)
    return Answer::Again;
  held_.erase(found);
  return Answer::Stands;
}

void HeldMarkers::forget_all() {
  held_.clear();
  due_ = {};
}

std::optional<HeldMarkers::Marker> HeldMarkers::take_due(model::TimestampMs arrived) {
  while (!due_.empty() && due_.top().due <= arrived) {
    const Due first = due_.top();
    due_.pop();
    const auto found = held_.find(first.slot);
    if (found == held_.end() || found->second.due != first.due) continue;  // forgotten
    const Marker marker = found->second;
    held_.erase(found);
    return marker;
  }
  return std::nullopt;
}

}  // namespace aerie::store
