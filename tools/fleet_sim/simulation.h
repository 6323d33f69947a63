#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tools/fleet_sim/cluster_state.h"

namespace aerie::fleet_sim {

/// One cluster that plays Deployment controller, ReplicaSet controller, scheduler and kubelet in
/// steps of one second. Deterministic: the same seed, start and calls give the same history. Not
/// thread-safe.
class Simulation {
 public:
  /// Begins with the default workloads all complete, deployed an hour before `now`.
  Simulation(std::string cluster, uint64_t seed, TimestampMs now);

  /// Plays on until `now`; nothing happens if that is past.
  void advance_to(TimestampMs now);

  /// `deployment` is "name" or "namespace/name"; ignored for node_down and silent. A fault of a
  /// Deployment begins with a rollout, as it would in life. Errors: NotFound for an unknown
  /// Deployment.
  Status set_fault(Fault fault, std::string_view deployment, bool on);
  Status rollout(std::string_view deployment, std::string image);
  Status scale(std::string_view deployment, int replicas);

  const ClusterState& state() const { return state_; }
  TimestampMs now() const { return now_; }
  /// `fault deployment` lines of what is switched on.
  std::vector<std::pair<Fault, std::string>> faults() const;

 private:
  void deploy(std::string space, std::string name, std::string image, int replicas);
  void step();
  void control_deployment(Deployment& deployment);
  ReplicaSet& newest_set(Deployment& deployment);
  void roll(Deployment& deployment, ReplicaSet& newest);
  void control_set(Deployment& deployment, ReplicaSet& set);
  void create_pod(Deployment& deployment, ReplicaSet& set);
  void remove_pods(ReplicaSet& set, int count);
  void schedule(Pod& pod, const Template& made_of);
  void run_pod(Pod& pod, const Deployment& deployment, const ReplicaSet& set);
  void start_container(Pod& pod, const ReplicaSet& set);
  void pull_failed(Pod& pod);
  void crashed(Pod& pod, const Template& made_of);
  void update_status(Deployment& deployment);
  int64_t random(int64_t least, int64_t most);
  std::string random_name(size_t length);

  ClusterState state_;
  uint64_t random_state_;
  TimestampMs now_;
};

}  // namespace aerie::fleet_sim
