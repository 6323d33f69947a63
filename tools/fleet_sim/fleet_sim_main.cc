// fleet_sim: several clusters as kube-state-metrics would show them, with faults that can be
// switched on and off.

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/work_pool.h"
#include "http/server.h"
#include "tools/fleet_sim/service.h"

namespace {

int serve(aerie::fleet_sim::FleetService& service, const std::string& address) {
  aerie::WorkPool pool({"simulation", 1, 256, 0});
  aerie::MetricRegistry metrics;
  aerie::http::Router router;
  service.register_routes(router, pool);
  aerie::http::Server::Options options;
  options.listen_address = address;
  // Signals are taken by this thread alone, so they must be blocked before the others start.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto server = aerie::http::Server::start(options, router, metrics);
  if (!server) {
    std::fprintf(stderr, "fleet_sim: %s\n", server.error().message().c_str());
    return 1;
  }
  std::printf("fleet_sim listens on port %u\n", static_cast<unsigned>((*server)->port()));
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->stop(std::chrono::seconds(1));
  pool.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Plays several Kubernetes clusters and exposes them as kube-state-metrics does.");
  std::string address = "127.0.0.1:9710";
  std::vector<std::string> clusters{"gondor", "rohan", "shire"};
  uint64_t seed = 1;
  std::string scenario = "calm";
  app.add_option("--listen", address, "address and port; port 0 picks one")->capture_default_str();
  app.add_option("--clusters", clusters, "names, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--seed", seed, "of the simulation: the same seed gives the same history")
      ->capture_default_str();
  app.add_option("--scenario", scenario,
                 "calm, or demo: nginx's rollout in the last cluster is blocked")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const aerie::SystemClock clock;
  aerie::fleet_sim::FleetService service(clusters, seed, clock);
  if (auto played = service.play_scenario(scenario); !played) {
    std::fprintf(stderr, "fleet_sim: %s\n", played.error().message().c_str());
    return 2;
  }
  return serve(service, address);
}
