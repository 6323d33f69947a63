#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "clusters/workload.h"
#include "model/time.h"

namespace aerie::clusters {

/// What can happen to a workload, as its timeline tells it.
enum class EventKind : uint8_t {
  GenerationBumped,  ///< its spec was changed
  RolloutStarted,    ///< a new template, or more replicas, began to roll out
  FirstPod,          ///< the first pod of the newest template exists
  FirstReady,
  HalfReady,
  Completed,  ///< every replica is new and available
  Stalled,
  Degraded,
  NotPropagated,
  NotDesired,
  Recovered,      ///< no longer stalled or degraded
  BecameUnknown,  ///< the cluster fell silent, or part of the evidence is missing
  KnownAgain,
  Gone
};
inline constexpr size_t kEventKinds = 14;
std::string_view event_name(EventKind kind);
std::optional<EventKind> parse_event(std::string_view name);

struct WorkloadEvent {
  EventKind kind = EventKind::Completed;
  model::TimestampMs at = 0;  ///< of the member's sample for rollouts, ours for verdicts
  Phase phase = Phase::Unknown;
  std::string reason;
  std::string message;
  std::optional<model::DurationMs> took;  ///< since the rollout started, where one ran
};

}  // namespace aerie::clusters
