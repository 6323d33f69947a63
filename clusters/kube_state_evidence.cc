#include <algorithm>
#include <cstdlib>

#include "clusters/kube_state.h"

// The evidence of one workload, out of the objects that KubeState keeps.

namespace aerie::clusters {

namespace {

/// A choice among series of which one has the value 1 (phases, conditions): the newest 1 wins.
struct Choice {
  std::string value;
  std::string detail;
  model::TimestampMs at = model::kMinTimestamp;

  void offer(double set, model::TimestampMs t, const std::string& candidate,
             const std::string& more = {}) {
    if (set != 1 || t < at) return;
    value = candidate;
    detail = more;
    at = t;
  }
};

void keep_newer(MaybeFact& slot, double value, model::TimestampMs at) {
  if (!slot || slot->at <= at) slot = Fact{value, at};
}

Truth truth_of(const std::string& text) {
  if (text == "true") return Truth::True;
  if (text == "false") return Truth::False;
  return Truth::Unknown;
}

std::optional<Condition> condition_of(const std::map<std::string, Choice>& conditions,
                                      const std::string& type) {
  const auto found = conditions.find(type);
  if (found == conditions.end() || found->second.value.empty()) return std::nullopt;
  return Condition{truth_of(found->second.value), found->second.detail, found->second.at, {}};
}

/// Argo says in one word what Kubernetes says in conditions.
std::optional<Condition> condition_of_rollout(const Choice& phase) {
  if (phase.value.empty()) return std::nullopt;
  if (phase.value == "Degraded") return Condition{Truth::False, "RolloutDegraded", phase.at, {}};
  if (phase.value == "Healthy") return Condition{Truth::True, "Healthy", phase.at, {}};
  return Condition{Truth::True, "ReplicaSetUpdated", phase.at, {}};
}

/// The sum over ReplicaSets, if all of them tell; as old as the oldest.
MaybeFact sum_of(const std::vector<ReplicaSetEvidence>& sets,
                 MaybeFact ReplicaSetEvidence::*field) {
  if (sets.empty()) return std::nullopt;
  Fact sum{0, model::kMaxTimestamp};
  for (const auto& set : sets) {
    const MaybeFact& fact = set.*field;
    if (!fact) return std::nullopt;
    sum.value += fact->value;
    sum.at = std::min(sum.at, fact->at);
  }
  return sum;
}

}  // namespace

template <class Use>
void KubeState::each(const Object& object, model::TimestampMs oldest, Use&& use) const {
  for (const uint32_t number : object.series) {
    if (following_ || series_[number].at >= oldest) use(series_[number]);
  }
}

void KubeState::read_workload(const Object& object, model::TimestampMs oldest,
                              DeploymentEvidence& out) const {
  std::map<std::string, Choice> conditions;
  Choice phase;
  each(object, oldest, [&](const Series& s) {
    switch (s.meaning->family) {
      case Family::WorkloadNumber:
        return keep_newer(out.*s.meaning->workload_fact, s.value, at_of(s));
      case Family::Condition:
        return conditions[text(s.a)].offer(s.value, at_of(s), text(s.b), text(s.c));
      case Family::RolloutPhase: return phase.offer(s.value, at_of(s), text(s.a));
      case Family::ManagedLabels: out.managed = out.managed || s.a != 0; return;
      default: return;
    }
  });
  out.progressing = condition_of(conditions, "Progressing");
  out.available_condition = condition_of(conditions, "Available");
  out.replica_failure = condition_of(conditions, "ReplicaFailure");
  if (object.kind == Kind::Rollout) {
    out.progressing = condition_of_rollout(phase);
    if (phase.value == "Paused") out.paused = Fact{1, phase.at};
  }
}

void KubeState::read_replica_sets(const Object& object, model::TimestampMs oldest,
                                  DeploymentEvidence& out) const {
  const auto found = owned_.find(object_id(object.subject, object.kind, object.space, object.name));
  if (found == owned_.end()) return;
  for (const auto& [owned, count] : found->second) {
    if (owned->subject == Subject::Pod) continue;
    ReplicaSetEvidence set;
    set.name = owned->name;
    bool known = false;
    each(*owned, oldest, [&](const Series& s) {
      known = true;
      if (s.meaning->family == Family::ReplicaSetNumber) {
        keep_newer(set.*s.meaning->replica_set_fact, s.value, at_of(s));
      } else if (s.meaning->family == Family::ReplicaSetRevision) {
        char* end = nullptr;
        const std::string& revision = text(s.a);
        const double number = std::strtod(revision.c_str(), &end);
        if (!revision.empty() && *end == '\0') set.revision = Fact{number, at_of(s)};
      }
    });
    if (!known) continue;
    out.replica_sets.push_back(std::move(set));
    read_pods(*owned, oldest, out);
  }
  std::sort(out.replica_sets.begin(), out.replica_sets.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

void KubeState::read_pods(const Object& owner, model::TimestampMs oldest,
                          DeploymentEvidence& out) const {
  const auto found = owned_.find(object_id(owner.subject, owner.kind, owner.space, owner.name));
  if (found == owned_.end()) return;
  for (const auto& [owned, count] : found->second) {
    if (owned->subject != Subject::Pod) continue;
    bool known = false;
    each(*owned, oldest, [&known](const Series&) { known = true; });
    if (!known) continue;
    PodEvidence pod = read_pod(*owned, oldest);
    if (owner.subject == Subject::ReplicaSet) pod.replica_set = owner.name;
    out.pods.push_back(std::move(pod));
  }
}

PodEvidence KubeState::read_pod(const Object& object, model::TimestampMs oldest) const {
  PodEvidence pod;
  pod.name = object.name;
  Choice phase;
  Choice ready;
  Choice scheduled;
  Choice terminated;
  each(object, oldest, [&](const Series& s) {
    switch (s.meaning->family) {
      case Family::PodInfo: pod.node = text(s.a); return;
      case Family::PodPhase: return phase.offer(s.value, at_of(s), text(s.a));
      case Family::PodReady: return ready.offer(s.value, at_of(s), text(s.a));
      case Family::PodScheduled: return scheduled.offer(s.value, at_of(s), text(s.a));
      case Family::PodUnschedulable: pod.unschedulable |= s.value == 1; return;
      case Family::PodReason:
        if (s.value == 1) pod.status_reason = text(s.a);
        return;
      case Family::PodDeletion: pod.terminating = true; return;
      case Family::PodNumber: return keep_newer(pod.*s.meaning->pod_fact, s.value, at_of(s));
      // 1.9 writes a closed list of reasons as 0/1 for every container: only the value 1 counts,
      // not the presence.
      case Family::Waiting:
        if (s.value == 1) pod.waiting.push_back(text(s.b));
        return;
      case Family::InitWaiting:
        if (s.value == 1) pod.init_waiting.push_back(text(s.b));
        return;
      case Family::LastTerminated: return terminated.offer(s.value, at_of(s), text(s.b));
      case Family::ExitCode: return keep_newer(pod.last_exit_code, s.value, at_of(s));
      case Family::Requests: pod.requests[text(s.a)] += s.value; return;
      case Family::Image: pod.images[text(s.a)] = text(s.b); return;
      default: return;
    }
  });
  for (const Bump& bump : object.bumps) {
    (bump.family == Family::Restarts ? pod.restarts_10m : pod.init_restarts_10m) += bump.by;
  }
  pod.phase = phase.value;
  pod.last_terminated = terminated.value;
  if (!ready.value.empty()) pod.ready = truth_of(ready.value);
  if (scheduled.value == "false") pod.unschedulable = true;
  pod.node_lost = node_lost(pod.node, oldest);
  return pod;
}

/// A dead node reads "unknown", never "false", and its pods keep phase Running and ready
/// containers.
bool KubeState::node_lost(const std::string& node, model::TimestampMs oldest) const {
  if (node.empty()) return false;
  const Object* object = find(Subject::Node, Kind::Deployment, {}, node);
  if (!object) return false;
  Choice ready;
  each(*object, oldest, [&](const Series& s) {
    if (text(s.a) == "Ready") ready.offer(s.value, at_of(s), text(s.b));
  });
  return !ready.value.empty() && ready.value != "true";
}

void KubeState::read_surroundings(model::TimestampMs oldest, DeploymentEvidence& out) const {
  const std::string& space = out.key.space;
  if (const Object* quotas = find(Subject::Quota, Kind::Deployment, space, {})) {
    std::map<std::pair<std::string, std::string>, QuotaEvidence> found;
    each(*quotas, oldest, [&](const Series& s) {
      QuotaEvidence& quota = found[{text(s.a), text(s.b)}];
      keep_newer(text(s.c) == "hard" ? quota.hard : quota.used, s.value, at_of(s));
    });
    for (auto& [name, quota] : found) {
      quota.name = name.first;
      quota.resource = name.second;
      out.quotas.push_back(std::move(quota));
    }
  }
  if (const Object* autoscalers = find(Subject::Autoscaler, Kind::Deployment, space, {})) {
    each(*autoscalers, oldest, [&](const Series& s) {
      // 1.9 does not say what an autoscaler scales; by convention it bears the name of its target.
      const bool by_name = s.meaning->family == Family::AutoscalerByName;
      const bool kind = by_name || text(s.a) == kind_name(out.key.kind);
      if (kind && text(by_name ? s.a : s.b) == out.key.name) out.autoscaled = true;
    });
  }
}

std::optional<DeploymentEvidence> KubeState::evidence(const WorkloadKey& key,
                                                      model::DurationMs bound) const {
  const Object* object = find(Subject::Workload, key.kind, key.space, key.name);
  if (!object) return std::nullopt;
  const model::TimestampMs oldest = scraped_at_ - bound;
  const bool known =
      std::any_of(object->series.begin(), object->series.end(),
                  [&](uint32_t number) { return following_ || series_[number].at >= oldest; });
  if (!known) return std::nullopt;
  DeploymentEvidence e;
  e.key = key;
  read_workload(*object, oldest, e);
  read_replica_sets(*object, oldest, e);
  read_pods(*object, oldest, e);
  std::sort(e.pods.begin(), e.pods.end(),
            [](const PodEvidence& a, const PodEvidence& b) { return a.name < b.name; });
  read_surroundings(oldest, e);
  // kube-state-metrics 1.9 has no kube_deployment_status_replicas_ready; the sum over its
  // ReplicaSets is the same number.
  if (!e.ready) e.ready = sum_of(e.replica_sets, &ReplicaSetEvidence::ready);
  if (!e.replicas && key.kind == Kind::Rollout)
    e.replicas = sum_of(e.replica_sets, &ReplicaSetEvidence::status);
  // Before minReadySeconds existed for StatefulSets, ready was available.
  if (!e.available && key.kind == Kind::StatefulSet) e.available = e.ready;
  return e;
}

ClusterEvidence KubeState::cluster(model::DurationMs bound) const {
  ClusterEvidence out;
  out.cluster = cluster_;
  out.environment = environment_;
  out.zone = zone_;
  out.scraped_at = scraped_at_;
  for (const TargetClock& clock : targets_) {
    if (clock.workloads > 0) out.targets.insert(clock.target);
  }
  const Object* own = find(Subject::Cluster, Kind::Deployment, {}, {});
  if (!own) return out;
  const model::TimestampMs oldest =
      scraped_at_ == model::kMinTimestamp ? scraped_at_ : scraped_at_ - bound;
  std::set<std::string> ordinals;
  std::map<std::string, std::pair<model::TimestampMs, model::TimestampMs>> listings;  // bad, good
  each(*own, oldest, [&](const Series& s) {
    switch (s.meaning->family) {
      case Family::Up:
        if (s.value == 0) out.down.insert(targets_[s.target].target);
        return;
      case Family::Namespace: out.namespaces.insert(text(s.a)); return;
      case Family::TotalShards:
        out.shards.total = std::max(out.shards.total, static_cast<size_t>(s.value));
        return;
      case Family::ShardOrdinal: ordinals.insert(text(s.a)); return;
      case Family::Listing: {
        auto& [bad, good] = listings[text(s.a)];
        auto& slot = text(s.b) == "error" ? bad : good;
        slot = std::max(slot, s.risen_at);
        return;
      }
      default: return;
    }
  });
  out.shards.alive = ordinals.size();
  for (const auto& [resource, times] : listings) {
    if (times.first > times.second && times.first >= oldest) out.unlistable.insert(resource);
  }
  return out;
}

ClusterEvidence assemble(std::string cluster, const std::vector<LatestSample>& samples,
                         model::DurationMs bound) {
  KubeState state(std::move(cluster));
  for (const auto& sample : samples) state.set(sample);
  ClusterEvidence out = state.cluster(bound);
  for (auto& key : state.workloads()) {
    if (auto evidence = state.evidence(key, bound)) {
      out.deployments.emplace(std::move(key), std::move(*evidence));
    }
  }
  return out;
}

}  // namespace aerie::clusters
