#include "clusters/causes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace aerie::clusters {

namespace {

constexpr std::array<std::string_view, kCauseKinds> kNames = {
    "FailedCreate",          "ImagePull",     "ConfigError", "CrashLoop",
    "InitCrashLoop",         "Unschedulable", "Evicted",     "NodeLost",
    "SchedulingGated",       "Starting",      "NotReady",    "NotYetAvailable",
    "OldReplicasTerminating"};
constexpr std::array<std::string_view, 5> kEvictions = {"Evicted", "PreemptionByScheduler",
                                                        "Preempting", "Shutdown", "Terminated"};

constexpr std::array<std::string_view, 7> kPullReasons = {
    "ErrImagePull",      "ImagePullBackOff",    "InvalidImageName",         "ErrImageNeverPull",
    "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"};
constexpr std::array<std::string_view, 5> kConfigReasons = {
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError",
    "PostStartHookError"};

template <size_t N>
std::string_view first_of(const std::vector<std::string>& reasons,
                          const std::array<std::string_view, N>& list) {
  for (const auto& reason : reasons) {
    if (std::find(list.begin(), list.end(), reason) != list.end()) return reason;
  }
  return {};
}

bool has(const std::vector<std::string>& reasons, std::string_view wanted) {
  return std::find(reasons.begin(), reasons.end(), wanted) != reasons.end();
}

std::string plural(int64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

/// The first quota that leaves no room for one more pod of this Deployment. kube-state-metrics does
/// not say what was refused: this infers it from used and hard, and from the requests of pods of
/// the same Deployment where there are any.
const QuotaEvidence* exhausted_quota(const DeploymentEvidence& e) {
  const auto request_of = [&](std::string_view resource) {
    double largest = 0;
    for (const auto& pod : e.pods) {
      const auto found = pod.requests.find(std::string(resource));
      if (found != pod.requests.end()) largest = std::max(largest, found->second);
    }
    return largest;
  };
  for (const auto& quota : e.quotas) {
    if (!quota.hard || !quota.used) continue;
    double needed = 0;
    if (quota.resource == "pods" || quota.resource == "count/pods") {
      needed = 1;
    } else if (quota.resource == "cpu" || quota.resource == "requests.cpu") {
      needed = request_of("cpu");
    } else if (quota.resource == "memory" || quota.resource == "requests.memory") {
      needed = request_of("memory");
    } else if (quota.resource != "limits.cpu" && quota.resource != "limits.memory") {
      continue;  // services, secrets …: never the reason why a pod is refused
    }
    const double after = quota.used->value + needed;
    if (needed > 0 ? after > quota.hard->value : after >= quota.hard->value) return &quota;
  }
  return nullptr;
}

std::optional<Cause> failed_create(const DeploymentEvidence& e) {
  const auto missing = missing_pods(e);
  if (!missing || *missing <= 0) return std::nullopt;
  // StatefulSets and DaemonSets have no such condition: an exhausted quota alone must do.
  const bool tells = e.key.kind == Kind::Deployment;
  const bool failing = e.replica_failure && e.replica_failure->status == Truth::True;
  const auto* quota = exhausted_quota(e);
  if (tells ? !failing : !failing && !quota) return std::nullopt;
  Cause cause;
  cause.kind = CauseKind::FailedCreate;
  cause.count = *missing;
  const std::string words =
      e.replica_failure ? without_random_names(e.replica_failure->message) : std::string();
  if (!words.empty()) {
    cause.detail = refusal_of(words);
    cause.message = fmt::format("{} cannot be created: {}", plural(*missing, "pod"), words);
    // The condition keeps the first words until a pod is made, also when there is room again.
    if (cause.detail == "Quota" && !quota && !e.quotas.empty()) cause.detail.clear();
  } else if (quota) {
    cause.detail = "Quota";
    cause.message = fmt::format("{} cannot be created: quota {} allows {} {}, {} are used",
                                plural(*missing, "pod"), quota->name, quota->hard->value,
                                quota->resource, quota->used->value);
  } else {
    cause.message = fmt::format(
        "{} cannot be created: the API server refuses them, and no quota of the "
        "namespace is exhausted (limit range, admission webhook, pod security or "
        "missing service account; kubectl describe rs says which)",
        plural(*missing, "pod"));
  }
  return cause;
}

struct PodCause {
  CauseKind kind;
  std::string detail;
  bool decisive = true;
};

std::string termination(const PodEvidence& pod) {
  if (!pod.last_terminated.empty() && pod.last_terminated != "Error") return pod.last_terminated;
  if (pod.last_exit_code) return fmt::format("exit {}", pod.last_exit_code->value);
  return pod.last_terminated;
}

/// At most one cause for a pod, the most telling.
std::optional<PodCause> cause_of(const PodEvidence& pod) {
  const bool driven_out =
      std::find(kEvictions.begin(), kEvictions.end(), pod.status_reason) != kEvictions.end();
  if (pod.phase == "Failed" && driven_out) {
    return PodCause{CauseKind::Evicted,
                    pod.status_reason == "Evicted" ? std::string() : pod.status_reason};
  }
  if (pod.terminating || pod.phase == "Failed" || pod.phase == "Succeeded") return std::nullopt;
  if (pod.ready == Truth::True) return std::nullopt;
  std::vector<std::string> waiting = pod.waiting;
  waiting.insert(waiting.end(), pod.init_waiting.begin(), pod.init_waiting.end());
  if (const auto reason = first_of(waiting, kPullReasons); !reason.empty()) {
    // ErrImagePull is a single failed attempt; the back-off after it is what says that it will not
    // help to wait.
    const bool alone = reason == "ErrImagePull";
    return PodCause{CauseKind::ImagePull, std::string(reason), !alone};
  }
  if (const auto reason = first_of(waiting, kConfigReasons); !reason.empty()) {
    return PodCause{CauseKind::ConfigError, std::string(reason)};
  }
  // Between two crashes the container runs for a moment: three restarts in ten minutes tell the
  // same.
  if (has(pod.waiting, "CrashLoopBackOff") || pod.restarts_10m >= 3) {
    return PodCause{CauseKind::CrashLoop, termination(pod)};
  }
  if (has(pod.init_waiting, "CrashLoopBackOff") || pod.init_restarts_10m >= 3) {
    return PodCause{CauseKind::InitCrashLoop, termination(pod)};
  }
  if (pod.status_reason == "SchedulingGated") return PodCause{CauseKind::SchedulingGated, {}};
  if (pod.unschedulable)
    return PodCause{CauseKind::Unschedulable, std::string(unschedulable_of(pod.message))};
  if (pod.node_lost || pod.status_reason == "NodeLost")
    return PodCause{CauseKind::NodeLost, pod.node};
  if (has(waiting, "ContainerCreating")) return PodCause{CauseKind::Starting, "ContainerCreating"};
  if (has(waiting, "PodInitializing")) return PodCause{CauseKind::Starting, "PodInitializing"};
  if (pod.phase == "Running") return PodCause{CauseKind::NotReady, {}};
  return PodCause{CauseKind::Starting, {}};
}

std::string describe(const Cause& cause, int64_t of) {
  const std::string who = fmt::format("{} of {}", cause.count, plural(of, "pod"));
  switch (cause.kind) {
    case CauseKind::ImagePull:
      return fmt::format("{} cannot pull the image: {}", who, cause.detail);
    case CauseKind::ConfigError:
      return fmt::format("{} cannot be configured: {}", who, cause.detail);
    case CauseKind::CrashLoop:
      return fmt::format("{} crash again and again{}{}", who,
                         cause.detail.empty() ? "" : ", last: ", cause.detail);
    case CauseKind::InitCrashLoop:
      return fmt::format("init containers of {} crash again and again{}{}", who,
                         cause.detail.empty() ? "" : ", last: ", cause.detail);
    case CauseKind::Unschedulable:
      return fmt::format("{} fit on no node (kubectl describe pod says what is short)", who);
    case CauseKind::NodeLost:
      return fmt::format("{} on a node that does not answer: {}", who, cause.detail);
    case CauseKind::Starting:
      return fmt::format("{} starting{}{}", who, cause.detail.empty() ? "" : ": ", cause.detail);
    case CauseKind::Evicted:
      return fmt::format("{} driven out{}{}", who, cause.detail.empty() ? "" : ": ", cause.detail);
    case CauseKind::SchedulingGated: return fmt::format("{} held back by scheduling gates", who);
    case CauseKind::NotReady: return fmt::format("{} run and are not ready", who);
    default: return who;
  }
}

void count_pods(const DeploymentEvidence& e, std::vector<Cause>& causes) {
  const ReplicaSetEvidence* newest = e.new_replica_set();
  // Old pods matter only when there is no telling which are new.
  std::map<std::pair<CauseKind, std::string>, Cause> found;
  int64_t considered = 0;
  const bool whole = e.available && e.spec_replicas && e.available->value >= e.spec_replicas->value;
  for (const auto& pod : e.pods) {
    if (newest && pod.replica_set != newest->name) continue;
    if (!pod.terminating && pod.phase != "Failed" && pod.phase != "Succeeded") ++considered;
    auto cause = cause_of(pod);
    // Pods that were driven out stay as records of it, long after they were replaced.
    if (!cause || (cause->kind == CauseKind::Evicted && whole)) continue;
    Cause& sum = found[{cause->kind, cause->detail}];
    sum.kind = cause->kind;
    sum.detail = cause->detail;
    sum.decisive = cause->decisive;
    ++sum.count;
    if (sum.message.empty()) sum.message = without_random_names(pod.message);
  }
  for (auto& [key, cause] : found) {
    const std::string words = std::move(cause.message);
    cause.message = describe(cause, std::max(considered, cause.count));
    if (!words.empty()) cause.message += ": " + words;
    causes.push_back(std::move(cause));
  }
}

void count_replicas(const DeploymentEvidence& e, std::vector<Cause>& causes) {
  if (e.ready && e.available && e.ready->value > e.available->value) {
    const auto n = static_cast<int64_t>(e.ready->value - e.available->value);
    causes.push_back({CauseKind::NotYetAvailable,
                      {},
                      n,
                      fmt::format("{} ready, minReadySeconds not over", plural(n, "pod"))});
  }
  if (e.replicas && e.updated && e.spec_replicas && e.updated->value >= e.spec_replicas->value &&
      e.replicas->value > e.spec_replicas->value) {
    const auto n = static_cast<int64_t>(e.replicas->value - e.spec_replicas->value);
    causes.push_back({CauseKind::OldReplicasTerminating,
                      {},
                      n,
                      fmt::format("{} too many, not gone yet", plural(n, "pod"))});
  }
}

}  // namespace

std::string_view cause_name(CauseKind kind) { return kNames[static_cast<size_t>(kind)]; }

std::optional<CauseKind> parse_cause(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<CauseKind>(i);
  }
  return std::nullopt;
}

std::string Cause::reason() const {
  std::string text(cause_name(kind));
  if (!detail.empty()) text += "/" + detail;
  return text;
}

std::string pod_reason(const PodEvidence& pod) {
  const auto cause = cause_of(pod);
  if (!cause) return pod.terminating ? "Terminating" : "";
  return Cause{cause->kind, cause->detail, 1, {}}.reason();
}

CauseTimes cause_times(CauseKind kind) {
  switch (kind) {
    case CauseKind::FailedCreate: return {15'000, 15'000};
    case CauseKind::ImagePull:
    case CauseKind::ConfigError:
    case CauseKind::CrashLoop:
    case CauseKind::InitCrashLoop: return {30'000, 30'000};
    case CauseKind::Unschedulable: return {60'000, 300'000};
    case CauseKind::Evicted:
    case CauseKind::NodeLost:
    case CauseKind::SchedulingGated: return {0, std::nullopt};
    case CauseKind::Starting: return {120'000, std::nullopt};
    case CauseKind::NotReady: return {60'000, std::nullopt};
    case CauseKind::NotYetAvailable:
    case CauseKind::OldReplicasTerminating: return {0, std::nullopt};
  }
  return {};
}

std::string_view refusal_of(std::string_view message) {
  const auto says = [&](std::string_view words) {
    return message.find(words) != std::string_view::npos;
  };
  if (message.empty()) return {};
  if (says("exceeded quota") || says("failed quota")) return "Quota";
  if (says("service account") || says("serviceaccount")) return "ServiceAccount";
  if (says("admission webhook") || says("failed calling webhook")) return "Webhook";
  if (says("PodSecurity") || says("security policy") || says("security context constraint"))
    return "PodSecurity";
  if (says(" usage per ") || says("to limit ratio")) return "LimitRange";
  return "Other";
}

std::string_view unschedulable_of(std::string_view message) {
  if (message.find("Insufficient ") != std::string_view::npos) return "Insufficient";
  if (message.find("taint") != std::string_view::npos) return "Taint";
  if (message.find("affinity") != std::string_view::npos ||
      message.find("selector") != std::string_view::npos)
    return "Affinity";
  if (message.find("olume") != std::string_view::npos) return "Volume";
  return {};
}

std::string without_random_names(std::string_view message) {
  // pods "web-6ff4d74dc5-822vs" is forbidden …: only the ReplicaSet's name stays.
  std::string out;
  while (true) {
    const size_t begin = message.find("pods \"");
    const size_t end = begin == std::string_view::npos ? begin : message.find('"', begin + 6);
    if (end == std::string_view::npos) return out += message;
    const std::string_view name = message.substr(begin + 6, end - begin - 6);
    out += message.substr(0, begin + 6);
    out += name.substr(0, name.rfind('-'));
    out += "-*\"";
    message.remove_prefix(end + 1);
  }
}

std::optional<int64_t> missing_pods(const DeploymentEvidence& e) {
  const ReplicaSetEvidence* newest = e.new_replica_set();
  if (newest && newest->spec && newest->status) {
    return std::max<int64_t>(0, static_cast<int64_t>(newest->spec->value - newest->status->value));
  }
  const bool by_replica_sets = e.key.kind == Kind::Deployment || e.key.kind == Kind::Rollout;
  if (!by_replica_sets && e.spec_replicas && e.replicas) {
    return std::max<int64_t>(0, static_cast<int64_t>(e.spec_replicas->value - e.replicas->value));
  }
  if (by_replica_sets && e.spec_replicas && e.updated) {
    return std::max<int64_t>(0, static_cast<int64_t>(e.spec_replicas->value - e.updated->value));
  }
  return std::nullopt;
}

std::vector<Cause> find_causes(const DeploymentEvidence& e) {
  std::vector<Cause> causes;
  if (auto cause = failed_create(e)) causes.push_back(std::move(*cause));
  count_pods(e, causes);
  count_replicas(e, causes);
  const auto grave = [](const Cause& c) { return cause_times(c.kind).fatal_after && c.decisive; };
  std::stable_sort(causes.begin(), causes.end(), [&](const Cause& a, const Cause& b) {
    if (grave(a) != grave(b)) return grave(a);
    if (a.count != b.count) return a.count > b.count;
    return a.kind < b.kind;
  });
  return causes;
}

}  // namespace aerie::clusters
