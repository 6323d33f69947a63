#include "clusters/evidence.h"

#include <algorithm>
#include <array>
#include <utility>

namespace aerie::clusters {

namespace {

using Required = std::pair<const char*, const MaybeFact*>;

std::array<Required, 7> required_facts(const DeploymentEvidence& e) {
  return {Required{"kube_deployment_metadata_generation", &e.generation},
          Required{"kube_deployment_spec_replicas", &e.spec_replicas},
          Required{"kube_deployment_status_observed_generation", &e.observed_generation},
          Required{"kube_deployment_status_replicas", &e.replicas},
          Required{"kube_deployment_status_replicas_available", &e.available},
          Required{"kube_deployment_status_replicas_ready", &e.ready},
          Required{"kube_deployment_status_replicas_updated", &e.updated}};
}

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
  for (const auto& [name, fact] : required_facts(*this)) {
    if (!*fact) names.emplace_back(name);
  }
  return names;
}

std::optional<model::TimestampMs> DeploymentEvidence::oldest() const {
  std::optional<model::TimestampMs> result;
  for (const auto& [name, fact] : required_facts(*this)) {
    if (*fact && (!result || (*fact)->at < *result)) result = (*fact)->at;
  }
  return result;
}

std::optional<model::TimestampMs> DeploymentEvidence::newest() const {
  std::optional<model::TimestampMs> result;
  for (const auto& [name, fact] : required_facts(*this)) {
    if (*fact && (!result || (*fact)->at > *result)) result = (*fact)->at;
  }
  return result;
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
