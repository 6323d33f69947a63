#include "clusters/api.h"

#include <catch2/catch.hpp>

#include <future>

#include "http/body_stream.h"

#include "tests/clusters/support/fleet_fixture.h"

using namespace aerie;
using namespace aerie::clusters;
using aerie::clusters::testing::FleetFixture;

namespace {

/// Asks the router as a client would; blocking handlers run on `pool`.
http::Response ask(const http::Router& router, const std::string& target) {
  const size_t question = target.find('?');
  http::Request request;
  request.path = target.substr(0, question);
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

struct Fixture : FleetFixture {
  Fixture() {
    deploy_small_fleet();
    register_routes(router, pool, *view);
  }
  ~Fixture() { pool.stop(); }
  WorkPool pool{WorkPool::Options{"query", 1, 16, 0}};
  http::Router router;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "clusters with their freshness and phases") {
  const auto answer = ask(router, "/api/v1/clusters/shire");
  CHECK(answer.status == 200);
  CHECK(
      answer.body ==
      R"({"status":"success","data":{"cluster":"shire","environment":"production","zone":"zone-of-shire","state":"fresh","note":"",)"
      R"("lastArrivalSeconds":0,"lagSeconds":0,"clockSkewSeconds":0,"flapping":false,"deployments":{"Stalled":0,"Degraded":1,"NotPropagated":0,"Unknown":0,)"
      R"("Progressing":0,"NotDesired":0,"Complete":1,"Idle":0}}})");
  CHECK(ask(router, "/api/v1/clusters").body.find(R"({"clusters":[{"cluster":"gondor",)") !=
        std::string::npos);
}

TEST_CASE_METHOD(Fixture, "Deployments, worst first, filtered") {
  const auto all = ask(router, "/api/v1/deployments").body;
  CHECK(all.find(R"("total":3)") != std::string::npos);
  CHECK(
      all.find(
          R"({"deployments":[{"cluster":"shire","namespace":"shop","name":"nginx","kind":"Deployment",)"
          R"("environment":"production","zone":"zone-of-shire","phase":"Degraded","reason":"PodsLost",)"
          R"("message":"1 of 2 available","desired":2,"created":2,"updated":2,"ready":1,"available":1,"since":17000000)") !=
      std::string::npos);
  CHECK(ask(router, "/api/v1/deployments?phase=Degraded").body.find(R"("total":1)") !=
        std::string::npos);
  CHECK(
      ask(router, "/api/v1/deployments?namespace=shop&cluster=gondor").body.find(R"("total":1)") !=
      std::string::npos);
  CHECK(ask(router, "/api/v1/deployments?reason=PodsLost").body.find(R"("total":1)") !=
        std::string::npos);
  CHECK(ask(router, "/api/v1/clusters/shire/deployments").body.find(R"("total":2)") !=
        std::string::npos);
  CHECK(ask(router, "/api/v1/deployments?phase=Broken").status == 400);
}

TEST_CASE_METHOD(Fixture, "one Deployment over all clusters") {
  const auto body = ask(router, "/api/v1/deployments/shop/nginx").body;
  CHECK(
      body.find(
          R"({"namespace":"shop","name":"nginx","kind":"Deployment","phase":"Degraded","reason":"PodsLost@shire","desiredReplicas":5,)"
          R"("readyReplicas":4,"unknownReplicas":0,"createdReplicas":5,"clusters":[{"cluster":"gondor",)") !=
      std::string::npos);
  CHECK(
      body.find(
          R"("desiredSource":"inferred: also elsewhere","spec":2,"generation":1,"autoscaled":false,)"
          R"("template":"","images":[],"warnings":[],"rolloutBegan":null,"lastComplete":17)") !=
      std::string::npos);
}

TEST_CASE_METHOD(Fixture, "what does not exist is not found") {
  CHECK(ask(router, "/api/v1/clusters/mordor").status == 404);
  CHECK(ask(router, "/api/v1/clusters/mordor/deployments").status == 404);
  CHECK(ask(router, "/api/v1/deployments/shop/nothing").status == 404);
}

TEST_CASE_METHOD(Fixture, "pages, orders and groups") {
  const auto first = ask(router, "/api/v1/deployments?limit=1").body;
  CHECK(first.find(R"("total":3)") != std::string::npos);
  CHECK(first.find("Degraded") != std::string::npos);
  CHECK(first.find("gondor") == std::string::npos);
  const auto second = ask(router, "/api/v1/deployments?limit=1&offset=1&sort=name").body;
  CHECK(second.find(R"([{"cluster":"gondor","namespace":"shop")") != std::string::npos);
  CHECK(ask(router, "/api/v1/deployments?phase=Degraded,Complete&cluster=shire")
            .body.find(R"("total":2)") != std::string::npos);
  CHECK(ask(router, "/api/v1/deployments?kind=statefulsets").body.find(R"("total":0)") !=
        std::string::npos);
  CHECK(
      ask(router, "/api/v1/deployments?groupBy=zone")
          .body.find(
              R"({"groupBy":"zone","groups":[{"group":"zone-of-shire","phase":"Degraded","clusters":1,)"
              R"("desiredReplicas":3,"readyReplicas":2,"unknownReplicas":0,"deployments":{"Stalled":0,"Degraded":1,)") !=
      std::string::npos);
  CHECK(ask(router, "/api/v1/deployments?q=NGINX%20!gondor").body.find(R"("total":1)") !=
        std::string::npos);
  for (const char* wrong : {"limit=x", "sort=up", "kind=Pod", "groupBy=moon", "limit=100001"})
    CHECK(ask(router, std::string("/api/v1/deployments?") + wrong).status == 400);
}

TEST_CASE_METHOD(Fixture, "events and the timeline of one Deployment") {
  const auto events = ask(router, "/api/v1/events").body;
  CHECK(events.find(R"("event":"Degraded","cluster":"shire","namespace":"shop","name":"nginx",)"
                    R"("kind":"Deployment","phase":"Degraded","reason":"PodsLost",)") !=
        std::string::npos);
  CHECK(ask(router, "/api/v1/events?event=Recovered").body ==
        R"({"status":"success","data":{"events":[]}})");
  CHECK(ask(router, "/api/v1/deployments/shop/nginx/timeline").body.find("Degraded") !=
        std::string::npos);
  CHECK(ask(router, "/api/v1/deployments/shop/nginx/timeline?cluster=gondor").body ==
        R"({"status":"success","data":{"events":[]}})");
  CHECK(ask(router, "/api/v1/events?event=Party").status == 400);
}

TEST_CASE_METHOD(Fixture, "the stream tells what changes") {
  const auto response = ask(router, "/api/v1/events/stream?namespace=shop");
  REQUIRE(response.stream);
  CHECK(response.headers.get("Content-Type") == "text/event-stream; charset=utf-8");
  CHECK(response.stream->take().starts_with("retry: 2000\nevent: fleet\ndata: {\"version\":"));
  run(20);
  CHECK(response.stream->take() == ": alive\n\n");
  set("shire", "nginx", "status_replicas_available", 2);
  set("shire", "nginx", "status_replicas_ready", 2);
  run(15);
  const std::string news = response.stream->take();
  CHECK(news.find("event: deployment\ndata: {\"cluster\":\"shire\"") != std::string::npos);
  CHECK(news.find("event: timeline\nid: ") != std::string::npos);
  CHECK(news.find("\"event\":\"Recovered\"") != std::string::npos);
  CHECK_FALSE(response.stream->ended());
  view->stop();
  CHECK(response.stream->ended());
}
