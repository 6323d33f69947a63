#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/time.h"

namespace aerie::fleet_sim {

using model::TimestampMs;

enum class Fault : uint8_t { Quota, BadImage, CrashLoop, Unschedulable, NodeDown, Silent };
inline constexpr size_t kFaults = 6;
std::string_view fault_name(Fault fault);
/// False for an unknown name.
bool parse_fault(std::string_view name, Fault& fault);

/// What a pod is made of. An image whose name holds `missing` cannot be pulled; `crash` and `oom`
/// end right after their start.
struct Template {
  std::string image;
  double cpu = 0.1;
  double memory = 128.0 * 1024 * 1024;
  bool operator==(const Template&) const = default;
};

struct Pod {
  std::string name;
  std::string uid;
  std::string ip;
  std::string node;  // empty: not bound
  TimestampMs created = 0;
  TimestampMs scheduled = 0;
  TimestampMs started = 0;   // of its container, this time
  TimestampMs ready_at = 0;  // 0: not ready
  TimestampMs gone_at = 0;   // > 0: terminating until then
  bool unschedulable = false;
  bool running = false;
  std::string waiting = "ContainerCreating";  // reason, while not running
  int restarts = 0;
  int failed_pulls = 0;
  std::string last_terminated;
  int last_exit_code = 0;
  TimestampMs last_terminated_at = 0;
  TimestampMs next_at = 0;  // when its container changes next

  bool terminating() const { return gone_at > 0; }
  bool ready() const { return ready_at > 0; }
};

struct ReplicaSet {
  std::string name;
  Template made_of;
  TimestampMs created = 0;
  int revision = 1;
  int spec = 0;
  int generation = 1;
  bool create_failed = false;
  TimestampMs retry_at = 0;
  TimestampMs backoff = 0;
  std::vector<Pod> pods;

  int alive() const;  ///< not terminating
  int ready() const;
};

struct DeploymentCondition {
  std::string status;  // "true", "false"; empty: the Deployment does not have it
  std::string reason;
};

struct Deployment {
  std::string space;  // its namespace
  std::string name;
  std::string base_image;
  double cpu = 0.1;
  int replicas = 1;
  bool probe = true;  // without one a pod is ready as soon as it runs
  bool paused = false;
  bool autoscaled = false;
  TimestampMs created = 0;
  int generation = 1;
  int observed_generation = 0;
  int revisions = 0;
  std::set<Fault> faults;
  TimestampMs progress_at = 0;
  DeploymentCondition progressing;
  DeploymentCondition available;
  DeploymentCondition replica_failure;
  int status_replicas = 0;
  int status_ready = 0;
  int status_available = 0;
  int status_updated = 0;
  std::vector<ReplicaSet> sets;

  Template wanted() const;      ///< base image and what the faults make of it
  int max_surge() const;        ///< 25 %, rounded up as Kubernetes does
  int max_unavailable() const;  ///< 25 %, rounded down
};

struct Node {
  std::string name;
  std::string ip;
  double cpu = 8;
  double memory = 32.0 * 1024 * 1024 * 1024;
  int pods = 110;
  bool ready = true;
};

struct ClusterState {
  std::string name;
  TimestampMs created = 0;
  std::vector<Node> nodes;
  std::map<std::string, int> pod_quotas;  // namespace -> hard
  std::vector<Deployment> deployments;
  bool silent = false;

  int pods_in(const std::string& space) const;  ///< what the quota counts
  Deployment* find(
      std::string_view deployment);  ///< "name" or "namespace/name"; null if there is none
};

}  // namespace aerie::fleet_sim
