#include "clusters/kubernetes/cluster_state.h"

#include <fmt/core.h>

#include <catch2/catch.hpp>
#include <string>

#include "clusters/kubernetes/json_fields.h"

namespace aerie::clusters::kubernetes {
namespace {

const WorkloadKey kWeb{"apps", "web", "gondor"};
constexpr int64_t kNow = 1'800'000'000'000;

boost::json::object object(const std::string& text) {
  auto parsed = parse_object(text);
  REQUIRE(parsed);
  return std::move(*parsed);
}

// As API servers write them, without what is not read.
const std::string kDeployment = R"({"metadata":{"name":"web","namespace":"apps","generation":4},
  "spec":{"replicas":3,"progressDeadlineSeconds":20},
  "status":{"observedGeneration":4,"replicas":3,"updatedReplicas":1,"readyReplicas":2,"availableReplicas":2,"unavailableReplicas":1,
  "conditions":[
   {"type":"Available","status":"False","reason":"MinimumReplicasUnavailable","message":"Deployment does not have minimum availability."},
   {"type":"ReplicaFailure","status":"True","reason":"FailedCreate","message":"pods \"web-2-x7k2p\" is forbidden: exceeded quota: q"},
   {"type":"Progressing","status":"True","reason":"ReplicaSetUpdated","message":""}]}})";

std::string replica_set(const std::string& name, int revision, int spec) {
  return fmt::format(
      R"({{"metadata":{{"name":"{0}","namespace":"apps","creationTimestamp":"2026-11-26T05:00:00Z",
      "annotations":{{"deployment.kubernetes.io/revision":"{1}"}},
      "ownerReferences":[{{"kind":"Deployment","name":"web","controller":true}}]}},
      "spec":{{"replicas":{2}}},"status":{{"replicas":{2},"readyReplicas":1}}}})",
      name, revision, spec);
}

std::string pod(const std::string& name, const std::string& set, const std::string& status,
                const std::string& spec = R"("nodeName":"n1",)") {
  return fmt::format(
      R"({{"metadata":{{"name":"{}","namespace":"apps","creationTimestamp":"2026-11-26T05:00:01Z",
      "ownerReferences":[{{"kind":"ReplicaSet","name":"{}","controller":true}}]}},
      "spec":{{{}"containers":[{{"name":"app","image":"r/app:2","resources":{{"requests":{{"cpu":"250m","memory":"64Mi"}}}}}}]}},
      "status":{}}})",
      name, set, spec, status);
}

const std::string kReady = R"({"phase":"Running","conditions":[
  {"type":"PodScheduled","status":"True","lastTransitionTime":"2026-11-26T05:00:02Z"},
  {"type":"Ready","status":"True","lastTransitionTime":"2026-11-26T05:00:09Z"}],
  "containerStatuses":[{"name":"app","restartCount":0,"state":{"running":{}},"lastState":{}}]})";

std::string crashing(int restarts) {
  return fmt::format(
      R"({{"phase":"Running","conditions":[{{"type":"PodScheduled","status":"True"}},{{"type":"Ready","status":"False"}}],
  "containerStatuses":[{{"name":"app","restartCount":{},
  "state":{{"waiting":{{"reason":"CrashLoopBackOff","message":"back-off 20s restarting failed container"}}}},
  "lastState":{{"terminated":{{"reason":"OOMKilled","exitCode":137}}}}}}]}})",
      restarts);
}

const std::string kUnschedulable =
    R"({"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False",
  "reason":"Unschedulable","message":"0/3 nodes are available: 3 Insufficient cpu."}]})";

ClusterState gondor() {
  ClusterState state("gondor");
  state.put(Collection::Deployments, object(kDeployment), kNow);
  state.put(Collection::ReplicaSets, object(replica_set("web-1", 1, 2)), kNow);
  state.put(Collection::ReplicaSets, object(replica_set("web-2", 2, 3)), kNow);
  return state;
}

DeploymentEvidence evidence_of(const ClusterState& state) {
  auto found = state.evidence(kWeb, kNow, kNow);
  REQUIRE(found);
  return std::move(*found);
}

TEST_CASE("a Deployment is read with its conditions and its words") {
  const ClusterState state = gondor();
  const DeploymentEvidence e = evidence_of(state);
  CHECK(e.missing().empty());
  CHECK(e.spec_replicas->value == 3);
  CHECK(e.generation->value == 4);
  CHECK(e.updated->value == 1);
  CHECK(e.available->value == 2);
  CHECK(e.paused->value == 0);
  CHECK_FALSE(e.deletion);
  CHECK(e.replica_failure->status == Truth::True);
  CHECK(e.replica_failure->message == "pods \"web-2-x7k2p\" is forbidden: exceeded quota: q");
  CHECK(e.progressing->reason == "ReplicaSetUpdated");
  REQUIRE(e.new_replica_set());
  CHECK(e.new_replica_set()->name == "web-2");
  CHECK(e.oldest() == kNow);
}

TEST_CASE("a status without numbers is one of zeros, no status is none to be believed") {
  ClusterState state("gondor");
  state.put(Collection::Deployments,
            object(R"({"metadata":{"name":"web","namespace":"apps","generation":1},"spec":{}})"),
            kNow);
  const DeploymentEvidence e = evidence_of(state);
  CHECK(e.spec_replicas->value == 1);
  CHECK(e.observed_generation->value == 0);  // so it is not called complete
}

TEST_CASE("pods are found through their ReplicaSet, with their state and their words") {
  ClusterState state = gondor();
  state.put(Collection::Pods, object(pod("web-2-aaaaa", "web-2", kReady)), kNow);
  state.put(Collection::Pods, object(pod("web-2-bbbbb", "web-2", crashing(4))), kNow);
  state.put(Collection::Pods, object(pod("web-2-ccccc", "web-2", kUnschedulable, "")), kNow);
  state.put(Collection::Pods, object(pod("a-very-other-name", "web-2", kReady)), kNow);
  state.put(Collection::Pods, object(pod("stranger-1", "nobody", kReady)), kNow);
  const DeploymentEvidence e = evidence_of(state);
  REQUIRE(e.pods.size() == 4);
  CHECK(e.pods[0].name == "a-very-other-name");
  const PodEvidence& ready = e.pods[1];
  CHECK(ready.name == "web-2-aaaaa");
  CHECK(ready.replica_set == "web-2");
  CHECK(ready.ready == Truth::True);
  CHECK(ready.node == "n1");
  CHECK(ready.requests.at("cpu") == 0.25);
  CHECK(ready.requests.at("memory") == 64 * 1048576);
  CHECK(ready.images.at("app") == "r/app:2");
  CHECK(ready.ready_time->value - ready.created->value == 8);
  const PodEvidence& crash = e.pods[2];
  CHECK(crash.ready == Truth::False);
  CHECK(crash.waiting == std::vector<std::string>{"CrashLoopBackOff"});
  CHECK(crash.last_terminated == "OOMKilled");
  CHECK(crash.last_exit_code->value == 137);
  CHECK(crash.message == "back-off 20s restarting failed container");
  const PodEvidence& pending = e.pods[3];
  CHECK(pending.unschedulable);
  CHECK(pending.ready == Truth::Unknown);
  CHECK(pending.node.empty());
  CHECK(pending.message == "0/3 nodes are available: 3 Insufficient cpu.");
}

TEST_CASE("restarts are counted over ten minutes of ours") {
  ClusterState state = gondor();
  state.put(Collection::Pods, object(pod("web-2-aaaaa", "web-2", crashing(4))), kNow);
  CHECK(evidence_of(state).pods[0].restarts_10m == 0);  // of long ago, for all we know
  state.put(Collection::Pods, object(pod("web-2-aaaaa", "web-2", crashing(6))), kNow + 60'000);
  CHECK(state.evidence(kWeb, kNow + 60'000, kNow)->pods[0].restarts_10m == 2);
  CHECK(state.evidence(kWeb, kNow + 700'000, kNow)->pods[0].restarts_10m == 0);
}

TEST_CASE("only what changes is named as changed") {
  ClusterState state = gondor();
  CHECK(state.take_changed() == std::vector<WorkloadKey>{kWeb});
  state.put(Collection::Deployments, object(kDeployment), kNow);
  state.put(
      Collection::Nodes,
      object(
          R"({"metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"True"}]}})"),
      kNow);
  CHECK(state.take_changed().empty());
  state.put(Collection::Pods, object(pod("web-2-aaaaa", "web-2", kReady)), kNow);
  CHECK(state.take_changed().size() == 1);
  state.put(Collection::Pods, object(pod("web-2-aaaaa", "web-2", kReady)), kNow);
  CHECK(state.take_changed().empty());
  // A heartbeat is no change, a node that falls silent is one of all its pods.
  state.put(
      Collection::Nodes,
      object(
          R"({"metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"x"}]}})"),
      kNow);
  CHECK(state.take_changed().empty());
  state.put(
      Collection::Nodes,
      object(
          R"({"metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}})"),
      kNow);
  CHECK(state.take_changed().size() == 1);
  CHECK(evidence_of(state).pods[0].node_lost);
}

TEST_CASE("a new list drops what is not in it") {
  ClusterState state = gondor();
  state.put(Collection::Pods, object(pod("web-2-aaaaa", "web-2", kReady)), kNow);
  state.put(Collection::Pods, object(pod("web-2-bbbbb", "web-2", kReady)), kNow);
  state.take_changed();
  state.begin_list(Collection::Pods);
  state.put(Collection::Pods, object(pod("web-2-bbbbb", "web-2", kReady)), kNow);
  CHECK(evidence_of(state).pods.size() == 2);  // not before its end
  state.end_list(Collection::Pods);
  CHECK(evidence_of(state).pods.size() == 1);
  CHECK(state.take_changed().size() == 1);
  state.begin_list(Collection::Deployments);
  state.end_list(Collection::Deployments);
  CHECK_FALSE(state.evidence(kWeb, kNow, kNow));
  CHECK(state.workloads().empty());
}

TEST_CASE("warnings lend their words where the object itself has none") {
  ClusterState state = gondor();
  const std::string not_ready =
      R"({"phase":"Running","conditions":[{"type":"Ready","status":"False"}]})";
  state.put(Collection::Pods, object(pod("web-2-aaaaa", "web-2", not_ready)), kNow);
  state.put(
      Collection::Events,
      object(
          R"({"metadata":{"name":"e1","namespace":"apps"},"type":"Warning","message":"Readiness probe failed: 503",
    "lastTimestamp":"2026-11-26T05:01:00Z","involvedObject":{"kind":"Pod","namespace":"apps","name":"web-2-aaaaa"}})"),
      kNow);
  state.put(
      Collection::Events,
      object(R"({"metadata":{"name":"e0","namespace":"apps"},"type":"Warning","message":"older",
    "lastTimestamp":"2026-11-26T05:00:00Z","involvedObject":{"kind":"Pod","namespace":"apps","name":"web-2-aaaaa"}})"),
      kNow);
  CHECK(evidence_of(state).pods[0].message == "Readiness probe failed: 503");
}

TEST_CASE("why an image cannot be had stands in an event alone") {
  ClusterState state = gondor();
  const std::string waits =
      R"({"phase":"Pending","containerStatuses":[{"name":"app","restartCount":0,
    "state":{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image \"r/app:2\""}}}]})";
  state.put(Collection::Pods, object(pod("web-2-aaaaa", "web-2", waits)), kNow);
  CHECK(evidence_of(state).pods[0].message == "Back-off pulling image \"r/app:2\"");
  for (const std::string message : {"Failed to pull image: not found", "Error: ImagePullBackOff"}) {
    state.put(Collection::Events,
              object(fmt::format(
                  R"({{"metadata":{{"name":"e","namespace":"apps"}},"type":"Warning","message":"{}",
              "lastTimestamp":"2026-11-26T05:01:00Z","involvedObject":{{"kind":"Pod","namespace":"apps","name":"web-2-aaaaa"}}}})",
                  message)),
              kNow);
  }
  CHECK(evidence_of(state).pods[0].message == "Failed to pull image: not found");
}

TEST_CASE("quotas and namespaces of the cluster") {
  ClusterState state = gondor();
  state.put(
      Collection::Quotas,
      object(
          R"({"metadata":{"name":"q","namespace":"apps"},"status":{"hard":{"pods":"2","requests.cpu":"1500m"},"used":{"pods":"2"}}})"),
      kNow);
  state.put(Collection::Namespaces, object(R"({"metadata":{"name":"apps"}})"), kNow);
  const DeploymentEvidence e = evidence_of(state);
  REQUIRE(e.quotas.size() == 2);
  CHECK(e.quotas[0].resource == "pods");
  CHECK(e.quotas[0].used->value == 2);
  CHECK(e.quotas[1].hard->value == 1.5);
  CHECK_FALSE(e.quotas[1].used);
  CHECK_FALSE(state.lacks_namespace("apps"));
  CHECK(state.lacks_namespace("other"));
}

TEST_CASE("a hundred thousand pods take at most 256 bytes each") {
  TextPool texts;
  PodTable pods(texts);
  const int count = 100'000;
  for (int i = 0; i < count; ++i) {
    const std::string set = fmt::format("service-{}-6c9f7d8b5", i / 10);
    const std::string spec = fmt::format(R"("nodeName":"node-{}.example.internal",)", i % 1000);
    pods.put(object(pod(fmt::format("{}-{:05}", set, i), set, kReady, spec)), kNow);
  }
  REQUIRE(pods.size() == count);
  const size_t each = (pods.bytes() + texts.bytes()) / count;
  INFO(each << " bytes a pod");
  CHECK(each <= 256);
  // And nothing is left of those that go.
  for (int i = 0; i < count; ++i) {
    const std::string set = fmt::format("service-{}-6c9f7d8b5", i / 10);
    pods.remove(object(pod(fmt::format("{}-{:05}", set, i), set, kReady)));
  }
  CHECK(pods.size() == 0);
  CHECK(texts.size() == 0);
}

TEST_CASE("times and quantities of Kubernetes") {
  CHECK(parse_time("2026-11-26T05:00:00Z") == 1795669200);
  CHECK(parse_time("2026-11-26T05:00:00.123456Z") == 1795669200);
  CHECK_FALSE(parse_time("2026-13-26T05:00:00Z"));
  CHECK_FALSE(parse_time("2026-11-26T05:00:00+01:00"));
  CHECK_FALSE(parse_time(""));
  CHECK(parse_quantity("100m") == 0.1);
  CHECK(parse_quantity("1.5") == 1.5);
  CHECK(parse_quantity("2e3") == 2000);
  CHECK(parse_quantity("64Mi") == 67108864);
  CHECK_FALSE(parse_quantity("much"));
  CHECK_FALSE(parse_quantity("1Zi"));
}

}  // namespace
}  // namespace aerie::clusters::kubernetes
