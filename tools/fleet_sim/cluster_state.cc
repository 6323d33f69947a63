#include "tools/fleet_sim/cluster_state.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace aerie::fleet_sim {

namespace {
constexpr std::array<std::string_view, kFaults> kNames = {
    "quota", "bad_image", "crash_loop", "unschedulable", "node_down", "silent"};
}

std::string_view fault_name(Fault fault) { return kNames[static_cast<size_t>(fault)]; }

bool parse_fault(std::string_view name, Fault& fault) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return false;
  fault = static_cast<Fault>(found - kNames.begin());
  return true;
}

int ReplicaSet::alive() const {
  return static_cast<int>(
      std::count_if(pods.begin(), pods.end(), [](const Pod& pod) { return !pod.terminating(); }));
}

int ReplicaSet::ready() const {
  return static_cast<int>(std::count_if(
      pods.begin(), pods.end(), [](const Pod& pod) { return !pod.terminating() && pod.ready(); }));
}

Template Deployment::wanted() const {
  Template made{base_image, cpu};
  if (faults.contains(Fault::BadImage)) made.image += "-missing";
  if (faults.contains(Fault::CrashLoop)) made.image += "-crash";
  if (faults.contains(Fault::Unschedulable)) made.cpu = 512;
  return made;
}

int Deployment::max_surge() const { return static_cast<int>(std::ceil(replicas * 0.25)); }
int Deployment::max_unavailable() const { return static_cast<int>(std::floor(replicas * 0.25)); }

int ClusterState::pods_in(const std::string& space) const {
  int count = 0;
  for (const auto& deployment : deployments) {
    if (deployment.space != space) continue;
    for (const auto& set : deployment.sets) count += static_cast<int>(set.pods.size());
  }
  return count;
}

Deployment* ClusterState::find(std::string_view deployment) {
  for (auto& each : deployments) {
    if (deployment == each.name || deployment == each.space + "/" + each.name) return &each;
  }
  return nullptr;
}

}  // namespace aerie::fleet_sim
