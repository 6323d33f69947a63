// The simulated fleet, exposed as kube-state-metrics does, is read and judged like a real one:
// every fault gets its name.

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "clusters/evidence_reader.h"
#include "clusters/kube_state.h"
#include "clusters/verdict.h"
#include "tools/fleet_sim/exposition.h"
#include "tools/fleet_sim/service.h"
#include "tools/fleet_sim/simulation.h"

using namespace aerie;
using namespace aerie::clusters;
using aerie::fleet_sim::Fault;
using aerie::fleet_sim::Simulation;

namespace {

constexpr int64_t kStart = 1'700'000'000'000;

struct Line {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

/// Parses the text format as far as the simulator writes it (no escaped quotes inside label
/// values).
std::vector<Line> parse(const std::string& text) {
  std::vector<Line> lines;
  std::istringstream in(text);
  for (std::string row; std::getline(in, row);) {
    if (row.empty() || row[0] == '#') continue;
    Line line;
    size_t at = row.find_first_of("{ ");
    line.name = row.substr(0, at);
    while (row[at] == '{' || row[at] == ',') {
      const size_t equals = row.find('=', at);
      const size_t end = row.find('"', equals + 2);
      line.labels[row.substr(at + 1, equals - at - 1)] = row.substr(equals + 2, end - equals - 2);
      at = end + 1;
    }
    line.value = std::strtod(row.c_str() + row.rfind(' '), nullptr);
    lines.push_back(std::move(line));
  }
  return lines;
}

/// Scrapes a simulated cluster every 5 s and judges one Deployment after each scrape.
class Watched {
 public:
  explicit Watched(const std::string& deployment) : deployment_(deployment) { run(10); }

  void run(int seconds) {
    for (int i = 0; i < seconds; i += 5) {
      now_ += 5'000;
      simulation.advance_to(now_);
      look();
    }
  }
  std::string phase() const {
    return std::string(phase_name(verdict_.phase)) +
           (verdict_.reason.empty() ? "" : " " + verdict_.reason);
  }
  const Verdict& verdict() const { return verdict_; }

  Simulation simulation{"shire", 7, kStart};

 private:
  void look() {
    std::vector<model::Labels> labels;
    std::vector<LatestSample> samples;
    for (const auto& line : parse(fleet_sim::expose(simulation.state(), now_))) {
      std::vector<model::LabelView> pairs{
          {"__name__", line.name}, {"cluster", "shire"}, {"job", "ksm"}};
      for (const auto& [name, value] : line.labels) pairs.push_back({name, value});
      labels.push_back(model::Labels::from_pairs(std::move(pairs)));
      LatestSample sample{nullptr, now_, line.value};
      if (is_restart_counter(line.name)) sample.increase = line.value;
      samples.push_back(sample);
    }
    for (size_t i = 0; i < samples.size(); ++i) samples[i].labels = &labels[i];
    const auto evidence = assemble("shire", samples, evidence_bound(5'000));
    Case matter;
    const auto found = evidence.deployments.find(WorkloadKey{"shop", deployment_, "shire"});
    if (found != evidence.deployments.end()) matter.observed = &found->second;
    matter.interval = 5'000;
    matter.now = now_;
    auto judgement = judge(matter, std::move(memory_));
    memory_ = std::move(judgement.memory);
    verdict_ = std::move(judgement.verdict);
  }

  const std::string deployment_;
  int64_t now_ = kStart;
  Memory memory_;
  Verdict verdict_;
};

}  // namespace

TEST_CASE("a calm cluster is complete, and idle where it is scaled to zero") {
  Simulation simulation("gondor", 1, kStart);
  for (const auto& deployment : simulation.state().deployments) {
    CHECK(deployment.status_ready == deployment.replicas);
    CHECK(deployment.progressing.reason == "NewReplicaSetAvailable");
  }
  Watched watched("nginx");
  CHECK(watched.phase() == "Complete");
}

TEST_CASE("a good rollout ends, a pod at a time") {
  Watched w("nginx");
  REQUIRE(w.simulation.rollout("shop/nginx", "nginx:1.28.0"));
  w.run(5);
  CHECK(w.verdict().phase == Phase::Progressing);
  w.run(60);
  CHECK(w.phase() == "Complete");
}

TEST_CASE("a quota blocks a rollout, and lets it go on") {
  Watched w("nginx");
  REQUIRE(w.simulation.set_fault(Fault::Quota, "nginx", true));
  w.run(30);
  CHECK(w.phase() == "Stalled FailedCreate/Quota");
  CHECK(w.verdict().message.find("quota compute allows") != std::string::npos);
  REQUIRE(w.simulation.set_fault(Fault::Quota, "nginx", false));
  w.run(90);
  CHECK(w.phase() == "Complete");
}

TEST_CASE("a quota blocks larger Deployments too") {
  Watched w("catalog");  // four replicas: one may be taken away, which must not make room
  REQUIRE(w.simulation.set_fault(Fault::Quota, "shop/catalog", true));
  w.run(60);
  CHECK(w.phase() == "Stalled FailedCreate/Quota");
}

TEST_CASE("an image that does not exist") {
  Watched w("nginx");
  REQUIRE(w.simulation.set_fault(Fault::BadImage, "nginx", true));
  w.run(60);
  CHECK(w.phase() == "Stalled ImagePull/ImagePullBackOff");
  CHECK(w.simulation.state().deployments[0].status_ready == 3);  // the old ones serve
  w.run(300);
  CHECK(w.phase() == "Stalled ImagePull/ImagePullBackOff");
  REQUIRE(w.simulation.set_fault(Fault::BadImage, "nginx", false));
  w.run(30);
  CHECK(w.phase() == "Complete");
}

TEST_CASE("a container that crashes") {
  Watched w("nginx");
  REQUIRE(w.simulation.set_fault(Fault::CrashLoop, "nginx", true));
  w.run(60);
  CHECK(w.phase() == "Stalled CrashLoop/exit 1");
  w.run(700);
  CHECK(w.phase() == "Stalled CrashLoop/exit 1");
  CHECK(w.simulation.state().deployments[0].progressing.reason == "ProgressDeadlineExceeded");
}

TEST_CASE("a pod that fits nowhere") {
  Watched w("nginx");
  REQUIRE(w.simulation.set_fault(Fault::Unschedulable, "nginx", true));
  w.run(120);
  CHECK(w.phase() == "Progressing Unschedulable");
  w.run(240);
  CHECK(w.phase() == "Stalled Unschedulable");
  REQUIRE(w.simulation.set_fault(Fault::Unschedulable, "nginx", false));
  w.run(30);
  CHECK(w.phase() == "Complete");
}

TEST_CASE("a node that does not answer") {
  Watched w("nginx");
  REQUIRE(w.simulation.set_fault(Fault::NodeDown, "", true));
  w.run(90);
  CHECK(w.phase() == "Degraded NodeLost/shire-node-1");
  REQUIRE(w.simulation.set_fault(Fault::NodeDown, "", false));
  w.run(30);
  CHECK(w.phase() == "Complete");
}

TEST_CASE("the same seed gives the same history") {
  Simulation a("shire", 3, kStart);
  Simulation b("shire", 3, kStart);
  a.set_fault(Fault::CrashLoop, "nginx", true).ignore("exists");
  b.set_fault(Fault::CrashLoop, "nginx", true).ignore("exists");
  a.advance_to(kStart + 600'000);
  for (int i = 0; i <= 600; i += 7) b.advance_to(kStart + i * 1000);
  b.advance_to(kStart + 600'000);
  CHECK(fleet_sim::expose(a.state(), kStart) == fleet_sim::expose(b.state(), kStart));
}

TEST_CASE("names and labels are those of kube-state-metrics 2.x") {
  const std::set<std::string> deployment{"namespace", "deployment"};
  const std::set<std::string> set{"namespace", "replicaset"};
  const std::set<std::string> pod{"namespace", "pod", "uid"};
  const std::set<std::string> node{"node"};
  const auto with = [](std::set<std::string> labels, std::initializer_list<const char*> more) {
    for (const char* name : more) labels.insert(name);
    return labels;
  };
  const auto container = with(pod, {"container"});
  const std::map<std::string, std::set<std::string>> expected{
      {"kube_deployment_created", deployment},
      {"kube_deployment_status_replicas", deployment},
      {"kube_deployment_status_replicas_ready", deployment},
      {"kube_deployment_status_replicas_available", deployment},
      {"kube_deployment_status_replicas_unavailable", deployment},
      {"kube_deployment_status_replicas_updated", deployment},
      {"kube_deployment_status_observed_generation", deployment},
      {"kube_deployment_status_condition", with(deployment, {"condition", "status", "reason"})},
      {"kube_deployment_spec_replicas", deployment},
      {"kube_deployment_spec_paused", deployment},
      {"kube_deployment_spec_strategy_rollingupdate_max_unavailable", deployment},
      {"kube_deployment_spec_strategy_rollingupdate_max_surge", deployment},
      {"kube_deployment_metadata_generation", deployment},
      {"kube_replicaset_created", set},
      {"kube_replicaset_status_replicas", set},
      {"kube_replicaset_status_fully_labeled_replicas", set},
      {"kube_replicaset_status_ready_replicas", set},
      {"kube_replicaset_status_observed_generation", set},
      {"kube_replicaset_spec_replicas", set},
      {"kube_replicaset_metadata_generation", set},
      {"kube_replicaset_owner", with(set, {"owner_kind", "owner_name", "owner_is_controller"})},
      {"kube_pod_info", with(pod, {"host_ip", "pod_ip", "node", "created_by_kind",
                                   "created_by_name", "priority_class", "host_network"})},
      {"kube_pod_owner", with(pod, {"owner_kind", "owner_name", "owner_is_controller"})},
      {"kube_pod_created", pod},
      {"kube_pod_start_time", pod},
      {"kube_pod_deletion_timestamp", pod},
      {"kube_pod_status_phase", with(pod, {"phase"})},
      {"kube_pod_status_ready", with(pod, {"condition"})},
      {"kube_pod_status_scheduled", with(pod, {"condition"})},
      {"kube_pod_status_unschedulable", pod},
      {"kube_pod_status_scheduled_time", pod},
      {"kube_pod_status_ready_time", pod},
      {"kube_pod_container_info",
       with(container, {"image", "image_id", "image_spec", "container_id"})},
      {"kube_pod_container_status_waiting", container},
      {"kube_pod_container_status_waiting_reason", with(container, {"reason"})},
      {"kube_pod_container_status_running", container},
      {"kube_pod_container_state_started", container},
      {"kube_pod_container_status_terminated", container},
      {"kube_pod_container_status_last_terminated_reason", with(container, {"reason"})},
      {"kube_pod_container_status_last_terminated_exitcode", container},
      {"kube_pod_container_status_ready", container},
      {"kube_pod_container_status_restarts_total", container},
      {"kube_pod_container_resource_requests", with(container, {"node", "resource", "unit"})},
      {"kube_node_info",
       with(node, {"kernel_version", "os_image", "container_runtime_version", "kubelet_version",
                   "kubeproxy_version", "provider_id", "pod_cidr", "system_uuid", "internal_ip"})},
      {"kube_node_created", node},
      {"kube_node_role", with(node, {"role"})},
      {"kube_node_spec_unschedulable", node},
      {"kube_node_status_condition", with(node, {"condition", "status"})},
      {"kube_node_status_capacity", with(node, {"resource", "unit"})},
      {"kube_node_status_allocatable", with(node, {"resource", "unit"})},
      {"kube_resourcequota", {"resourcequota", "namespace", "resource", "type"}},
      {"kube_resourcequota_created", {"resourcequota", "namespace"}},
      {"kube_horizontalpodautoscaler_info",
       {"namespace", "horizontalpodautoscaler", "scaletargetref_api_version", "scaletargetref_kind",
        "scaletargetref_name"}},
      {"kube_horizontalpodautoscaler_spec_min_replicas", {"namespace", "horizontalpodautoscaler"}},
      {"kube_horizontalpodautoscaler_spec_max_replicas", {"namespace", "horizontalpodautoscaler"}},
      {"kube_horizontalpodautoscaler_status_desired_replicas",
       {"namespace", "horizontalpodautoscaler"}},
      {"kube_namespace_created", {"namespace"}},
      {"kube_namespace_status_phase", {"namespace", "phase"}},
  };
  Simulation simulation("shire", 5, kStart);
  REQUIRE(simulation.set_fault(Fault::CrashLoop, "catalog", true));
  REQUIRE(simulation.set_fault(Fault::Unschedulable, "checkout", true));
  REQUIRE(simulation.rollout("nginx", "nginx:2"));
  std::map<std::string, std::set<std::string>> seen;
  for (int i = 0; i < 60; ++i) {
    simulation.advance_to(kStart + i * 1000);
    for (const auto& line : parse(fleet_sim::expose(simulation.state(), kStart))) {
      for (const auto& [name, value] : line.labels) seen[line.name].insert(name);
    }
  }
  CHECK(seen == expected);
}

TEST_CASE("the service: metrics, faults, silence, and clear refusals") {
  ManualClock clock(kStart);
  fleet_sim::FleetService service({"gondor", "rohan", "shire"}, 1, clock);
  REQUIRE(service.play_scenario("demo"));
  CHECK_FALSE(service.play_scenario("chaos").ok());
  CHECK(service.list_faults().body ==
        "{\"faults\":[{\"cluster\":\"shire\",\"fault\":\"quota\",\"deployment\":\"shop/"
        "nginx\",\"on\":true}]}\n");
  clock.advance(std::chrono::seconds(10));
  CHECK(service.metrics("shire").body.find("kube_deployment_status_condition{namespace=\"shop\","
                                           "deployment=\"nginx\",reason=\"unknown\","
                                           "condition=\"ReplicaFailure\",status=\"true\"} 1\n") !=
        std::string::npos);
  CHECK(service.metrics("mordor").status == 404);
  CHECK(service.change_fault(R"({"cluster":"gondor","fault":"silent","on":true})").status == 200);
  CHECK(service.metrics("gondor").status == 503);
  CHECK(service.change_fault(R"({"cluster":"gondor","fault":"silent","on":false})").status == 200);
  CHECK(service.metrics("gondor").status == 200);
  CHECK(service.change_fault(R"({"cluster":"gondor","fault":"flood"})").status == 400);
  CHECK(service.change_fault(R"({"cluster":"gondor","fault":"quota","deployment":"nothing"})")
            .status == 404);
  CHECK(service.change_fault("no json").status == 400);
  CHECK(service.change_rollout(R"({"cluster":"rohan","deployment":"nginx","image":"nginx:9"})")
            .status == 200);
  CHECK(service.change_rollout(R"({"cluster":"rohan","deployment":"nginx","replicas":5})").status ==
        200);
  CHECK(service.change_rollout(R"({"cluster":"rohan","deployment":"nginx"})").status == 400);
  CHECK(service.page().body.find("end quota") != std::string::npos);
}
