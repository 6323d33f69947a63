#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "clusters/workload.h"
#include "model/time.h"

namespace aerie::clusters {

/// One number of evidence and the member's own time of it. Evidence that is not there is an empty
/// optional: Unknown, never zero.
struct Fact {
  double value = 0;
  model::TimestampMs at = 0;
};
using MaybeFact = std::optional<Fact>;

enum class Truth : uint8_t { False, True, Unknown };

/// A condition of a Deployment. `reason` is empty before kube-state-metrics 2.17, which does not
/// write it.
struct Condition {
  Truth status = Truth::Unknown;
  std::string reason;
  model::TimestampMs at = 0;
  std::string message;  ///< Kubernetes' own words; empty from kube-state-metrics
};

struct ReplicaSetEvidence {
  std::string name;
  MaybeFact spec;
  MaybeFact status;
  MaybeFact ready;
  MaybeFact created;   ///< seconds, the member's clock
  MaybeFact revision;  ///< only with --metric-annotations-allowlist
};

struct PodEvidence {
  std::string name;
  std::string replica_set;
  std::string node;           ///< empty while it is not bound
  std::string phase;          ///< Pending, Running, …; empty: not known
  std::string status_reason;  ///< Evicted, NodeLost …; kube-state-metrics 2 only
  Truth ready =
      Truth::Unknown;  ///< an unbound pod has no such series: Unknown means "not known to be ready"
  bool unschedulable = false;
  bool terminating = false;
  bool node_lost = false;                 ///< bound to a node whose Ready is not true
  std::vector<std::string> waiting;       ///< reasons of its containers, those that hold now
  std::vector<std::string> init_waiting;  ///< the same of its init containers
  std::string last_terminated;            ///< OOMKilled, Error …
  MaybeFact last_exit_code;
  double restarts_10m = 0;  ///< of all its containers, over the last ten minutes
  double init_restarts_10m = 0;
  std::map<std::string, double> requests;  ///< by resource, all containers together
  std::string message;  ///< Kubernetes' own words on why it waits; empty from kube-state-metrics
  MaybeFact created;    ///< seconds, the member's clock
  MaybeFact scheduled_time;                   ///< seconds, the member's clock
  MaybeFact ready_time;                       ///< seconds, the member's clock
  std::map<std::string, std::string> images;  ///< by container, as asked for
};

struct QuotaEvidence {
  std::string name;
  std::string resource;  ///< "pods", "requests.cpu", "count/pods" …
  MaybeFact hard;
  MaybeFact used;
};

/// All that is known of one workload in one cluster. A value, judged by judge(). Named after the
/// first of its kinds; a DaemonSet's replicas are the nodes it should run on.
struct DeploymentEvidence {
  WorkloadKey key;
  MaybeFact spec_replicas;
  MaybeFact generation;
  MaybeFact observed_generation;
  MaybeFact replicas;
  MaybeFact ready;  ///< from its ReplicaSets where kube-state-metrics 1.9 does not write it
  MaybeFact available;
  MaybeFact unavailable;
  MaybeFact updated;
  MaybeFact paused;
  MaybeFact deletion;  ///< seconds; kube-state-metrics >= 2.17
  std::optional<Condition> progressing;
  std::optional<Condition> available_condition;
  std::optional<Condition>
      replica_failure;      ///< empty although others are known: the Deployment does not have it
  bool autoscaled = false;  ///< an autoscaler owns its replicas
  bool managed = false;     ///< a federation's label says that it put it there
  std::vector<ReplicaSetEvidence> replica_sets;
  std::vector<PodEvidence> pods;
  std::vector<QuotaEvidence> quotas;  ///< of its namespace

  /// Names of the series without which nothing may be called complete and that are not known,
  /// sorted.
  std::vector<std::string> missing() const;
  /// Oldest time among the known required facts; empty if none is known.
  std::optional<model::TimestampMs> oldest() const;
  std::optional<model::TimestampMs> newest() const;
  /// Images of the pods of the newest template, sorted, each once; empty: not known.
  std::vector<std::string> images() const;
  bool conditions_known() const { return progressing || available_condition || replica_failure; }
  /// The ReplicaSet of the newest template, or null when it does not exist or cannot be told. By
  /// revision where known; else the one whose pods are the updated ones (the newest by creation
  /// would be wrong after a rollback).
  const ReplicaSetEvidence* new_replica_set() const;
};

/// What one evaluation can learn of a cluster without reading its workloads.
struct ShardCount {
  size_t alive = 0;
  size_t total = 0;  ///< 0: not sharded, or not told
};

/// What Prometheus scraped: job and instance.
using Target = std::pair<std::string, std::string>;

/// One cluster, as its kube-state-metrics says.
struct ClusterEvidence {
  std::string cluster;
  std::string environment;
  std::string zone;
  model::TimestampMs scraped_at =
      model::kMinTimestamp;          ///< newest live kube-state-metrics sample; min: none
  std::set<Target> targets;          ///< those the Deployments' series came from
  std::set<Target> down;             ///< every target of the cluster whose `up` is 0 now
  std::set<std::string> namespaces;  ///< empty: not told
  ShardCount shards;
  std::set<std::string> unlistable;  ///< resources kube-state-metrics fails to list or watch
  std::map<WorkloadKey, DeploymentEvidence> deployments;
};

}  // namespace aerie::clusters
