#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clusters/evidence.h"
#include "model/time.h"

namespace aerie::clusters {

/// Why pods do not serve: a closed list, in the order of dominance.
enum class CauseKind : uint8_t {
  FailedCreate,  ///< the API server refuses the pods: quota, limit range, webhook, service account
                 ///< …
  ImagePull,
  ConfigError,
  CrashLoop,
  InitCrashLoop,
  Unschedulable,
  Evicted,  ///< driven out or shut down: phase Failed, with the reason
  NodeLost,
  SchedulingGated,  ///< held back on purpose: never a fault by itself
  Starting,
  NotReady,         ///< running, its probe says no
  NotYetAvailable,  ///< ready, minReadySeconds not over
  OldReplicasTerminating
};
inline constexpr size_t kCauseKinds = 13;

std::string_view cause_name(CauseKind kind);
std::optional<CauseKind> parse_cause(std::string_view name);

/// One cause found in the evidence of now, with how many pods it holds back.
struct Cause {
  CauseKind kind = CauseKind::Starting;
  std::string detail;   ///< Quota, ImagePullBackOff, OOMKilled …; may be empty
  int64_t count = 0;    ///< pods, or for FailedCreate pods that should be and are not
  std::string message;  ///< one sentence for the operator
  bool decisive =
      true;  ///< false: seen, but alone no reason to give up (one failed pull, not yet in back-off)

  std::string reason() const;  ///< "ImagePull/ImagePullBackOff"
};

/// How long a cause must hold before it is believed to be more than a flicker, and how long before
/// it is taken to be fatal to a running rollout (none: never by itself). On our clock. notes: the
/// times of kstatus, KubeFed and the Karmada descheduler.
struct CauseTimes {
  model::DurationMs hold = 0;
  std::optional<model::DurationMs> fatal_after;
};
CauseTimes cause_times(CauseKind kind);

/// Every cause that the evidence shows, the one that holds back most pods of the newest template
/// first among the grave ones. Looks at pods of the new ReplicaSet where it is known, else at all.
/// Pure.
std::vector<Cause> find_causes(const DeploymentEvidence& evidence);

/// Which of the closed list refuses a pod, from Kubernetes' own words: Quota, LimitRange, Webhook,
/// ServiceAccount, PodSecurity, Other. Empty text: empty.
std::string_view refusal_of(std::string_view message);
/// Why a pod fits nowhere: Insufficient, Taint, Affinity, Volume. Empty when it cannot be told.
std::string_view unschedulable_of(std::string_view message);
/// The message without what is random in it, so that it can be grouped: names of refused pods lose
/// their last part.
std::string without_random_names(std::string_view message);

/// What holds back one pod, as Cause::reason() writes it; empty: nothing.
std::string pod_reason(const PodEvidence& pod);

/// Pods that should exist and do not, by the Deployment's and ReplicaSets' counters (pods of dead
/// nodes linger in the pod series, so these are not counted). Empty: not known.
std::optional<int64_t> missing_pods(const DeploymentEvidence& evidence);

}  // namespace aerie::clusters
