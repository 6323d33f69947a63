// The Kubernetes API group, asked as a client does; and by the real kubectl where
// tools/fetch-servers has brought it.

#include "clusters/kube_api.h"

#include <catch2/catch.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "http/body_stream.h"
#include "http/server.h"
#include "tests/clusters/support/fleet_fixture.h"
#include "tests/source_folder.h"

using namespace aerie;
using namespace aerie::clusters;
using aerie::clusters::testing::FleetFixture;

namespace {

constexpr const char* kGroup = "/apis/status.aerie.io/v1alpha1";
constexpr const char* kTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

struct Fixture : FleetFixture {
  Fixture() {
    deploy_small_fleet();
    register_kube_routes(router, pool, *view);
  }
  ~Fixture() { pool.stop(); }

  http::Response ask(const std::string& target, const std::string& accept = "application/json") {
    const size_t question = target.find('?');
    http::Request request;
    request.path = target.substr(0, question);
    request.headers.set("Accept", accept);
    if (question != std::string::npos)
      request.params = http::Parameters::parse(target.substr(question + 1));
    auto match = router.find(http::Method::Get, request.path);
    REQUIRE(match.kind == http::Router::Match::Kind::Found);
    request.path_params = match.path_params;
    std::promise<http::Response> answer;
    match.handler(std::move(request),
                  http::Responder([&](http::Response r) { answer.set_value(std::move(r)); }));
    return answer.get_future().get();
  }
  std::string list(const std::string& rest) { return ask(kGroup + rest).body; }

  WorkPool pool{WorkPool::Options{"query", 1, 16, 0}};
  http::Router router;
};

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// What a command prints, both streams.
std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> chunk{};
  for (size_t n = 0; (n = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;)
    out.append(chunk.data(), n);
  ::pclose(pipe);
  return out;
}

/// The fixture behind a port, and kubectl pointed at it.
struct KubectlFixture : Fixture {
  KubectlFixture() {
    auto started = http::Server::start({.listen_address = "127.0.0.1:0"}, router, registry);
    REQUIRE(started.ok());
    server = std::move(*started);
  }
  std::string command(const std::string& arguments, const std::string& path = "") const {
    return "HOME=" + folder.string() + " KUBECONFIG=/dev/null " + program.string() +
           " --server=http://127.0.0.1:" + std::to_string(server->port()) + path + " " + arguments;
  }
  std::string kubectl(const std::string& arguments, const std::string& path = "") const {
    return output_of(command(arguments, path));
  }
  /// What a command that does not end by itself prints, up to the first line with `last`.
  std::string kubectl_until(const std::string& last, const std::string& arguments) const {
    const std::string pipe = (folder / "kubectl-tells").string();
    return output_of("mkfifo " + pipe + "; " + command(arguments) + " >" + pipe + " & sed '/" +
                     last + "/q' " + pipe + "; kill $!; wait");
  }
  const std::filesystem::path program =
      std::filesystem::path(tests::source_folder()) / "build/third_party/usr/bin/kubectl";
  MetricRegistry registry;
  std::unique_ptr<http::Server> server;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "discovery names group, version and resources") {
  CHECK(holds(ask("/api").body, R"("kind":"APIVersions")"));
  CHECK(holds(ask("/apis").body, R"("groupVersion":"status.aerie.io/v1alpha1")"));
  const auto resources = ask("/apis/status.aerie.io/v1alpha1").body;
  CHECK(
      holds(resources,
            R"({"name":"federatedworkloads","singularName":"federatedworkload","namespaced":true,)"
            R"("kind":"FederatedWorkload","verbs":["get","list","watch"],"shortNames":["fw"]})"));
  CHECK(holds(ask("/clusters/gondor/apis").body, "status.aerie.io"));
}

TEST_CASE_METHOD(Fixture, "objects have status and conditions that others can read") {
  const auto object = list("/namespaces/shop/federatedworkloads/nginx");
  CHECK(holds(object, R"({"apiVersion":"status.aerie.io/v1alpha1","kind":"FederatedWorkload")"));
  CHECK(holds(object, R"("desiredReplicas":5,"createdReplicas":5,"readyReplicas":4)"));
  CHECK(holds(object, R"({"type":"Ready","status":"False")"));
  CHECK(holds(object, R"("reason":"PodsLost","message":"PodsLost@shire")"));
  CHECK(holds(object, R"("clusters":[{"name":"gondor","phase":"Complete")"));
  const auto missing = ask(std::string(kGroup) + "/namespaces/shop/federatedworkloads/none");
  CHECK(missing.status == 404);
  CHECK(
      holds(missing.body, R"("message":"federatedworkloads.status.aerie.io \"none\" not found")"));
  CHECK(ask(std::string(kGroup) + "/pods").status == 404);
}

TEST_CASE_METHOD(Fixture, "lists are selected, paged, and cut to one cluster by the path") {
  CHECK(count(list("/workloadstatuses"), R"("kind":"WorkloadStatus")") == 3);
  CHECK(count(list("/namespaces/shop/workloadstatuses"), R"("kind":"WorkloadStatus")") == 2);
  CHECK(count(list("/workloadstatuses?fieldSelector=status.phase=Degraded"),
              R"("kind":"WorkloadStatus")") == 1);
  CHECK(count(list("/workloadstatuses?labelSelector=status.aerie.io/cluster%20in%20(shire)"),
              R"("kind":"WorkloadStatus")") == 2);
  CHECK(ask(std::string(kGroup) + "/workloadstatuses?fieldSelector=spec.x=1").status == 400);
  const auto page = list("/workloadstatuses?limit=2");
  CHECK(holds(page, R"("continue":"2","remainingItemCount":1)"));
  CHECK(count(list("/workloadstatuses?limit=2&continue=2"), R"("kind":"WorkloadStatus")") == 1);
  for (const char* form : {"/clusters/gondor/apis/status.aerie.io/v1alpha1/workloadstatuses",
                           "/apis/clusters/gondor/status.aerie.io/v1alpha1/workloadstatuses",
                           "/kapis/clusters/gondor/status.aerie.io/v1alpha1/workloadstatuses"}) {
    CHECK(count(ask(form).body, R"("kind":"WorkloadStatus")") == 1);
  }
  CHECK(ask("/clusters/mordor/apis/status.aerie.io/v1alpha1/clusters").status == 404);
}

TEST_CASE_METHOD(Fixture, "a table has a row for each object") {
  const auto rows = ask(std::string(kGroup) + "/clusters", kTable).body;
  CHECK(holds(rows, R"({"kind":"Table","apiVersion":"meta.k8s.io/v1")"));
  CHECK(holds(rows,
              R"({"name":"Name","type":"string","format":"name","description":"","priority":0})"));
  CHECK(holds(
      rows, R"({"cells":["gondor","fresh",1,0,0,0,0,"0s","production","zone-of-gondor","no",""])"));
}

TEST_CASE_METHOD(Fixture, "a watch tells what changes after the list") {
  const std::string version = std::to_string(fleet()->version);
  const auto response = ask(std::string(kGroup) +
                            "/namespaces/shop/workloadstatuses?watch=true"
                            "&allowWatchBookmarks=true&resourceVersion=" +
                            version);
  REQUIRE(response.stream);
  CHECK(response.stream->take().empty());
  set("shire", "nginx", "status_replicas_available", 2);
  set("shire", "nginx", "status_replicas_ready", 2);
  run(15);
  const auto news = response.stream->take();
  CHECK(count(news, R"({"type":"MODIFIED","object":{"apiVersion")") >= 1);
  CHECK(holds(news, R"("name":"shire.deployment.nginx")"));
  CHECK_FALSE(holds(news, "gondor.deployment"));
  remove("gondor", "nginx");
  run(90);
  const auto later = response.stream->take();
  CHECK(holds(later, R"({"type":"DELETED","object":{"apiVersion")"));
  run(90);
  CHECK(holds(response.stream->take(), R"("type":"BOOKMARK")"));
  CHECK(ask(std::string(kGroup) + "/workloadstatuses?watch=1&resourceVersion=" + version).status ==
        410);
  const auto all = ask(std::string(kGroup) + "/clusters?watch=1", kTable);
  CHECK(count(all.stream->take(), R"({"type":"ADDED","object":{"kind":"Table")") == 2);
}

TEST_CASE_METHOD(Fixture, "a watch ends when its time is over") {
  const auto response = ask(std::string(kGroup) + "/clusters?watch=1&timeoutSeconds=10");
  run(5);
  CHECK_FALSE(response.stream->ended());
  run(10);
  CHECK(response.stream->ended());
}

TEST_CASE_METHOD(KubectlFixture, "kubectl works unmodified") {
  if (!std::filesystem::exists(program)) {
    WARN("kubectl is not there (tools/fetch-servers): not tried");
    return;
  }
  CHECK(kubectl("get fw -A") ==
        "NAMESPACE   NAME    DESIRED   CREATED   READY   UNKNOWN   CLUSTERS   PHASE      REASON    "
        "       SINCE\n"
        "shop        nginx   5         5         4       0         1/2        Degraded   "
        "PodsLost@shire   15s\n"
        "infra       dns     1         1         1       0         1/1        Complete             "
        "       75s\n");
  CHECK(kubectl("get fw -n shop -o wide") ==
        "NAME    DESIRED   CREATED   READY   UNKNOWN   CLUSTERS   PHASE      REASON           "
        "SINCE   KIND         DRIFT\n"
        "nginx   5         5         4       0         1/2        Degraded   PodsLost@shire   15s  "
        "   Deployment   \n");
  CHECK(kubectl("get ws -n shop --field-selector status.phase=Degraded") ==
        "NAME                     CLUSTER   DESIRED   SPEC   UPDATED   READY   AVAILABLE   PHASE   "
        "   REASON     SINCE   AS-OF\n"
        "shire.deployment.nginx   shire     2         2      2         1       1           "
        "Degraded   PodsLost   15s     0s\n");
  CHECK(kubectl("get ws -A", "/clusters/gondor") ==
        "NAMESPACE   NAME                      CLUSTER   DESIRED   SPEC   UPDATED   READY   "
        "AVAILABLE   PHASE      REASON   SINCE   AS-OF\n"
        "shop        gondor.deployment.nginx   gondor    3         3      3         3       3      "
        "     Complete            75s     0s\n");
  CHECK(kubectl("get clusters.status.aerie.io -o name") ==
        "cluster.status.aerie.io/gondor\ncluster.status.aerie.io/shire\n");
  const auto yaml = kubectl("get fw nginx -n shop -o yaml");
  CHECK(holds(yaml, "apiVersion: status.aerie.io/v1alpha1\nkind: FederatedWorkload\n"));
  CHECK(holds(yaml, "  phase: Degraded\n"));
  const auto described = kubectl("describe fw nginx -n shop");
  CHECK(holds(described, "Name:         nginx\nNamespace:    shop\n"));
  CHECK(holds(described, "PodsLost@shire"));
  CHECK(kubectl("get fw none -n shop") ==
        "Error from server (NotFound): federatedworkloads.status.aerie.io \"none\" not found\n");
  CHECK(kubectl("get fw none -n moria") ==
        "Error from server (NotFound): namespaces \"moria\" not found\n");
}

TEST_CASE_METHOD(KubectlFixture, "kubectl get -w follows") {
  if (!std::filesystem::exists(program)) return;
  auto told = std::async(std::launch::async, [this] {
    return kubectl_until("Degraded", "get ws -n infra -w --request-timeout=20s");
  });
  while (view->listening() == 0) std::this_thread::yield();
  set("shire", "dns", "status_replicas_available", 0);
  set("shire", "dns", "status_replicas_ready", 0);
  run(60);
  const auto text = told.get();
  CHECK(count(text, "shire.deployment.dns") >= 2);
  CHECK(holds(text, "Degraded"));
}
