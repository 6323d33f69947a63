#include "clusters/workload.h"

#include <array>

namespace aerie::clusters {

namespace {
constexpr std::array<std::string_view, kPhases> kNames = {
    "Stalled",     "Degraded",   "NotPropagated", "Unknown",
    "Progressing", "NotDesired", "Complete",      "Idle"};
}

std::string_view phase_name(Phase phase) { return kNames[static_cast<size_t>(phase)]; }

std::optional<Phase> parse_phase(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Phase>(i);
  }
  return std::nullopt;
}

bool is_bad(Phase phase) {
  return phase == Phase::Stalled || phase == Phase::Degraded || phase == Phase::NotPropagated;
}

}  // namespace aerie::clusters
