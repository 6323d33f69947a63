#include "clusters/verdict.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace aerie::clusters {

namespace {

constexpr model::DurationMs kObserveLimit = 60'000;  // then the controller is not at work
constexpr model::DurationMs kMismatchHold = 60'000;
constexpr model::DurationMs kPropagationTime = 60'000;
constexpr model::DurationMs kProgressDeadline =
    600'000;  // Kubernetes' default; the series do not say another
constexpr model::DurationMs kCrashMemory = 60'000;  // a crash loop seen this recently is not over

bool crashes(CauseKind kind) {
  return kind == CauseKind::CrashLoop || kind == CauseKind::InitCrashLoop;
}

int64_t count(const MaybeFact& fact) { return static_cast<int64_t>(fact->value); }

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

/// One judgement in the making. One use.
class Judge {
 public:
  Judge(const Case& matter, Memory memory) : case_(matter), memory_(std::move(memory)) {}
  Judgement run();

 private:
  struct Finding {
    Phase phase;
    std::string reason;
    std::string message;
  };

  const DeploymentEvidence& e() const { return *case_.observed; }
  bool lasted(std::optional<model::TimestampMs> since, model::DurationMs span) const {
    return since && case_.now - *since >= span;
  }
  /// Starts or stops a timer and says how long the condition has held so far against `span`.
  bool holds(std::optional<model::TimestampMs>& since, bool condition,
             model::DurationMs span) const {
    if (!condition) since.reset();
    if (condition && !since) since = case_.now;
    return lasted(since, span);
  }

  Finding decide();
  Finding absent();
  Finding present();
  Finding running_rollout();
  std::optional<Finding> ended_rollout();
  std::optional<Finding> partial();
  Finding unknown(std::string reason, std::string message) const;
  std::optional<Finding> torn();
  void note_template();
  void note_progress();
  void note_causes();
  void check_mismatch(Finding& finding);
  bool rollout_has_ended() const;
  bool deadline_exceeded() const;
  bool observed() const;
  bool held_back() const;
  void note_rollout(bool complete);
  void tell(EventKind kind, model::TimestampMs at, std::string message);
  void tell_change(const std::optional<Memory::Standing>& before, const Finding& finding);
  bool settled(Phase phase) const;
  std::vector<std::string> warnings() const;
  void check_template(Finding& finding);
  bool complete() const;
  bool recently_crashing() const;
  std::optional<Finding> blocked(Phase phase, bool fatal) const;
  Finding with_cause(Phase phase, std::string_view otherwise, std::string message) const;

  const Case& case_;
  Memory memory_;
  std::vector<Cause> causes_;
  std::vector<WorkloadEvent> events_;
};

Judge::Finding Judge::unknown(std::string reason, std::string message) const {
  if (memory_.last_known) {
    message +=
        fmt::format("; last known: {}{}{}", phase_name(memory_.last_known->phase),
                    memory_.last_known->reason.empty() ? "" : " ", memory_.last_known->reason);
  }
  return {Phase::Unknown, std::move(reason), std::move(message)};
}

void Judge::note_template() {
  const auto* newest = e().new_replica_set();
  if (!newest) return;
  if (!memory_.replica_set.empty() && memory_.replica_set != newest->name) memory_.causes.clear();
  memory_.replica_set = newest->name;
}

void Judge::note_progress() {
  if (!e().missing().empty()) return;
  Memory::Progress now;
  now.of = fmt::format("{} {} {}", memory_.replica_set, count(e().spec_replicas),
                       e().generation ? count(e().generation) : 0);
  now.updated = count(e().updated);
  now.old = count(e().replicas) - now.updated;
  now.ready = count(e().ready);
  now.available = count(e().available);
  now.at = case_.now;
  auto& best = memory_.progress;
  if (!best || best->of != now.of) {
    best = now;
    return;
  }
  if (now.updated > best->updated || now.old < best->old || now.ready > best->ready ||
      now.available > best->available) {
    best->at = case_.now;
  }
  best->updated = std::max(best->updated, now.updated);
  best->old = std::min(best->old, now.old);
  best->ready = std::max(best->ready, now.ready);
  best->available = std::max(best->available, now.available);
}

void Judge::note_causes() {
  causes_ = find_causes(e());
  for (auto& cause : causes_) {
    auto& seen = memory_.causes[cause.kind];
    if (seen.first == 0) seen.first = case_.now;
    // Quota was the reason and there is room again: the ReplicaSet waits for its back-off, which
    // doubles up to 1000 s.
    if (cause.kind == CauseKind::FailedCreate && cause.detail.empty() &&
        (seen.detail == "Quota" || seen.detail == "WaitingForRetry")) {
      cause.detail = "WaitingForRetry";
      cause.message +=
          "; the quota that was exhausted has room again, the controller retries within 17 min";
    }
    seen.absent_since.reset();
    if (cause.decisive) {
      seen.decisive = true;
      seen.detail = cause.detail;
    } else if (seen.decisive) {  // one more attempt within the same back-off
      cause.detail = seen.detail;
      cause.decisive = true;
    }
  }
  for (auto it = memory_.causes.begin(); it != memory_.causes.end();) {
    const bool present = std::any_of(causes_.begin(), causes_.end(),
                                     [&](const Cause& c) { return c.kind == it->first; });
    const model::DurationMs grace = crashes(it->first) ? kCrashMemory : 2 * case_.interval;
    const bool over = holds(it->second.absent_since, !present, grace);
    it = over ? memory_.causes.erase(it) : std::next(it);
  }
}

/// The gravest cause that has lasted: its hold, or (`fatal`) the time after which a rollout is
/// given up.
std::optional<Judge::Finding> Judge::blocked(Phase phase, bool fatal) const {
  const auto lasted_enough = [&](CauseKind kind, const Memory::Seen& seen) {
    const CauseTimes times = cause_times(kind);
    if (!times.fatal_after || !seen.decisive) return false;
    const model::DurationMs span = fatal ? *times.fatal_after : times.hold;
    if (fatal && memory_.progress && case_.now - memory_.progress->at < times.hold) return false;
    return case_.now - seen.first >= span;
  };
  for (const auto& cause : causes_) {
    const auto seen = memory_.causes.find(cause.kind);
    if (seen == memory_.causes.end() || !lasted_enough(cause.kind, seen->second)) continue;
    return Finding{phase, cause.reason(), cause.message};
  }
  for (const auto& [kind, seen] : memory_.causes) {
    if (!crashes(kind) || !seen.absent_since || !lasted_enough(kind, seen)) continue;
    Cause gone{kind, seen.detail, 0, {}};
    return Finding{phase, gone.reason(), "its pods crashed less than a minute ago"};
  }
  return std::nullopt;
}

Judge::Finding Judge::with_cause(Phase phase, std::string_view otherwise,
                                 std::string message) const {
  if (causes_.empty()) return {phase, std::string(otherwise), std::move(message)};
  std::string text = causes_.front().message;
  if (!message.empty()) text += "; " + message;
  return {phase, causes_.front().reason(), std::move(text)};
}

bool Judge::deadline_exceeded() const {
  const auto& condition = e().progressing;
  if (!condition) return false;
  // Before kube-state-metrics 2.17 there is no reason; false means the deadline (or a ReplicaSet
  // that cannot be created).
  return condition->reason == "ProgressDeadlineExceeded" ||
         condition->reason == "RolloutDegraded" ||
         (condition->reason.empty() && condition->status == Truth::False);
}

bool Judge::rollout_has_ended() const {
  const std::string reason = e().progressing ? e().progressing->reason : std::string();
  if (reason == "NewReplicaSetAvailable" || reason == "Healthy") return true;
  if (!memory_.completed || deadline_exceeded()) return false;
  if (reason == "ReplicaSetUpdated" || reason == "NewReplicaSetCreated" ||
      reason == "FoundNewReplicaSet") {
    return false;
  }
  const auto* newest = e().new_replica_set();
  if (newest && !memory_.completed->replica_set.empty())
    return newest->name == memory_.completed->replica_set;
  if (!e().updated || !e().spec_replicas) return false;
  return count(e().updated) >= std::min(count(e().spec_replicas), memory_.completed->replicas);
}

bool Judge::observed() const {
  if (!e().generation || !e().observed_generation) return true;  // kinds that do not tell
  return count(e().observed_generation) >= count(e().generation);
}

/// OnDelete, a partition, or the moment between two pods: everything serves, not all of it is new.
/// The series do not say which of the three.
bool Judge::held_back() const {
  const bool in_place = e().key.kind == Kind::StatefulSet || e().key.kind == Kind::DaemonSet;
  const int64_t wanted = count(e().spec_replicas);
  return in_place && count(e().updated) < wanted && count(e().available) == wanted;
}

bool Judge::complete() const {
  const int64_t wanted = count(e().spec_replicas);
  return observed() && count(e().updated) == wanted && count(e().replicas) == wanted &&
         count(e().ready) == wanted && count(e().available) == wanted;
}

bool Judge::recently_crashing() const {
  if (!memory_.standing || !is_bad(memory_.standing->phase)) return false;
  return std::any_of(memory_.causes.begin(), memory_.causes.end(), [](const auto& entry) {
    return crashes(entry.first) && entry.second.decisive;
  });
}

std::optional<Judge::Finding> Judge::torn() {
  const auto oldest = e().oldest();
  const auto newest = e().newest();
  // A scrape arrives in pieces; numbers of two scrapes contradict each other. Wait for the rest,
  // but not for ever.
  const bool late = holds(memory_.torn_since, oldest != newest, 2 * case_.interval);
  if (!memory_.torn_since || late || !memory_.standing) return std::nullopt;
  if (memory_.standing->phase == Phase::Unknown) return std::nullopt;
  return Finding{memory_.standing->phase, memory_.standing->reason,
                 causes_.empty() ? std::string() : causes_.front().message};
}

std::optional<Judge::Finding> Judge::partial() {
  const auto missing = e().missing();
  if (missing.empty() && !case_.frozen) return std::nullopt;
  // Bad news needs no completeness: what was not seen cannot make it good.
  if (auto finding = blocked(Phase::Stalled, true)) return finding;
  if (deadline_exceeded()) return with_cause(Phase::Stalled, "ProgressDeadlineExceeded", {});
  if (missing.empty()) return unknown("PartialData", case_.witness_text);
  return unknown("PartialData", "kube-state-metrics does not say " + join(missing));
}

Judge::Finding Judge::absent() {
  if (case_.witness == Witness::Partial) {
    return unknown("PartialData", case_.witness_text);
  }
  if (!case_.desired || !case_.desired->binding || !case_.desired->wanted) {
    return unknown("PartialData", "its series have ended");
  }
  const auto& desired = *case_.desired;
  if (!lasted(desired.as_of, kPropagationTime) ||
      !lasted(memory_.absent_since, 2 * case_.interval)) {
    return {Phase::NotPropagated, "Propagating",
            "desired by " + desired.source + ", not there yet"};
  }
  if (case_.namespace_missing) {
    return {Phase::NotPropagated, "NamespaceMissing",
            "desired by " + desired.source + "; its namespace does not exist"};
  }
  return {Phase::NotPropagated, "NotPropagated",
          "desired by " + desired.source + "; no such Deployment"};
}

std::optional<Judge::Finding> Judge::ended_rollout() {
  const int64_t wanted = count(e().spec_replicas);
  const int64_t available = count(e().available);
  if (!rollout_has_ended() || available >= wanted) {
    memory_.short_since.reset();
    return std::nullopt;
  }
  const int64_t before = memory_.completed ? memory_.completed->replicas : wanted;
  const bool lost = available < std::min(wanted, before);
  const bool short_for_long =
      holds(memory_.short_since, lost, std::max<model::DurationMs>(2 * case_.interval, 30'000));
  if (auto finding = blocked(Phase::Degraded, false)) return finding;
  const std::string numbers = fmt::format("{} of {} available", available, wanted);
  if (lost) {
    // Kubernetes has waited for the node long enough before it calls its pods not ready.
    const bool dead_node = !causes_.empty() && causes_.front().kind == CauseKind::NodeLost;
    const bool degraded = short_for_long || dead_node;
    return with_cause(degraded ? Phase::Degraded : Phase::Progressing,
                      degraded ? "PodsLost" : "Recovering", numbers);
  }
  // Kubernetes watches no deadline once a rollout has ended, so this timer is the only one.
  const bool stuck = memory_.progress && case_.now - memory_.progress->at > kProgressDeadline;
  if (stuck) return with_cause(Phase::Degraded, "NoProgress", numbers);
  return with_cause(Phase::Progressing, "ScalingUp", numbers);
}

Judge::Finding Judge::running_rollout() {
  if (e().updated && e().spec_replicas && memory_.completed && !rollout_has_ended())
    memory_.completed.reset();
  const std::string numbers = fmt::format("{} of {} updated, {} available", count(e().updated),
                                          count(e().spec_replicas), count(e().available));
  if (deadline_exceeded()) {
    const bool rollout = e().progressing->reason == "RolloutDegraded";
    return with_cause(Phase::Stalled, rollout ? "RolloutDegraded" : "ProgressDeadlineExceeded",
                      numbers);
  }
  if (memory_.progress && case_.now - memory_.progress->at > kProgressDeadline) {
    return with_cause(Phase::Stalled, "NoProgress", numbers);
  }
  if (auto finding = blocked(Phase::Stalled, true)) {
    finding->message += "; " + numbers;
    return *finding;
  }
  return with_cause(Phase::Progressing, "RollingOut", numbers);
}

Judge::Finding Judge::present() {
  memory_.absent_since.reset();
  note_template();
  note_progress();
  note_causes();
  if (e().spec_replicas) memory_.spec_replicas = count(e().spec_replicas);
  if (auto finding = torn()) return *finding;
  const bool unwanted = case_.desired && !case_.desired->wanted;
  if (unwanted && !e().deletion) {
    return {Phase::NotDesired, "Orphan", case_.desired->source + " does not want it here"};
  }
  if (e().deletion) return {Phase::Progressing, "Terminating", "being deleted"};
  if (auto finding = partial()) return *finding;
  note_rollout(complete());
  const bool seen = observed();
  const bool lagging = holds(memory_.unobserved_since, !seen, kObserveLimit);
  if (lagging) {
    return {Phase::Stalled, "ControllerLag",
            "its controller has not looked at the newest spec for a minute"};
  }
  if (!seen) return {Phase::Progressing, "NotObserved", "its controller has not looked at it yet"};
  if (count(e().spec_replicas) == 0 && count(e().replicas) == 0) return {Phase::Idle, {}, {}};
  if (complete()) {
    if (recently_crashing()) {
      return {memory_.standing->phase, memory_.standing->reason,
              "its pods crashed less than a minute ago"};
    }
    if (!memory_.standing || memory_.standing->phase != Phase::Complete)
      memory_.last_complete = *e().oldest();
    memory_.completed = Memory::Completed{count(e().spec_replicas), memory_.replica_set};
    memory_.short_since.reset();
    return {Phase::Complete, {}, {}};
  }
  if (e().paused && e().paused->value == 1) {
    return {Phase::Progressing, "Paused", "paused before it was complete"};
  }
  if (held_back()) {
    return {Phase::Progressing, "HeldBack",
            fmt::format("all {} serve, {} of them are of the newest revision",
                        count(e().spec_replicas), count(e().updated))};
  }
  if (auto finding = ended_rollout()) return *finding;
  return running_rollout();
}

void Judge::check_mismatch(Finding& finding) {
  const bool comparable = case_.observed && e().spec_replicas && case_.desired &&
                          case_.desired->replicas && !e().autoscaled &&
                          finding.phase != Phase::Unknown;
  const bool differs = comparable && count(e().spec_replicas) != *case_.desired->replicas;
  if (!holds(memory_.mismatch_since, differs, std::max(kMismatchHold, 2 * case_.interval))) return;
  const std::string text =
      fmt::format("{} asks for {} replicas, the Deployment for {}", case_.desired->source,
                  *case_.desired->replicas, count(e().spec_replicas));
  if (is_bad(finding.phase)) {
    finding.message += (finding.message.empty() ? "" : "; ") + text;
  } else {
    finding = {Phase::Degraded, "ReplicasMismatch", text};
  }
}

void Judge::check_template(Finding& finding) {
  const bool comparable = case_.observed && case_.desired && !case_.desired->image.empty() &&
                          finding.phase != Phase::Unknown;
  const auto images = comparable ? e().images() : std::vector<std::string>{};
  const bool differs =
      comparable && !images.empty() &&
      std::find(images.begin(), images.end(), case_.desired->image) == images.end();
  const model::DurationMs hold = std::max(kMismatchHold, 2 * case_.interval);
  if (!holds(memory_.template_mismatch_since, differs, hold)) return;
  const std::string text = fmt::format("{} asks for image {}, its pods run {}",
                                       case_.desired->source, case_.desired->image, join(images));
  if (is_bad(finding.phase)) {
    finding.message += (finding.message.empty() ? "" : "; ") + text;
  } else {
    finding = {Phase::Degraded, "TemplateMismatch", text};
  }
}

void Judge::tell(EventKind kind, model::TimestampMs at, std::string message) {
  WorkloadEvent event;
  event.kind = kind;
  event.at = at;
  event.message = std::move(message);
  if (memory_.rollout) event.took = std::max<model::DurationMs>(0, at - memory_.rollout->began);
  events_.push_back(std::move(event));
}

/// A rollout is seen to begin when the generation grows and what is there no longer satisfies it.
void Judge::note_rollout(bool complete) {
  const model::TimestampMs at = *e().newest();
  if (e().generation) {
    const int64_t generation = count(e().generation);
    const bool bumped = memory_.generation && generation > *memory_.generation;
    if (bumped) tell(EventKind::GenerationBumped, at, fmt::format("generation {}", generation));
    if (bumped && !memory_.rollout && !(complete && observed()))
      memory_.rollout = Memory::Rollout{at};
    if (bumped && memory_.rollout && memory_.rollout->began == at) {
      tell(EventKind::RolloutStarted, at,
           fmt::format("{} replicas wanted", count(e().spec_replicas)));
    }
    memory_.generation = generation;
  }
  if (!memory_.rollout) return;
  Memory::Rollout& rollout = *memory_.rollout;
  const auto* newest = e().new_replica_set();
  const int64_t wanted = count(e().spec_replicas);
  const int64_t made = newest && newest->status ? count(newest->status) : count(e().updated);
  const int64_t ready = newest && newest->ready ? count(newest->ready)
                                                : std::min(count(e().updated), count(e().ready));
  const auto once = [&](bool& done, bool now, EventKind kind, int64_t n) {
    if (done || !now) return;
    done = true;
    tell(kind, at, fmt::format("{} of {}", n, wanted));
  };
  if (observed()) {
    once(rollout.first_pod, made > 0, EventKind::FirstPod, made);
    once(rollout.first_ready, ready > 0, EventKind::FirstReady, ready);
    once(rollout.half_ready, ready > 0 && 2 * ready >= wanted, EventKind::HalfReady, ready);
  }
  if (!complete) return;
  tell(EventKind::Completed, at, fmt::format("{} of {}", wanted, wanted));
  memory_.rollout.reset();
}

void Judge::tell_change(const std::optional<Memory::Standing>& before, const Finding& finding) {
  const Phase phase = finding.phase;
  if (before && before->phase == phase) return;
  const bool was_unknown = before && before->phase == Phase::Unknown;
  // Behind the silence nothing has changed: it is known again, that is all.
  const bool as_before = was_unknown && memory_.last_known && memory_.last_known->phase == phase;
  if (was_unknown) tell(EventKind::KnownAgain, case_.now, {});
  if (as_before) return;
  const std::string text = finding.message;
  const Phase known = memory_.last_known ? memory_.last_known->phase : Phase::Unknown;
  switch (phase) {
    case Phase::Stalled: return tell(EventKind::Stalled, case_.now, text);
    case Phase::Degraded: return tell(EventKind::Degraded, case_.now, text);
    case Phase::NotPropagated: return tell(EventKind::NotPropagated, case_.now, text);
    case Phase::NotDesired: return tell(EventKind::NotDesired, case_.now, text);
    case Phase::Unknown:
      if (before) tell(EventKind::BecameUnknown, case_.now, text);
      return;
    default:
      if (is_bad(known)) tell(EventKind::Recovered, case_.now, text);
  }
}

std::vector<std::string> Judge::warnings() const {
  std::vector<std::string> texts;
  if (!case_.observed) return texts;
  double restarts = 0;
  for (const auto& pod : e().pods) restarts += pod.restarts_10m + pod.init_restarts_10m;
  if (restarts > 0) texts.push_back(fmt::format("Restarting: {} in 10 minutes", restarts));
  return texts;
}

bool Judge::settled(Phase phase) const {
  if (phase == Phase::Unknown) {
    return case_.witness == Witness::Silent || case_.witness == Witness::Never;
  }
  return (phase == Phase::Complete || phase == Phase::Idle) && memory_.causes.empty() &&
         !memory_.torn_since && !memory_.mismatch_since && !memory_.template_mismatch_since &&
         warnings().empty();
}

Judge::Finding Judge::decide() {
  if (case_.witness == Witness::Warming) return unknown("Warming", case_.witness_text);
  if (case_.witness == Witness::Never) return unknown("UnknownCluster", case_.witness_text);
  if (case_.witness == Witness::Silent) return unknown("StaleData", case_.witness_text);
  if (!case_.observed) {
    if (!memory_.absent_since) memory_.absent_since = case_.now;
    return absent();
  }
  return present();
}

Judgement Judge::run() {
  Finding finding = decide();
  check_mismatch(finding);
  check_template(finding);
  tell_change(memory_.standing, finding);
  for (auto& event : events_) {
    event.phase = finding.phase;
    event.reason = finding.reason;
  }
  Memory::Standing standing{finding.phase, finding.reason, case_.now};
  // A phase that was only hidden behind Unknown has not begun anew.
  for (const auto* before : {&memory_.last_known, &memory_.standing}) {
    if (*before && (*before)->phase == finding.phase) standing.since = (*before)->since;
  }
  memory_.standing = standing;
  if (finding.phase != Phase::Unknown) memory_.last_known = standing;
  Verdict verdict{finding.phase,  std::move(finding.reason), std::move(finding.message),
                  standing.since, std::move(causes_),        warnings()};
  const bool rests = settled(verdict.phase);
  return {std::move(verdict), std::move(memory_), std::move(events_), rests};
}

}  // namespace

Judgement judge(const Case& matter, Memory memory) {
  return Judge(matter, std::move(memory)).run();
}

}  // namespace aerie::clusters
