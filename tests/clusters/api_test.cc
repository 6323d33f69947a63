#include "clusters/api.h"

#include <catch2/catch.hpp>

#include <future>

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
    deploy("gondor", "shop", "nginx", 3);
    deploy("shire", "shop", "nginx", 2);
    deploy("shire", "infra", "dns", 1);
    run(30);
    set("shire", "nginx", "status_replicas_available", 1);
    set("shire", "nginx", "status_replicas_ready", 1);
    run(60);
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
      R"("lastArrivalSeconds":0,"lagSeconds":0,"deployments":{"Stalled":0,"Degraded":1,"NotPropagated":0,"Unknown":0,)"
      R"("Progressing":0,"NotDesired":0,"Complete":1,"Idle":0}}})");
  CHECK(ask(router, "/api/v1/clusters").body.find(R"({"clusters":[{"cluster":"gondor",)") !=
        std::string::npos);
}

TEST_CASE_METHOD(Fixture, "Deployments, worst first, filtered") {
  const auto all = ask(router, "/api/v1/deployments").body;
  CHECK(all.find(R"("total":3)") != std::string::npos);
  CHECK(
      all.find(
          R"({"deployments":[{"cluster":"shire","namespace":"shop","name":"nginx","phase":"Degraded","reason":"PodsLost",)"
          R"("message":"1 of 2 available","desired":2,"updated":2,"ready":1,"available":1,"since":17000000)") !=
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
          R"({"namespace":"shop","name":"nginx","phase":"Degraded","reason":"PodsLost@shire","desiredReplicas":5,)"
          R"("readyReplicas":4,"unknownReplicas":0,"clusters":[{"cluster":"gondor",)") !=
      std::string::npos);
  CHECK(body.find(R"("desiredSource":"inferred: also in gondor","causes":[]})") !=
        std::string::npos);
}

TEST_CASE_METHOD(Fixture, "what does not exist is not found") {
  CHECK(ask(router, "/api/v1/clusters/mordor").status == 404);
  CHECK(ask(router, "/api/v1/clusters/mordor/deployments").status == 404);
  CHECK(ask(router, "/api/v1/deployments/shop/nothing").status == 404);
}
