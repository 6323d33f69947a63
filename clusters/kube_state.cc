#include "clusters/kube_state.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <unordered_map>
#include <utility>

namespace aerie::clusters {

namespace {

constexpr model::DurationMs kRestartWindow = 10LL * 60 * 1000;

enum class Family : uint8_t {
  DeploymentNumber,
  DeploymentCondition,
  ReplicaSetNumber,
  ReplicaSetOwner,
  ReplicaSetAnnotations,
  PodOwner,
  PodInfo,
  PodPhase,
  PodReady,
  PodScheduled,
  PodUnschedulable,
  PodReason,
  PodDeletion,
  Waiting,
  InitWaiting,
  LastTerminated,
  ExitCode,
  Restarts,
  InitRestarts,
  Requests,
  NodeCondition,
  Quota,
  AutoscalerInfo,
  AutoscalerByName,
  Namespace,
  Up
};

/// What each series tells. For numbers, `slot` says which field.
struct Meaning {
  Family family;
  MaybeFact DeploymentEvidence::*deployment = nullptr;
  MaybeFact ReplicaSetEvidence::*replica_set = nullptr;
};

using D = DeploymentEvidence;
using R = ReplicaSetEvidence;

const std::unordered_map<std::string_view, Meaning>& meanings() {
  static const std::unordered_map<std::string_view, Meaning> kMeanings = {
      {"kube_deployment_spec_replicas", {Family::DeploymentNumber, &D::spec_replicas}},
      {"kube_deployment_metadata_generation", {Family::DeploymentNumber, &D::generation}},
      {"kube_deployment_status_observed_generation",
       {Family::DeploymentNumber, &D::observed_generation}},
      {"kube_deployment_status_replicas", {Family::DeploymentNumber, &D::replicas}},
      {"kube_deployment_status_replicas_ready", {Family::DeploymentNumber, &D::ready}},
      {"kube_deployment_status_replicas_available", {Family::DeploymentNumber, &D::available}},
      {"kube_deployment_status_replicas_unavailable", {Family::DeploymentNumber, &D::unavailable}},
      {"kube_deployment_status_replicas_updated", {Family::DeploymentNumber, &D::updated}},
      {"kube_deployment_spec_paused", {Family::DeploymentNumber, &D::paused}},
      {"kube_deployment_deletion_timestamp", {Family::DeploymentNumber, &D::deletion}},
      {"kube_deployment_status_condition", {Family::DeploymentCondition}},
      {"kube_replicaset_spec_replicas", {Family::ReplicaSetNumber, nullptr, &R::spec}},
      {"kube_replicaset_status_replicas", {Family::ReplicaSetNumber, nullptr, &R::status}},
      {"kube_replicaset_status_ready_replicas", {Family::ReplicaSetNumber, nullptr, &R::ready}},
      {"kube_replicaset_created", {Family::ReplicaSetNumber, nullptr, &R::created}},
      {"kube_replicaset_owner", {Family::ReplicaSetOwner}},
      {"kube_replicaset_annotations", {Family::ReplicaSetAnnotations}},
      {"kube_pod_owner", {Family::PodOwner}},
      {"kube_pod_info", {Family::PodInfo}},
      {"kube_pod_status_phase", {Family::PodPhase}},
      {"kube_pod_status_ready", {Family::PodReady}},
      {"kube_pod_status_scheduled", {Family::PodScheduled}},
      {"kube_pod_status_unschedulable", {Family::PodUnschedulable}},
      {"kube_pod_status_reason", {Family::PodReason}},
      {"kube_pod_deletion_timestamp", {Family::PodDeletion}},
      {"kube_pod_container_status_waiting_reason", {Family::Waiting}},
      {"kube_pod_init_container_status_waiting_reason", {Family::InitWaiting}},
      {"kube_pod_container_status_last_terminated_reason", {Family::LastTerminated}},
      {"kube_pod_init_container_status_last_terminated_reason", {Family::LastTerminated}},
      {"kube_pod_container_status_last_terminated_exitcode", {Family::ExitCode}},
      {"kube_pod_container_status_restarts_total", {Family::Restarts}},
      {"kube_pod_init_container_status_restarts_total", {Family::InitRestarts}},
      {"kube_pod_container_resource_requests", {Family::Requests}},
      {"kube_node_status_condition", {Family::NodeCondition}},
      {"kube_resourcequota", {Family::Quota}},
      {"kube_horizontalpodautoscaler_info", {Family::AutoscalerInfo}},
      {"kube_hpa_spec_min_replicas", {Family::AutoscalerByName}},
      {"kube_namespace_created", {Family::Namespace}},
      {"kube_namespace_status_phase", {Family::Namespace}},
      {"up", {Family::Up}},
  };
  return kMeanings;
}

/// The label of the object, not of the target: without honor_labels Prometheus renames the former.
std::string_view object_label(const model::Labels& labels, std::string_view name) {
  std::string exported = "exported_";
  exported += name;
  const std::string_view value = labels.get(exported);
  return value.empty() ? labels.get(name) : value;
}

using ObjectName = std::pair<std::string, std::string>;  // namespace, name

void keep_newer(MaybeFact& slot, const LatestSample& sample) {
  if (!slot || slot->at <= sample.t) slot = Fact{sample.value, sample.t};
}

/// A choice among series of which one has the value 1 (phases, conditions): the newest 1 wins.
struct Choice {
  std::string value;
  std::string detail;
  model::TimestampMs at = model::kMinTimestamp;

  void offer(std::string_view candidate, const LatestSample& sample, std::string_view more = {}) {
    if (sample.value != 1 || sample.t < at) return;
    value = candidate;
    detail = more;
    at = sample.t;
  }
};

Truth truth_of(const std::string& text) {
  if (text == "true") return Truth::True;
  if (text == "false") return Truth::False;
  return Truth::Unknown;
}

struct PodDraft {
  PodEvidence pod;
  Choice phase;
  Choice ready;
  Choice scheduled;
  Choice last_terminated;
  std::string owner_kind;
};

struct ReplicaSetDraft {
  ReplicaSetEvidence set;
  std::string deployment;  // empty: not owned by one
};

struct DeploymentDraft {
  DeploymentEvidence evidence;
  std::map<std::string, Choice> conditions;
};

/// Collects all series of one cluster, then joins them. One use.
class Assembler {
 public:
  Assembler(std::string cluster, model::DurationMs bound) : bound_(bound) {
    result_.cluster = std::move(cluster);
  }

  void add_all(const std::vector<LatestSample>& samples);
  ClusterEvidence finish();

 private:
  void add(const Meaning& meaning, const LatestSample& sample);
  void add_deployment(const Meaning& meaning, const LatestSample& sample);
  void add_replica_set(const Meaning& meaning, const LatestSample& sample);
  void add_pod(Family family, const LatestSample& sample);
  void add_container(Family family, const LatestSample& sample, PodDraft& draft);
  void add_rest(Family family, const LatestSample& sample);
  void note_identity(const model::Labels& labels);
  void join_replica_sets();
  void join_pods();

  PodDraft& pod(const model::Labels& labels) {
    return pods_[{std::string(object_label(labels, "namespace")),
                  std::string(object_label(labels, "pod"))}];
  }
  DeploymentDraft* deployment(const std::string& space, const std::string& name) {
    const auto found = deployments_.find({space, name});
    return found == deployments_.end() ? nullptr : &found->second;
  }

  const model::DurationMs bound_;
  ClusterEvidence result_;
  std::map<ObjectName, DeploymentDraft> deployments_;
  std::map<ObjectName, ReplicaSetDraft> replica_sets_;
  std::map<ObjectName, PodDraft> pods_;
  std::map<std::pair<ObjectName, std::string>, QuotaEvidence>
      quotas_;  // namespace, quota; resource
  std::map<std::string, Choice> nodes_;
  std::set<ObjectName> autoscaled_;
};

void Assembler::note_identity(const model::Labels& labels) {
  if (result_.environment.empty()) result_.environment = labels.get("environment");
  if (result_.zone.empty()) result_.zone = labels.get("zone");
}

void Assembler::add_all(const std::vector<LatestSample>& samples) {
  for (const auto& s : samples) {
    if (s.labels->metric_name() != "up" && !model::is_stale(s.value)) {
      result_.scraped_at = std::max(result_.scraped_at, s.t);
    }
  }
  const bool any = result_.scraped_at != model::kMinTimestamp;
  for (const auto& s : samples) {
    note_identity(*s.labels);
    const auto found = meanings().find(s.labels->metric_name());
    if (found == meanings().end() || model::is_stale(s.value)) continue;
    if (found->second.family != Family::Up && any && s.t < result_.scraped_at - bound_) continue;
    add(found->second, s);
  }
}

void Assembler::add(const Meaning& meaning, const LatestSample& sample) {
  const model::Labels& labels = *sample.labels;
  switch (meaning.family) {
    case Family::DeploymentNumber:
    case Family::DeploymentCondition: return add_deployment(meaning, sample);
    case Family::ReplicaSetNumber:
    case Family::ReplicaSetOwner:
    case Family::ReplicaSetAnnotations: return add_replica_set(meaning, sample);
    case Family::Up:
      if (sample.value == 0) result_.down.emplace(labels.get("job"), labels.get("instance"));
      return;
    case Family::NodeCondition:
    case Family::Quota:
    case Family::AutoscalerInfo:
    case Family::AutoscalerByName:
    case Family::Namespace: return add_rest(meaning.family, sample);
    default: return add_pod(meaning.family, sample);
  }
}

void Assembler::add_deployment(const Meaning& meaning, const LatestSample& sample) {
  const model::Labels& labels = *sample.labels;
  result_.targets.emplace(labels.get("job"), labels.get("instance"));
  const ObjectName name{std::string(object_label(labels, "namespace")),
                        std::string(object_label(labels, "deployment"))};
  DeploymentDraft& draft = deployments_[name];
  if (meaning.family == Family::DeploymentNumber) {
    keep_newer(draft.evidence.*meaning.deployment, sample);
    return;
  }
  draft.conditions[std::string(labels.get("condition"))].offer(labels.get("status"), sample,
                                                               labels.get("reason"));
}

void Assembler::add_replica_set(const Meaning& meaning, const LatestSample& sample) {
  const model::Labels& labels = *sample.labels;
  ReplicaSetDraft& draft = replica_sets_[{std::string(object_label(labels, "namespace")),
                                          std::string(object_label(labels, "replicaset"))}];
  if (meaning.family == Family::ReplicaSetNumber) {
    keep_newer(draft.set.*meaning.replica_set, sample);
  } else if (meaning.family == Family::ReplicaSetOwner) {
    if (labels.get("owner_kind") == "Deployment") draft.deployment = labels.get("owner_name");
  } else {
    const std::string revision(labels.get("annotation_deployment_kubernetes_io_revision"));
    char* end = nullptr;
    const double number = std::strtod(revision.c_str(), &end);
    if (!revision.empty() && *end == '\0') draft.set.revision = Fact{number, sample.t};
  }
}

void Assembler::add_pod(Family family, const LatestSample& sample) {
  const model::Labels& labels = *sample.labels;
  PodDraft& draft = pod(labels);
  switch (family) {
    case Family::PodOwner:
      if (labels.get("owner_kind") == "ReplicaSet")
        draft.pod.replica_set = labels.get("owner_name");
      return;
    case Family::PodInfo: draft.pod.node = object_label(labels, "node"); return;
    case Family::PodPhase: return draft.phase.offer(labels.get("phase"), sample);
    case Family::PodReady: return draft.ready.offer(labels.get("condition"), sample);
    case Family::PodScheduled: return draft.scheduled.offer(labels.get("condition"), sample);
    case Family::PodUnschedulable:
      if (sample.value == 1) draft.pod.unschedulable = true;
      return;
    case Family::PodReason:
      if (sample.value == 1) draft.pod.status_reason = labels.get("reason");
      return;
    case Family::PodDeletion: draft.pod.terminating = true; return;
    default: return add_container(family, sample, draft);
  }
}

void Assembler::add_container(Family family, const LatestSample& sample, PodDraft& draft) {
  const model::Labels& labels = *sample.labels;
  PodEvidence& pod = draft.pod;
  switch (family) {
    // 1.9 writes a closed list of reasons as 0/1 for every container: only the value 1 counts, not
    // the presence.
    case Family::Waiting:
      if (sample.value == 1) pod.waiting.emplace_back(labels.get("reason"));
      return;
    case Family::InitWaiting:
      if (sample.value == 1) pod.init_waiting.emplace_back(labels.get("reason"));
      return;
    case Family::LastTerminated: return draft.last_terminated.offer(labels.get("reason"), sample);
    case Family::ExitCode: return keep_newer(pod.last_exit_code, sample);
    case Family::Restarts: pod.restarts_10m += sample.increase; return;
    case Family::InitRestarts: pod.init_restarts_10m += sample.increase; return;
    case Family::Requests:
      pod.requests[std::string(labels.get("resource"))] += sample.value;
      return;
    default: return;
  }
}

void Assembler::add_rest(Family family, const LatestSample& sample) {
  const model::Labels& labels = *sample.labels;
  const std::string space(object_label(labels, "namespace"));
  switch (family) {
    case Family::NodeCondition:
      if (labels.get("condition") == "Ready") {
        nodes_[std::string(object_label(labels, "node"))].offer(labels.get("status"), sample);
      }
      return;
    case Family::Quota: {
      const std::string resource(labels.get("resource"));
      QuotaEvidence& quota = quotas_[{{space, std::string(labels.get("resourcequota"))}, resource}];
      keep_newer(labels.get("type") == "hard" ? quota.hard : quota.used, sample);
      return;
    }
    case Family::AutoscalerInfo:
      if (labels.get("scaletargetref_kind") == "Deployment") {
        autoscaled_.emplace(space, labels.get("scaletargetref_name"));
      }
      return;
    // 1.9 does not say what an autoscaler scales; by convention it bears the name of its target.
    case Family::AutoscalerByName: autoscaled_.emplace(space, labels.get("hpa")); return;
    case Family::Namespace: result_.namespaces.insert(space); return;
    default: return;
  }
}

void Assembler::join_replica_sets() {
  for (auto& [name, draft] : replica_sets_) {
    if (draft.deployment.empty()) continue;
    DeploymentDraft* owner = deployment(name.first, draft.deployment);
    if (!owner) continue;
    draft.set.name = name.second;
    owner->evidence.replica_sets.push_back(draft.set);
  }
  for (auto& [name, draft] : deployments_) {
    DeploymentEvidence& e = draft.evidence;
    if (e.ready || e.replica_sets.empty()) continue;
    // kube-state-metrics 1.9 has no kube_deployment_status_replicas_ready; the sum over its
    // ReplicaSets is the same number.
    Fact sum;
    sum.at = model::kMaxTimestamp;
    const bool all = std::all_of(e.replica_sets.begin(), e.replica_sets.end(),
                                 [](const auto& rs) { return rs.ready.has_value(); });
    for (const auto& rs : e.replica_sets) {
      if (!all) break;
      sum.value += rs.ready->value;
      sum.at = std::min(sum.at, rs.ready->at);
    }
    if (all) e.ready = sum;
  }
}

void Assembler::join_pods() {
  for (auto& [name, draft] : pods_) {
    if (draft.pod.replica_set.empty()) continue;
    const auto set = replica_sets_.find({name.first, draft.pod.replica_set});
    if (set == replica_sets_.end() || set->second.deployment.empty()) continue;
    DeploymentDraft* owner = deployment(name.first, set->second.deployment);
    if (!owner) continue;
    PodEvidence pod = std::move(draft.pod);
    pod.name = name.second;
    pod.phase = draft.phase.value;
    pod.last_terminated = draft.last_terminated.value;
    if (!draft.ready.value.empty()) pod.ready = truth_of(draft.ready.value);
    if (draft.scheduled.value == "false") pod.unschedulable = true;
    const auto node = nodes_.find(pod.node);
    // A dead node reads "unknown", never "false", and its pods keep phase Running and ready
    // containers.
    pod.node_lost =
        node != nodes_.end() && !node->second.value.empty() && node->second.value != "true";
    owner->evidence.pods.push_back(std::move(pod));
  }
}

ClusterEvidence Assembler::finish() {
  join_replica_sets();
  join_pods();
  for (auto& [name, draft] : deployments_) {
    DeploymentEvidence& e = draft.evidence;
    e.key = WorkloadKey{name.first, name.second, result_.cluster};
    e.autoscaled = autoscaled_.contains(name);
    const auto& conditions = draft.conditions;
    const auto condition = [&conditions](const char* type) -> std::optional<Condition> {
      const auto found = conditions.find(type);
      if (found == conditions.end() || found->second.value.empty()) return std::nullopt;
      return Condition{truth_of(found->second.value), found->second.detail, found->second.at};
    };
    e.progressing = condition("Progressing");
    e.available_condition = condition("Available");
    e.replica_failure = condition("ReplicaFailure");
    for (auto& [key, quota] : quotas_) {
      if (key.first.first != name.first) continue;
      quota.name = key.first.second;
      quota.resource = key.second;
      e.quotas.push_back(quota);
    }
    WorkloadKey key = e.key;
    result_.deployments.emplace(std::move(key), std::move(e));
  }
  return std::move(result_);
}

/// The increase of a counter over samples in order: a fall is a restart of the counter.
double increase_of(const model::SeriesSamples& samples) {
  double total = 0;
  std::optional<double> previous;
  for (const double value : samples.values) {
    if (model::is_stale(value)) continue;
    if (previous) total += value >= *previous ? value - *previous : value;
    previous = value;
  }
  return total;
}

}  // namespace

model::Matcher evidence_names() {
  std::vector<std::string> names;
  for (const auto& [name, meaning] : meanings()) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  std::string expression;
  for (const auto& name : names) {
    if (!expression.empty()) expression += '|';
    expression += name;
  }
  auto matcher =
      model::Matcher::make(model::MatchType::Regex, std::string(model::kMetricName), expression);
  AERIE_CHECK(matcher.ok(), "the list of evidence names is no regular expression");
  return std::move(matcher).value();
}

bool is_restart_counter(std::string_view metric_name) {
  const auto found = meanings().find(metric_name);
  if (found == meanings().end()) return false;
  return found->second.family == Family::Restarts || found->second.family == Family::InitRestarts;
}

model::DurationMs evidence_bound(model::DurationMs scrape_interval) {
  return std::max<model::DurationMs>(scrape_interval * 5 / 2, 60'000);
}

ClusterEvidence assemble(std::string cluster, const std::vector<LatestSample>& samples,
                         model::DurationMs bound) {
  Assembler assembler(std::move(cluster), bound);
  assembler.add_all(samples);
  return assembler.finish();
}

model::Matcher cluster_matcher(std::string_view cluster) {
  return model::Matcher::equal(
      "cluster", cluster == kUnlabelledCluster ? std::string() : std::string(cluster));
}

Result<ClusterEvidence> read_evidence(const model::SampleSource& source,
                                      const store::ClusterArrival& arrival) {
  if (arrival.watermark == model::kMinTimestamp) return assemble(arrival.cluster, {}, 0);
  const model::DurationMs bound = evidence_bound(arrival.interval);
  // Samples may arrive while we read: the end lies ahead of the watermark.
  const model::TimestampMs last = arrival.watermark + kRestartWindow;
  const model::TimeRange newest{arrival.watermark - bound, last};
  const model::TimeRange restarts{arrival.watermark - kRestartWindow, last};
  const model::Matchers matchers{evidence_names(), cluster_matcher(arrival.cluster)};
  auto selection = source.select(matchers, restarts);
  if (!selection) return std::move(selection).error().with("read evidence of " + arrival.cluster);
  std::vector<LatestSample> latest;
  latest.reserve((*selection)->size());
  model::SeriesSamples samples;
  for (size_t i = 0; i < (*selection)->size(); ++i) {
    const model::Labels& labels = (*selection)->labels(i);
    const bool counter = is_restart_counter(labels.metric_name());
    if (auto read = (*selection)->read(i, counter ? restarts : newest, samples); !read) {
      return std::move(read).error().with("read evidence of " + arrival.cluster);
    }
    if (samples.timestamps.empty() || samples.timestamps.back() < newest.first) continue;
    latest.push_back({&labels, samples.timestamps.back(), samples.values.back(),
                      counter ? increase_of(samples) : 0});
  }
  return assemble(arrival.cluster, latest, bound);
}

}  // namespace aerie::clusters
