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
  CHECK(f.row("gondor", "shop", "nginx")->desired_source == "inferred: also in rohan");
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
