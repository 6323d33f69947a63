#include "clusters/series_meaning.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"

namespace aerie::clusters {

namespace {

using D = DeploymentEvidence;
using R = ReplicaSetEvidence;
using P = PodEvidence;
using Table = std::unordered_map<std::string_view, Meaning>;

Meaning workload(Kind kind, MaybeFact D::*fact) {
  return {Family::WorkloadNumber, Subject::Workload, kind, fact};
}
Meaning replica_set(MaybeFact R::*fact) {
  return {Family::ReplicaSetNumber, Subject::ReplicaSet, Kind::Deployment, nullptr, fact};
}
Meaning pod(Family family, MaybeFact P::*fact = nullptr) {
  return {family, Subject::Pod, Kind::Deployment, nullptr, nullptr, fact};
}

void add_workloads(Table& t) {
  const auto add = [&t](Kind kind, std::string_view name, MaybeFact D::*fact) {
    t.emplace(name, workload(kind, fact));
  };
  constexpr Kind kD = Kind::Deployment;
  add(kD, "kube_deployment_spec_replicas", &D::spec_replicas);
  add(kD, "kube_deployment_metadata_generation", &D::generation);
  add(kD, "kube_deployment_status_observed_generation", &D::observed_generation);
  add(kD, "kube_deployment_status_replicas", &D::replicas);
  add(kD, "kube_deployment_status_replicas_ready", &D::ready);
  add(kD, "kube_deployment_status_replicas_available", &D::available);
  add(kD, "kube_deployment_status_replicas_unavailable", &D::unavailable);
  add(kD, "kube_deployment_status_replicas_updated", &D::updated);
  add(kD, "kube_deployment_spec_paused", &D::paused);
  add(kD, "kube_deployment_deletion_timestamp", &D::deletion);
  t.emplace("kube_deployment_status_condition", Meaning{Family::Condition, Subject::Workload});
  t.emplace("kube_deployment_labels", Meaning{Family::ManagedLabels, Subject::Workload});
  constexpr Kind kR = Kind::Rollout;
  add(kR, "rollout_info_replicas_desired", &D::spec_replicas);
  add(kR, "rollout_info_replicas_available", &D::available);
  add(kR, "rollout_info_replicas_unavailable", &D::unavailable);
  add(kR, "rollout_info_replicas_updated", &D::updated);
  t.emplace("rollout_info", Meaning{Family::RolloutPhase, Subject::Workload, kR});
  constexpr Kind kS = Kind::StatefulSet;
  add(kS, "kube_statefulset_replicas", &D::spec_replicas);
  add(kS, "kube_statefulset_metadata_generation", &D::generation);
  add(kS, "kube_statefulset_status_observed_generation", &D::observed_generation);
  add(kS, "kube_statefulset_status_replicas", &D::replicas);
  add(kS, "kube_statefulset_status_replicas_ready", &D::ready);
  add(kS, "kube_statefulset_status_replicas_available", &D::available);
  add(kS, "kube_statefulset_status_replicas_updated", &D::updated);
  add(kS, "kube_statefulset_deletion_timestamp", &D::deletion);
  constexpr Kind kE = Kind::DaemonSet;
  add(kE, "kube_daemonset_status_desired_number_scheduled", &D::spec_replicas);
  add(kE, "kube_daemonset_metadata_generation", &D::generation);
  add(kE, "kube_daemonset_status_observed_generation", &D::observed_generation);
  add(kE, "kube_daemonset_status_current_number_scheduled", &D::replicas);
  add(kE, "kube_daemonset_status_number_ready", &D::ready);
  add(kE, "kube_daemonset_status_number_available", &D::available);
  add(kE, "kube_daemonset_status_number_unavailable", &D::unavailable);
  add(kE, "kube_daemonset_status_updated_number_scheduled", &D::updated);
  add(kE, "kube_daemonset_updated_number_scheduled", &D::updated);  // 1.9
  add(kE, "kube_daemonset_deletion_timestamp", &D::deletion);
}

void add_pods(Table& t) {
  t.emplace("kube_pod_owner", pod(Family::PodOwner));
  t.emplace("kube_pod_info", pod(Family::PodInfo));
  t.emplace("kube_pod_status_phase", pod(Family::PodPhase));
  t.emplace("kube_pod_status_ready", pod(Family::PodReady));
  t.emplace("kube_pod_status_scheduled", pod(Family::PodScheduled));
  t.emplace("kube_pod_status_unschedulable", pod(Family::PodUnschedulable));
  t.emplace("kube_pod_status_reason", pod(Family::PodReason));
  t.emplace("kube_pod_deletion_timestamp", pod(Family::PodDeletion));
  t.emplace("kube_pod_created", pod(Family::PodNumber, &P::created));
  t.emplace("kube_pod_status_scheduled_time", pod(Family::PodNumber, &P::scheduled_time));
  t.emplace("kube_pod_status_ready_time", pod(Family::PodNumber, &P::ready_time));
  t.emplace("kube_pod_container_info", pod(Family::Image));
  t.emplace("kube_pod_container_status_waiting_reason", pod(Family::Waiting));
  t.emplace("kube_pod_init_container_status_waiting_reason", pod(Family::InitWaiting));
  t.emplace("kube_pod_container_status_last_terminated_reason", pod(Family::LastTerminated));
  t.emplace("kube_pod_init_container_status_last_terminated_reason", pod(Family::LastTerminated));
  t.emplace("kube_pod_container_status_last_terminated_exitcode", pod(Family::ExitCode));
  t.emplace("kube_pod_container_status_restarts_total", pod(Family::Restarts));
  t.emplace("kube_pod_init_container_status_restarts_total", pod(Family::InitRestarts));
  t.emplace("kube_pod_container_resource_requests", pod(Family::Requests));
}

Table make_table() {
  Table t;
  add_workloads(t);
  add_pods(t);
  t.emplace("kube_replicaset_spec_replicas", replica_set(&R::spec));
  t.emplace("kube_replicaset_status_replicas", replica_set(&R::status));
  t.emplace("kube_replicaset_status_ready_replicas", replica_set(&R::ready));
  t.emplace("kube_replicaset_created", replica_set(&R::created));
  t.emplace("kube_replicaset_owner", Meaning{Family::ReplicaSetOwner, Subject::ReplicaSet});
  t.emplace("kube_replicaset_annotations",
            Meaning{Family::ReplicaSetRevision, Subject::ReplicaSet});
  t.emplace("kube_node_status_condition", Meaning{Family::NodeCondition, Subject::Node});
  t.emplace("kube_resourcequota", Meaning{Family::Quota, Subject::Quota});
  t.emplace("kube_horizontalpodautoscaler_info",
            Meaning{Family::AutoscalerInfo, Subject::Autoscaler});
  t.emplace("kube_hpa_spec_min_replicas", Meaning{Family::AutoscalerByName, Subject::Autoscaler});
  t.emplace("kube_namespace_created", Meaning{Family::Namespace, Subject::Cluster});
  t.emplace("kube_namespace_status_phase", Meaning{Family::Namespace, Subject::Cluster});
  t.emplace("kube_state_metrics_total_shards", Meaning{Family::TotalShards, Subject::Cluster});
  t.emplace("kube_state_metrics_shard_ordinal", Meaning{Family::ShardOrdinal, Subject::Cluster});
  t.emplace("kube_state_metrics_list_total", Meaning{Family::Listing, Subject::Cluster});
  t.emplace("kube_state_metrics_watch_total", Meaning{Family::Listing, Subject::Cluster});
  t.emplace("up", Meaning{Family::Up, Subject::Cluster});
  return t;
}

const Table& meanings() {
  static const Table kTable = make_table();
  return kTable;
}

}  // namespace

const Meaning* meaning_of(std::string_view metric_name) {
  const auto found = meanings().find(metric_name);
  return found == meanings().end() ? nullptr : &found->second;
}

std::vector<std::string> evidence_metric_names() {
  std::vector<std::string> names;
  for (const auto& [name, meaning] : meanings()) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

model::Matcher evidence_names() {
  std::string expression;
  for (const auto& name : evidence_metric_names()) {
    if (!expression.empty()) expression += '|';
    expression += name;
  }
  auto matcher =
      model::Matcher::make(model::MatchType::Regex, std::string(model::kMetricName), expression);
  AERIE_CHECK(matcher.ok(), "the list of evidence names is no regular expression");
  return std::move(matcher).value();
}

bool tells_of_scrape(const Meaning& meaning) {
  return meaning.family != Family::Up && meaning.family != Family::Listing &&
         meaning.family != Family::ShardOrdinal && meaning.family != Family::TotalShards;
}

bool is_restart_counter(std::string_view metric_name) {
  const Meaning* meaning = meaning_of(metric_name);
  return meaning &&
         (meaning->family == Family::Restarts || meaning->family == Family::InitRestarts);
}

std::string_view object_label(const model::Labels& labels, std::string_view name) {
  std::string_view own;
  for (const auto& [label, value] : labels) {
    if (label == name) own = value;
    if (label.size() == name.size() + 9 && label.starts_with("exported_") && label.ends_with(name))
      return value;
  }
  return own;
}

}  // namespace aerie::clusters
