#include "clusters/workload.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <tuple>

namespace aerie::clusters {

namespace {
constexpr std::array<std::string_view, kPhases> kNames = {
    "Stalled",     "Degraded",   "NotPropagated", "Unknown",
    "Progressing", "NotDesired", "Complete",      "Idle"};
constexpr std::array<std::string_view, kKinds> kKindNames = {"Deployment", "Rollout", "StatefulSet",
                                                             "DaemonSet"};

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}
}  // namespace

std::string_view kind_name(Kind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::optional<Kind> parse_kind(std::string_view name) {
  if (name.ends_with('s')) name.remove_suffix(1);
  for (size_t i = 0; i < kKinds; ++i) {
    if (same_letters(kKindNames[i], name)) return static_cast<Kind>(i);
  }
  return std::nullopt;
}

std::strong_ordering WorkloadKey::operator<=>(const WorkloadKey& other) const {
  return std::tie(space, name, kind, cluster) <=>
         std::tie(other.space, other.name, other.kind, other.cluster);
}

size_t WorkloadKeyHash::operator()(const WorkloadKey& key) const {
  const std::hash<std::string> hash;
  return ((hash(key.space) * 31 + hash(key.name)) * 31 + hash(key.cluster)) * 31 +
         static_cast<size_t>(key.kind);
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
