#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "base/work_pool.h"
#include "http/router.h"
#include "tools/fleet_sim/simulation.h"

namespace aerie::fleet_sim {

/// Several simulated clusters behind HTTP. Thread-safe; each request first plays its cluster on
/// until now.
class FleetService {
 public:
  FleetService(const std::vector<std::string>& clusters, uint64_t seed,
               const Clock& clock);  // `clock` outlives it

  /// `calm`: nothing is wrong. `demo`: the rollout of nginx in the last cluster is blocked by a
  /// quota. Errors: InvalidArgument.
  Status play_scenario(const std::string& name);

  /// The service and `pool` outlive the router.
  void register_routes(http::Router& router, WorkPool& pool);

  http::Response metrics(const std::string& cluster);
  http::Response change_fault(const std::string& body);
  http::Response list_faults();
  http::Response change_rollout(const std::string& body);
  http::Response page();

 private:
  using Cluster = Guarded<std::unique_ptr<Simulation>>;
  std::map<std::string, Cluster> clusters_;  // the map itself is constant
  const Clock& clock_;
};

}  // namespace aerie::fleet_sim
