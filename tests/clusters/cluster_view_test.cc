#include "clusters/cluster_view.h"

#include <catch2/catch.hpp>

#include <fstream>
#include <thread>

#include "tests/clusters/support/fleet_fixture.h"

using namespace aerie::clusters;
using aerie::clusters::testing::FleetFixture;
using aerie::model::Labels;

namespace {

Labels phase_series(const std::string& cluster, const std::string& phase) {
  return Labels{{"__name__", "aerie_deployment_phase"},
                {"cluster", cluster},
                {"environment", "production"},
                {"zone", "zone-of-" + cluster},
                {"namespace", "shop"},
                {"deployment", "nginx"},
                {"phase", phase}};
}

Labels up_series(const std::string& cluster) {
  return Labels{{"__name__", "aerie_cluster_up"},
                {"cluster", cluster},
                {"environment", "production"},
                {"zone", "zone-of-" + cluster}};
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("a healthy fleet is complete, with the identity of its clusters") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.deploy("rohan", "shop", "nginx", 2);
  f.run(30);
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
  CHECK(f.phase("rohan", "shop", "nginx") == "Complete");
  REQUIRE(f.fleet()->clusters.size() == 2);
  CHECK(f.fleet()->clusters[0].environment == "production");
  CHECK(f.fleet()->clusters[0].zone == "zone-of-gondor");
  CHECK(f.fleet()->clusters[0].state == ClusterState::Fresh);
  CHECK(f.row("gondor", "shop", "nginx")->desired_source.empty());
  CHECK(f.own(phase_series("gondor", "Complete")) == "1");
  CHECK(f.own(up_series("gondor")) == "1");
}

TEST_CASE("a silent cluster is unknown, its numbers are gone, its series say so") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.deploy("shire", "shop", "nginx", 2);
  f.run(60);
  f.silence("shire");
  f.run(85);
  CHECK(f.phase("shire", "shop", "nginx") == "Unknown StaleData");
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
  CHECK_FALSE(f.row("shire", "shop", "nginx")->ready);
  CHECK(f.row("shire", "shop", "nginx")->desired == 2);
  CHECK(f.own(phase_series("shire", "Complete")) == "stale");
  CHECK(f.own(phase_series("shire", "Unknown")) == "1");
  CHECK(f.own(up_series("shire")) == "0");
  const auto sum = roll_up(*f.fleet(), "shop", "nginx");
  REQUIRE(sum);
  CHECK(sum->desired == 5);
  CHECK(sum->ready == 3);
  CHECK(sum->unknown == 2);
  CHECK(sum->reason == "StaleData@shire");

  f.unsilence("shire");
  f.run(30);
  CHECK(f.phase("shire", "shop", "nginx") == "Complete");
  CHECK(f.own(phase_series("shire", "Unknown")) == "stale");
}

TEST_CASE("when kube-state-metrics dies nothing is deleted") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.run(60);
  f.kill_kube_state("gondor");
  f.run(15);
  CHECK(f.phase("gondor", "shop", "nginx") == "Unknown PartialData");
  f.run(3600);
  CHECK(f.phase("gondor", "shop", "nginx") == "Unknown PartialData");
  CHECK(f.fleet()->clusters[0].state == ClusterState::Fresh);
}

TEST_CASE("a deleted Deployment leaves, and its series end") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.deploy("gondor", "shop", "api", 1);
  f.run(60);
  f.remove("gondor", "nginx");
  f.run(15);
  CHECK(f.phase("gondor", "shop", "nginx") == "Unknown PartialData");
  f.run(60);
  CHECK(f.phase("gondor", "shop", "nginx") == "none");
  CHECK(f.phase("gondor", "shop", "api") == "Complete");
  CHECK(f.own(phase_series("gondor", "Complete")) == "stale");
  CHECK(f.own(phase_series("gondor", "Unknown")) == "stale");
}

TEST_CASE("a restart knows what was, and does not guess before it hears") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.deploy("shire", "shop", "nginx", 2);
  f.run(60);
  const auto since = f.row("gondor", "shop", "nginx")->verdict.since;
  f.silence("gondor");
  f.silence("shire");
  f.run(10);
  f.restart();
  f.run(5);
  CHECK(f.phase("gondor", "shop", "nginx") == "Unknown Warming");
  CHECK(f.own(phase_series("gondor", "Complete")) == "1");  // neither renewed nor ended
  CHECK(f.own(phase_series("gondor", "Unknown")) == "none");
  f.unsilence("gondor");
  f.run(60);
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
  CHECK(f.row("gondor", "shop", "nginx")->verdict.since == since);
  CHECK(f.phase("shire", "shop", "nginx") == "Unknown StaleData");
  CHECK(f.own(phase_series("shire", "Complete")) == "stale");
}

TEST_CASE("the phase that another process wrote is ended") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.run(60);
  f.set("gondor", "nginx", "status_replicas_available", 1);
  f.set("gondor", "nginx", "status_replicas_ready", 1);
  f.restart();
  f.run(60);
  CHECK(f.phase("gondor", "shop", "nginx") == "Degraded PodsLost");
  CHECK(f.own(phase_series("gondor", "Complete")) == "stale");
  CHECK(f.own(phase_series("gondor", "Degraded")) == "1");
}

TEST_CASE("verdicts that could not be written are ended later all the same") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.run(60);
  f.set("gondor", "nginx", "spec_replicas", 0);
  for (const std::string field : {"", "_ready", "_available", "_updated"}) {
    f.set("gondor", "nginx", "status_replicas" + field, 0);
  }
  f.write_fails = true;
  f.run(30);
  CHECK(f.own(phase_series("gondor", "Complete")) == "1");
  f.write_fails = false;
  f.run(5);
  CHECK(f.own(phase_series("gondor", "Complete")) == "stale");
  CHECK(f.own(phase_series("gondor", "Idle")) == "1");
}

TEST_CASE("a desired-state file is read, and read again when it changes") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.deploy("rohan", "shop", "other", 1);
  const auto path = f.folder / "desired.yaml";
  write_file(
      path,
      "deployments:\n  - {namespace: shop, name: nginx, replicas: 3, clusters: [gondor, rohan]}\n");
  ClusterViewOptions options;
  options.desired_file = path.string();
  f.restart(options);
  f.run(120);
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
  CHECK(f.phase("rohan", "shop", "nginx") == "NotPropagated NotPropagated");
  CHECK(f.row("rohan", "shop", "nginx")->desired == 3);

  write_file(path,
             "deployments:\n  - {namespace: shop, name: nginx, replicas: 4, clusters: [gondor]}\n");
  f.run(120);
  CHECK(f.phase("gondor", "shop", "nginx") == "Degraded ReplicasMismatch");
  CHECK(f.phase("rohan", "shop", "nginx") == "none");

  write_file(path, "deployments: [{oops: 1}]\n");  // the last good one holds
  f.run(60);
  CHECK(f.phase("gondor", "shop", "nginx") == "Degraded ReplicasMismatch");
}

TEST_CASE("nothing is written to the table while nothing changes") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.run(120);
  const size_t writes = f.table->writes();
  CHECK(f.table->size() == 2);  // the cluster and the Deployment
  f.run(3600);
  CHECK(f.table->writes() == writes);
}

TEST_CASE("it evaluates by itself until it is stopped") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.view->start();
  while (f.fleet()->evaluated_at == 0) std::this_thread::yield();
  f.view->stop();
  const auto last = f.fleet();
  f.clock.advance(std::chrono::seconds(5));
  f.view->evaluate();
  CHECK(f.fleet() == last);
}

TEST_CASE("a view that is destroyed right after its start leaves nothing behind in the pool") {
  for (int i = 0; i < 50; ++i) {
    FleetFixture f;
    f.view->start();
  }
}

TEST_CASE("what happened is kept over a restart, and what was told once is not told again") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.run(60);
  CHECK(f.view->timeline().of("shop", "nginx", Kind::Deployment).empty());
  f.set("gondor", "nginx", "metadata_generation", 2);
  f.run(15);
  f.set("gondor", "nginx", "status_observed_generation", 2);
  f.run(15);
  auto entries = f.view->timeline().of("shop", "nginx", Kind::Deployment);
  REQUIRE(entries.size() >= 2);
  CHECK(entries[0]->event.kind == EventKind::GenerationBumped);
  CHECK(entries.back()->event.kind == EventKind::Completed);
  const size_t count = entries.size();
  f.restart();
  f.run(60);
  entries = f.view->timeline().of("shop", "nginx", Kind::Deployment);
  REQUIRE(entries.size() >= count);
  CHECK(entries[0]->event.kind == EventKind::GenerationBumped);
  CHECK(entries[0]->number == 1);
  CHECK(entries[count - 1]->event.kind == EventKind::Completed);
}

TEST_CASE("rollouts are counted by how long they took") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.run(60);
  f.set("gondor", "nginx", "metadata_generation", 2);
  f.run(30);
  f.set("gondor", "nginx", "status_observed_generation", 2);
  f.run(30);
  const auto count = [&](const std::string& le) {
    return f.own(Labels{
        {"__name__", "aerie_rollout_duration_seconds_bucket"}, {"cluster", "gondor"}, {"le", le}});
  };
  CHECK(count("5") == "0");
  CHECK(count("60") == "1");
  CHECK(count("+Inf") == "1");
}

TEST_CASE("a workload at rest is not judged again") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.run(60);
  const auto version = f.fleet()->version;
  const auto row = f.fleet()->deployments.front();
  f.run(600);
  CHECK(f.fleet()->version == version);
  CHECK(f.fleet()->deployments.front() == row);
  CHECK(f.fleet()->evidence_age(*row) < 20'000);
}

TEST_CASE("a cluster that is desired and has never written is unknown, not healthy") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  const auto path = f.folder / "desired.yaml";
  write_file(path, "deployments: [{namespace: shop, name: nginx, clusters: [gondor, mordor]}]\n");
  ClusterViewOptions options;
  options.desired_file = path.string();
  f.restart(options);
  f.run(60);
  CHECK(f.phase("mordor", "shop", "nginx") == "Unknown UnknownCluster");
  CHECK(f.fleet()->find_cluster("mordor")->state == ClusterState::Never);
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
}

TEST_CASE("what a federation put where the desired state does not want it is an orphan") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 3);
  f.deploy("rohan", "shop", "nginx", 3);
  const auto path = f.folder / "desired.yaml";
  write_file(path,
             "deployments: [{namespace: shop, name: nginx, clusters: [gondor], elsewhere: "
             "unwanted}]\n");
  ClusterViewOptions options;
  options.desired_file = path.string();
  f.restart(options);
  f.run(60);
  CHECK(f.phase("rohan", "shop", "nginx") == "NotDesired Orphan");
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
}

TEST_CASE("clusters that differ from most are named, and written as series") {
  FleetFixture f;
  for (const char* cluster : {"gondor", "rohan"}) f.deploy(cluster, "shop", "nginx", 3);
  f.deploy("shire", "shop", "nginx", 5);
  f.run(60);
  const auto sum = roll_up(*f.fleet(), "shop", "nginx");
  REQUIRE(sum->drift.size() == 1);
  CHECK(sum->drift[0].cluster == "shire");
  CHECK(sum->drift[0].field == "replicas");
  CHECK(sum->drift[0].own == "5");
  CHECK(sum->drift[0].most == "3");
  const Labels drift{{"__name__", "aerie_deployment_drift"},
                     {"cluster", "shire"},
                     {"namespace", "shop"},
                     {"deployment", "nginx"},
                     {"field", "replicas"}};
  CHECK(f.own(drift) == "1");
  f.set("shire", "nginx", "spec_replicas", 3);
  for (const std::string field : {"", "_ready", "_available", "_updated"})
    f.set("shire", "nginx", "status_replicas" + field, 3);
  f.run(60);
  CHECK(f.own(drift) == "stale");
  CHECK(f.own(Labels{{"__name__", "aerie_federated_deployment_phase"},
                     {"namespace", "shop"},
                     {"deployment", "nginx"},
                     {"phase", "Complete"}}) == "1");
}

namespace {

/// An API server that was seen once.
class SeenOnce final : public WatchedCluster {
 public:
  SeenOnce(std::string name, aerie::model::TimestampMs seen_at) : name_(std::move(name)) {
    standing_.seen_at = seen_at;
    standing_.zone = "mordor";
  }
  void add(DeploymentEvidence evidence) {
    const WorkloadKey key = evidence.key;
    all_.insert_or_assign(key, std::move(evidence));
  }
  const std::string& name() const override { return name_; }
  Standing standing() const override { return standing_; }
  std::vector<WorkloadKey> workloads() const override {
    std::vector<WorkloadKey> keys;
    for (const auto& [key, evidence] : all_) keys.push_back(key);
    return keys;
  }
  std::vector<WorkloadKey> take_changed() override { return {}; }
  std::optional<DeploymentEvidence> evidence(const WorkloadKey& key,
                                             aerie::model::TimestampMs) const override {
    const auto found = all_.find(key);
    return found == all_.end() ? std::nullopt : std::optional(found->second);
  }
  bool lacks_namespace(const std::string&) const override { return false; }

 private:
  const std::string name_;
  Standing standing_;
  std::map<WorkloadKey, DeploymentEvidence> all_;
};

DeploymentEvidence one_replica(const WorkloadKey& key, aerie::model::TimestampMs at) {
  DeploymentEvidence e;
  e.key = key;
  const Fact one{1, at};
  e.spec_replicas = e.replicas = e.ready = e.available = e.updated = one;
  e.generation = e.observed_generation = one;
  return e;
}

}  // namespace

TEST_CASE("a watch is believed while it is fresh") {
  FleetFixture f;
  const aerie::model::TimestampMs now = f.clock.now_ms();
  auto watched = std::make_shared<SeenOnce>("isengard", now);
  watched->add(one_replica({"shop", "nginx", "isengard"}, now));
  f.watched = {watched};
  f.restart();
  f.run(5);
  CHECK(f.phase("isengard", "shop", "nginx") == "Complete");
  CHECK(f.fleet()->find_cluster("isengard")->state == ClusterState::Fresh);
  CHECK(f.fleet()->find_cluster("isengard")->zone == "mordor");
  f.run(54);
  CHECK(f.phase("isengard", "shop", "nginx") == "Complete");
  f.run(10);
  CHECK(f.phase("isengard", "shop", "nginx") == "Unknown StaleData");
  CHECK(f.fleet()->find_cluster("isengard")->state == ClusterState::Silent);
}

TEST_CASE("a fresh watch stands in for series that have stopped, and is no flapping") {
  FleetFixture f;
  f.deploy("gondor", "shop", "nginx", 1);
  f.run(60);
  auto watched = std::make_shared<SeenOnce>("gondor", f.clock.now_ms() + 150'000);
  watched->add(one_replica({"shop", "nginx", "gondor"}, f.clock.now_ms()));
  f.watched = {watched};
  f.restart();
  f.silence("gondor");
  f.run(150);
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
  CHECK(f.fleet()->find_cluster("gondor")->state == ClusterState::Fresh);
  CHECK(f.fleet()->find_cluster("gondor")->transitions == 0);
  f.run(100);
  CHECK(f.fleet()->find_cluster("gondor")->state == ClusterState::Silent);
  CHECK(f.phase("gondor", "shop", "nginx").substr(0, 7) == "Unknown");
}

TEST_CASE("with a tap the head is read at first and when something was lost, no more") {
  FleetFixture f;
  std::vector<aerie::store::Tap::Event> told;
  std::vector<std::string> lost;
  f.tapped = [&] {
    return aerie::store::Tap::Events{std::exchange(told, {}), std::exchange(lost, {})};
  };
  f.restart();
  f.deploy("gondor", "shop", "nginx", 3);
  f.run(30);
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
  const auto tell = [&](const std::string& field, double value) {
    told.push_back({Labels{{"__name__", "kube_deployment_" + field},
                           {"cluster", "gondor"},
                           {"environment", "production"},
                           {"zone", "zone-of-gondor"},
                           {"namespace", "shop"},
                           {"deployment", "nginx"},
                           {"job", "ksm"},
                           {"instance", "ksm:8080"}},
                    f.clock.now_ms(), value});
  };
  // Changes that nobody tells are not seen: the head is not read.
  f.set("gondor", "nginx", "status_replicas_available", 1);
  f.run(60);
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
  tell("status_replicas_available", 1);
  f.run(5);
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");  // the rest of the scrape may be coming
  f.run(10);
  CHECK(f.phase("gondor", "shop", "nginx") == "Progressing NotYetAvailable");
  f.set("gondor", "nginx", "status_replicas_available", 3);
  f.run(15);
  lost = {"gondor"};
  f.run(15);
  CHECK(f.phase("gondor", "shop", "nginx") == "Complete");
}

TEST_CASE("a cluster that falls silent is one event, however many workloads it has") {
  FleetFixture f;
  for (const char* name : {"nginx", "api", "cart"}) f.deploy("shire", "shop", name, 2);
  f.deploy("gondor", "shop", "nginx", 2);
  f.run(60);
  CHECK(f.view->timeline().find({}).empty());
  f.silence("shire");
  f.run(120);
  auto events = f.view->timeline().find({});
  REQUIRE(events.size() == 1);
  CHECK(events[0]->event.kind == EventKind::BecameUnknown);
  CHECK(events[0]->key.cluster == "shire");
  CHECK(events[0]->key.name.empty());
  f.unsilence("shire");
  f.run(30);
  events = f.view->timeline().find({});
  REQUIRE(events.size() == 2);
  CHECK(events[1]->event.kind == EventKind::KnownAgain);
  f.restart();
  CHECK(f.view->timeline().of("", "", Kind::Deployment).size() == 2);
}
