#include "clusters/evidence.h"

#include <algorithm>
#include <array>
#include <set>

namespace aerie::clusters {

namespace {

struct Required {
  std::array<const char*, kKinds> names;  // null: this kind has no such series
  MaybeFact DeploymentEvidence::*fact;
};

using D = DeploymentEvidence;
// A Rollout's ready and created replicas are its ReplicaSets'; nothing tells its generation.
constexpr std::array<Required, 7> kRequired = {{
    {{"kube_deployment_metadata_generation", nullptr, "kube_statefulset_metadata_generation",
      "kube_daemonset_metadata_generation"},
     &D::generation},
    {{"kube_deployment_spec_replicas", "rollout_info_replicas_desired", "kube_statefulset_replicas",
      "kube_daemonset_status_desired_number_scheduled"},
     &D::spec_replicas},
    {{"kube_deployment_status_observed_generation", nullptr,
      "kube_statefulset_status_observed_generation", "kube_daemonset_status_observed_generation"},
     &D::observed_generation},
    {{"kube_deployment_status_replicas", "kube_replicaset_status_replicas",
      "kube_statefulset_status_replicas", "kube_daemonset_status_current_number_scheduled"},
     &D::replicas},
    {{"kube_deployment_status_replicas_available", "rollout_info_replicas_available",
      "kube_statefulset_status_replicas_available", "kube_daemonset_status_number_available"},
     &D::available},
    {{"kube_deployment_status_replicas_ready", "kube_replicaset_status_ready_replicas",
      "kube_statefulset_status_replicas_ready", "kube_daemonset_status_number_ready"},
     &D::ready},
    {{"kube_deployment_status_replicas_updated", "rollout_info_replicas_updated",
      "kube_statefulset_status_replicas_updated", "kube_daemonset_status_updated_number_scheduled"},
     &D::updated},
}};

bool is_active(const ReplicaSetEvidence& rs) {
  return (rs.spec && rs.spec->value > 0) || (rs.status && rs.status->value > 0);
}

const ReplicaSetEvidence* by_revision(const std::vector<ReplicaSetEvidence>& sets) {
  const ReplicaSetEvidence* best = nullptr;
  for (const auto& rs : sets) {
    if (!rs.revision) continue;
    if (!best || rs.revision->value > best->revision->value) best = &rs;
  }
  return best;
}

}  // namespace

std::vector<std::string> DeploymentEvidence::missing() const {
  std::vector<std::string> names;
  for (const auto& required : kRequired) {
    const char* name = required.names[static_cast<size_t>(key.kind)];
    if (name && !(this->*required.fact)) names.emplace_back(name);
  }
  return names;
}

std::optional<model::TimestampMs> DeploymentEvidence::oldest() const {
  std::optional<model::TimestampMs> result;
  for (const auto& required : kRequired) {
    const MaybeFact& fact = this->*required.fact;
    if (fact && (!result || fact->at < *result)) result = fact->at;
  }
  return result;
}

std::optional<model::TimestampMs> DeploymentEvidence::newest() const {
  std::optional<model::TimestampMs> result;
  for (const auto& required : kRequired) {
    const MaybeFact& fact = this->*required.fact;
    if (fact && (!result || fact->at > *result)) result = fact->at;
  }
  return result;
}

std::vector<std::string> DeploymentEvidence::images() const {
  const ReplicaSetEvidence* newest = new_replica_set();
  std::set<std::string> images;
  for (const auto& pod : pods) {
    if (newest && pod.replica_set != newest->name) continue;
    for (const auto& [container, image] : pod.images) images.insert(image);
  }
  return {images.begin(), images.end()};
}

const ReplicaSetEvidence* DeploymentEvidence::new_replica_set() const {
  if (const auto* rs = by_revision(replica_sets)) return rs;
  const ReplicaSetEvidence* newest_active = nullptr;
  const ReplicaSetEvidence* newest_match = nullptr;
  const auto newer = [](const ReplicaSetEvidence& a, const ReplicaSetEvidence* b) {
    return !b || (a.created ? a.created->value : 0) > (b->created ? b->created->value : 0);
  };
  for (const auto& rs : replica_sets) {
    if (!is_active(rs)) continue;
    if (newer(rs, newest_active)) newest_active = &rs;
    const bool matches = rs.status && updated && rs.status->value == updated->value;
    if (matches && newer(rs, newest_match)) newest_match = &rs;
  }
  if (newest_match) return newest_match;
  // Pods there are, none of them new: paused with a new template, whose ReplicaSet does not exist
  // yet.
  if (updated && updated->value == 0 && replicas && replicas->value > 0) return nullptr;
  return newest_active;
}

}  // namespace aerie::clusters
