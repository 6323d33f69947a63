#include "clusters/row_builder.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace aerie::clusters {

namespace {

std::optional<int64_t> integer(const MaybeFact& fact) {
  if (!fact) return std::nullopt;
  return static_cast<int64_t>(fact->value);
}

/// The last part of a ReplicaSet's name is the hash of its template.
std::string template_of(const DeploymentEvidence& e) {
  const auto* newest = e.new_replica_set();
  if (!newest) return {};
  const size_t dash = newest->name.rfind('-');
  return dash == std::string::npos ? newest->name : newest->name.substr(dash + 1);
}

std::vector<PodRow> pods_of(const DeploymentEvidence& e) {
  const auto* newest = e.new_replica_set();
  std::vector<PodRow> rows;
  rows.reserve(e.pods.size());
  for (const auto& pod : e.pods) {
    PodRow row;
    row.name = pod.name;
    row.node = pod.node;
    row.phase = pod.phase;
    row.reason = pod_reason(pod);
    row.message = pod.message;
    row.ready = pod.ready == Truth::True;
    row.newest = !newest || pod.replica_set == newest->name;
    row.restarts_10m = pod.restarts_10m + pod.init_restarts_10m;
    rows.push_back(std::move(row));
  }
  return rows;
}

void fill_observed(const DeploymentEvidence& e, DeploymentRow& row) {
  row.spec = integer(e.spec_replicas);
  row.created = integer(e.replicas);
  row.updated = integer(e.updated);
  row.ready = integer(e.ready);
  row.available = integer(e.available);
  row.generation = integer(e.generation);
  row.evidence_at = e.oldest();
  row.autoscaled = e.autoscaled;
  row.template_id = template_of(e);
  row.images = e.images();
  row.pods = pods_of(e);
}

bool same_causes(const std::vector<Cause>& a, const std::vector<Cause>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Cause& x, const Cause& y) {
    return std::tie(x.kind, x.detail, x.count, x.message) ==
           std::tie(y.kind, y.detail, y.count, y.message);
  });
}

bool same_pods(const std::vector<PodRow>& a, const std::vector<PodRow>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PodRow& x, const PodRow& y) {
    return std::tie(x.name, x.node, x.phase, x.reason, x.message, x.ready, x.newest) ==
           std::tie(y.name, y.node, y.phase, y.reason, y.message, y.ready, y.newest);
  });
}

}  // namespace

DeploymentRow make_row(const ClusterRow& cluster, const Case& matter, const WorkloadKey& key,
                       Judgement judgement) {
  DeploymentRow row;
  row.key = key;
  row.environment = cluster.environment;
  row.zone = cluster.zone;
  row.settled = judgement.settled;
  row.rollout_began =
      judgement.memory.rollout ? std::optional(judgement.memory.rollout->began) : std::nullopt;
  row.last_complete = judgement.memory.last_complete;
  if (judgement.verdict.phase == Phase::Unknown && judgement.memory.last_known) {
    row.last_known = judgement.memory.last_known->phase;
    row.last_known_reason = judgement.memory.last_known->reason;
  }
  row.desired = judgement.memory.spec_replicas;
  if (matter.desired && matter.desired->replicas) row.desired = matter.desired->replicas;
  if (matter.desired) row.desired_source = matter.desired->source;
  row.verdict = std::move(judgement.verdict);
  const bool believed = matter.witness == Witness::Sound || matter.witness == Witness::Partial;
  if (matter.observed && believed) fill_observed(*matter.observed, row);
  return row;
}

bool same_to_readers(const DeploymentRow& a, const DeploymentRow& b) {
  const auto seen = [](const DeploymentRow& r) {
    return std::tie(r.environment, r.zone, r.verdict.phase, r.verdict.reason, r.verdict.message,
                    r.verdict.since, r.verdict.warnings, r.desired, r.spec, r.created, r.updated,
                    r.ready, r.available, r.generation, r.desired_source, r.autoscaled,
                    r.template_id, r.images, r.rollout_began);
  };
  return seen(a) == seen(b) && same_causes(a.verdict.causes, b.verdict.causes) &&
         same_pods(a.pods, b.pods);
}

}  // namespace aerie::clusters
