#include "clusters/timeline_event.h"

#include <array>

namespace aerie::clusters {

namespace {
constexpr std::array<std::string_view, kEventKinds> kNames = {
    "GenerationBumped", "RolloutStarted", "FirstPod",   "FirstReady",    "HalfReady",
    "Completed",        "Stalled",        "Degraded",   "NotPropagated", "NotDesired",
    "Recovered",        "BecameUnknown",  "KnownAgain", "Gone"};
}

std::string_view event_name(EventKind kind) { return kNames[static_cast<size_t>(kind)]; }

std::optional<EventKind> parse_event(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<EventKind>(i);
  }
  return std::nullopt;
}

}  // namespace aerie::clusters
