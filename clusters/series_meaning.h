#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "clusters/evidence.h"
#include "model/matcher.h"

namespace aerie::clusters {

/// What a series speaks of. Where a comment names labels, these carry the message beside the value.
enum class Family : uint8_t {
  WorkloadNumber,
  Condition,      ///< condition, status, reason
  RolloutPhase,   ///< phase (of an Argo Rollout)
  ManagedLabels,  ///< label_kubefed_io_managed and the like
  ReplicaSetNumber,
  ReplicaSetOwner,     ///< owner_kind, owner_name
  ReplicaSetRevision,  ///< annotation_deployment_kubernetes_io_revision
  PodOwner,            ///< owner_kind, owner_name
  PodInfo,             ///< node
  PodPhase,            ///< phase
  PodReady,            ///< condition
  PodScheduled,        ///< condition
  PodUnschedulable,
  PodReason,  ///< reason
  PodNumber,
  PodDeletion,
  Waiting,         ///< container, reason
  InitWaiting,     ///< container, reason
  LastTerminated,  ///< container, reason
  ExitCode,
  Restarts,
  InitRestarts,
  Requests,       ///< resource
  Image,          ///< container, image
  NodeCondition,  ///< condition, status
  Quota,          ///< resource, type
  AutoscalerInfo,
  AutoscalerByName,
  Namespace,
  TotalShards,
  ShardOrdinal,  ///< shard_ordinal
  Listing,       ///< resource, result: the self-metrics of kube-state-metrics
  Up
};

/// What is counted under one name: which object's labels to look at, and where a number goes.
enum class Subject : uint8_t { Workload, ReplicaSet, Pod, Node, Quota, Autoscaler, Cluster };

struct Meaning {
  Family family;
  Subject subject;
  Kind kind = Kind::Deployment;  ///< for Subject::Workload
  MaybeFact DeploymentEvidence::*workload_fact = nullptr;
  MaybeFact ReplicaSetEvidence::*replica_set_fact = nullptr;
  MaybeFact PodEvidence::*pod_fact = nullptr;
};

/// The meaning of a metric of kube-state-metrics 1.9 or 2.x, of Argo Rollouts, or of `up`; null: it
/// tells nothing. The pointer is valid for ever.
const Meaning* meaning_of(std::string_view metric_name);

/// The names of all metrics that have a meaning, sorted.
std::vector<std::string> evidence_metric_names();
/// All of them, as one matcher on the metric's name.
model::Matcher evidence_names();
/// True for what kube-state-metrics says of the cluster, false for what is said of it and of
/// others: its samples tell when the target was scraped.
bool tells_of_scrape(const Meaning& meaning);
bool is_restart_counter(std::string_view metric_name);

/// The label of the object, not of the target: without honor_labels Prometheus renames the former
/// to `exported_…`.
std::string_view object_label(const model::Labels& labels, std::string_view name);

}  // namespace aerie::clusters
