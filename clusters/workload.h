#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aerie::clusters {

/// The name under which series without a `cluster` label are booked.
inline constexpr std::string_view kUnlabelledCluster = "unlabelled";

/// What rolls out Pods. Deployment unless said otherwise.
enum class Kind : uint8_t { Deployment, Rollout, StatefulSet, DaemonSet };
inline constexpr size_t kKinds = 4;

/// "Deployment", as Kubernetes spells it.
std::string_view kind_name(Kind kind);
/// Takes any case and the plural: "deployment", "StatefulSets".
std::optional<Kind> parse_kind(std::string_view name);

/// One workload in one cluster. Ordered by namespace, name, kind, cluster, so that the same object
/// of all clusters stands together.
struct WorkloadKey {
  std::string space;  ///< the Kubernetes namespace (`namespace` is a C++ keyword)
  std::string name;
  std::string cluster;
  Kind kind = Kind::Deployment;
  bool operator==(const WorkloadKey&) const = default;
  std::strong_ordering operator<=>(const WorkloadKey& other) const;
};
struct WorkloadKeyHash {
  size_t operator()(const WorkloadKey& key) const;
};

/// What became of the Deployment, independent of why. The order is that of the screen: worst first.
enum class Phase : uint8_t {
  Stalled,        ///< a rollout runs and will not end by itself
  Degraded,       ///< a rollout had ended; now fewer pods serve than should
  NotPropagated,  ///< desired here, and surely absent
  Unknown,        ///< the evidence is missing or too old; the last good value is no answer
  Progressing,    ///< on its way, nothing says that it will not arrive
  NotDesired,     ///< present, though the federation says it should not be
  Complete,       ///< every replica is of the newest template and available
  Idle            ///< scaled to zero, and at zero
};
inline constexpr size_t kPhases = 8;

std::string_view phase_name(Phase phase);
std::optional<Phase> parse_phase(std::string_view name);
/// Phases that want a human.
bool is_bad(Phase phase);

}  // namespace aerie::clusters
