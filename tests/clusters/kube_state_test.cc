#include "clusters/kube_state.h"

#include <catch2/catch.hpp>

#include <algorithm>

#include "model/sample.h"

using namespace aerie;
using namespace aerie::clusters;

namespace {

constexpr int64_t kStart = 1'700'000'000'000;

using Pairs = std::vector<model::LabelView>;

/// Feeds one cluster's state; every series is of the same target unless said otherwise.
struct Feed {
  KubeState state{"gondor"};
  int64_t t = kStart;

  void set(std::string_view metric, Pairs more, double value, std::string_view instance = "ksm") {
    more.push_back({"__name__", metric});
    more.push_back({"cluster", "gondor"});
    more.push_back({"job", "ksm"});
    more.push_back({"instance", instance});
    const model::Labels labels = model::Labels::from_pairs(std::move(more));
    state.set({&labels, t, value, 0});
  }
  void deployment(std::string_view name, double replicas) {
    for (const char* metric :
         {"kube_deployment_spec_replicas", "kube_deployment_status_replicas",
          "kube_deployment_status_replicas_ready", "kube_deployment_status_replicas_updated"})
      set(metric, {{"namespace", "shop"}, {"deployment", name}}, replicas);
  }
  void pod(std::string_view name, std::string_view set_name) {
    set("kube_pod_owner",
        {{"namespace", "shop"},
         {"pod", name},
         {"owner_kind", "ReplicaSet"},
         {"owner_name", set_name}},
        1);
    set("kube_pod_info", {{"namespace", "shop"}, {"pod", name}, {"node", "n1"}}, 1);
  }
  void replica_set(std::string_view name, std::string_view deployment_name) {
    set("kube_replicaset_owner",
        {{"namespace", "shop"},
         {"replicaset", name},
         {"owner_kind", "Deployment"},
         {"owner_name", deployment_name}},
        1);
  }
  std::vector<std::string> changed() {
    std::vector<std::string> names;
    for (const auto& key : state.take_changed()) names.push_back(key.name);
    std::sort(names.begin(), names.end());
    return names;
  }
  std::optional<DeploymentEvidence> evidence(const std::string& name) {
    return state.evidence({"shop", name, "gondor"}, 60'000);
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("only what a change concerns is named") {
  Feed f;
  f.deployment("web", 2);
  f.deployment("api", 1);
  f.replica_set("web-1", "web");
  f.pod("web-1-a", "web-1");
  CHECK(f.changed() == Names{"api", "web"});
  f.t += 15'000;
  f.deployment("web", 2);
  f.deployment("api", 1);
  CHECK(f.changed().empty());
  f.set("kube_pod_container_status_waiting_reason",
        {{"namespace", "shop"}, {"pod", "web-1-a"}, {"container", "c"}, {"reason", "ErrImagePull"}},
        1);
  CHECK(f.changed() == Names{"web"});
  CHECK(f.evidence("web")->pods.at(0).waiting == Names{"ErrImagePull"});
  f.set("kube_resourcequota",
        {{"namespace", "shop"}, {"resourcequota", "q"}, {"resource", "pods"}, {"type", "hard"}}, 4);
  CHECK(f.changed() == Names{"api", "web"});
}

TEST_CASE("a pod whose owner is told later still belongs to its workload") {
  Feed f;
  f.set("kube_pod_status_phase", {{"namespace", "shop"}, {"pod", "web-1-a"}, {"phase", "Pending"}},
        1);
  f.pod("web-1-a", "web-1");
  f.deployment("web", 1);
  f.changed();
  f.replica_set("web-1", "web");
  CHECK(f.changed() == Names{"web"});
  REQUIRE(f.evidence("web")->pods.size() == 1);
  CHECK(f.evidence("web")->pods[0].phase == "Pending");
}

TEST_CASE("what ends is named once and leaves nothing") {
  Feed f;
  f.deployment("web", 1);
  f.replica_set("web-1", "web");
  f.pod("web-1-a", "web-1");
  f.changed();
  f.t += 15'000;
  f.deployment("web", model::stale_marker());
  CHECK(f.changed() == Names{"web"});
  CHECK_FALSE(f.evidence("web"));
  CHECK(f.state.workloads().empty());
  f.state.purge(f.t);
  CHECK(f.state.series() == 0);
}

TEST_CASE("a choice moves whichever of its series comes first") {
  Feed f;
  f.deployment("web", 1);
  f.replica_set("web-1", "web");
  f.pod("web-1-a", "web-1");
  const auto phase = [&](std::string_view name, double value) {
    f.set("kube_pod_status_phase", {{"namespace", "shop"}, {"pod", "web-1-a"}, {"phase", name}},
          value);
  };
  phase("Pending", 1);
  phase("Running", 0);
  f.t += 15'000;
  phase("Running", 1);
  phase("Pending", 0);
  CHECK(f.evidence("web")->pods[0].phase == "Running");
  f.t += 15'000;
  phase("Running", 0);
  phase("Pending", 1);
  CHECK(f.evidence("web")->pods[0].phase == "Pending");
}

TEST_CASE("restarts are counted over ten minutes, resets included") {
  Feed f;
  f.deployment("web", 1);
  f.replica_set("web-1", "web");
  f.pod("web-1-a", "web-1");
  const auto restarts = [&](double value) {
    f.set("kube_pod_container_status_restarts_total",
          {{"namespace", "shop"}, {"pod", "web-1-a"}, {"container", "c"}}, value);
  };
  restarts(5);
  f.t += 15'000;
  restarts(7);
  f.t += 15'000;
  restarts(1);
  f.deployment("web", 1);
  CHECK(f.evidence("web")->pods[0].restarts_10m == 3);
  f.t += 700'000;
  restarts(1);
  f.pod("web-1-a", "web-1");
  f.replica_set("web-1", "web");
  f.deployment("web", 1);
  CHECK(f.evidence("web")->pods[0].restarts_10m == 0);
}

TEST_CASE("a scrape that has come in part is torn") {
  Feed f;
  f.deployment("web", 1);
  CHECK_FALSE(f.state.torn());
  f.t += 15'000;
  f.set("kube_deployment_spec_replicas", {{"namespace", "shop"}, {"deployment", "web"}}, 1);
  CHECK(f.state.torn());
  f.deployment("web", 1);
  CHECK_FALSE(f.state.torn());
}

TEST_CASE("another instance takes over without a gap") {
  Feed f;
  const Pairs web{{"namespace", "shop"}, {"deployment", "web"}};
  f.set("kube_deployment_spec_replicas", web, 1, "a");
  f.t += 15'000;
  f.set("kube_deployment_spec_replicas", web, 2, "b");
  f.set("kube_deployment_spec_replicas", web, model::stale_marker(), "a");
  CHECK(f.evidence("web")->spec_replicas->value == 2);
}

TEST_CASE("shards, failing lists and dead targets are told") {
  Feed f;
  f.deployment("web", 1);
  f.set("kube_state_metrics_total_shards", {}, 2);
  f.set("kube_state_metrics_shard_ordinal", {{"shard_ordinal", "0"}}, 0);
  f.set("kube_state_metrics_list_total", {{"resource", "*v1.Pod"}, {"result", "error"}}, 0);
  f.set("kube_state_metrics_list_total", {{"resource", "*v1.Pod"}, {"result", "success"}}, 1);
  f.set("up", {}, 1);
  CHECK(f.state.cluster(60'000).shards.alive == 1);
  CHECK(f.state.cluster(60'000).shards.total == 2);
  CHECK(f.state.cluster(60'000).unlistable.empty());
  CHECK(f.state.cluster(60'000).down.empty());
  f.t += 15'000;
  f.set("kube_state_metrics_list_total", {{"resource", "*v1.Pod"}, {"result", "error"}}, 3);
  f.set("up", {}, 0);
  CHECK(f.state.cluster(60'000).unlistable == std::set<std::string>{"*v1.Pod"});
  CHECK(f.state.cluster(60'000).down.size() == 1);
  f.t += 15'000;
  f.set("kube_state_metrics_list_total", {{"resource", "*v1.Pod"}, {"result", "success"}}, 2);
  CHECK(f.state.cluster(60'000).unlistable.empty());
}

TEST_CASE("nodes that change between ready and not are counted") {
  Feed f;
  const auto ready = [&](std::string_view node, double value) {
    f.set("kube_node_status_condition",
          {{"node", node}, {"condition", "Ready"}, {"status", "true"}}, value);
    f.t += 15'000;
  };
  ready("n1", 1);
  ready("n2", 1);
  CHECK(f.state.node_transitions().empty());
  ready("n1", 0);
  ready("n1", 0);
  ready("n1", 1);
  CHECK(f.state.node_transitions() == std::map<std::string, uint64_t>{{"n1", 2}});
}
