#include "http/router.h"

#include <catch2/catch.hpp>

namespace aerie::http {
namespace {

using Kind = Router::Match::Kind;

AsyncHandler answer_nothing() {
  return [](Request, Responder) {};
}

Router example() {
  Router router;
  router.async({Method::Get}, "/", answer_nothing());
  router.async({Method::Get, Method::Post}, "/api/v1/query", answer_nothing());
  router.async({Method::Get}, "/api/v1/label/{name}/values", answer_nothing());
  router.async({Method::Get}, "/api/v1/deployments/{namespace}/{name}", answer_nothing());
  router.async({Method::Get}, "/api/v1/deployments/all/{name}", answer_nothing());
  router.async({Method::Post}, "/api/v1/write", answer_nothing(), {.body_limit_bytes = 7});
  router.async({Method::Get}, "/assets/{file...}", answer_nothing());
  return router;
}

}  // namespace

TEST_CASE("the most literal pattern wins and binds its names") {
  const Router router = example();
  const auto label = router.find(Method::Get, "/api/v1/label/job/values");
  REQUIRE(label.kind == Kind::Found);
  CHECK(label.pattern == "/api/v1/label/{name}/values");
  CHECK(label.path_params.at("name") == "job");
  CHECK(router.find(Method::Get, "/api/v1/deployments/shire/nginx").path_params.at("namespace") ==
        "shire");
  CHECK(router.find(Method::Get, "/api/v1/deployments/all/nginx").pattern ==
        "/api/v1/deployments/all/{name}");
  CHECK(router.find(Method::Get, "/assets/a/b.js").path_params.at("file") == "a/b.js");
  CHECK(router.find(Method::Get, "/").kind == Kind::Found);
}

TEST_CASE("an escaped slash stays inside its segment") {
  const auto match = example().find(Method::Get, "/api/v1/label/a%2Fb%20c/values");
  REQUIRE(match.kind == Kind::Found);
  CHECK(match.path_params.at("name") == "a/b c");
}

TEST_CASE("paths that no pattern matches are not found") {
  const Router router = example();
  for (const char* path :
       {"/nowhere", "/api/v1/query/", "/api/v1", "/api/v1/label//values", "/assets"}) {
    INFO(path);
    CHECK(router.find(Method::Get, path).kind == Kind::NotFound);
  }
}

TEST_CASE("a known path with another method says which methods it has") {
  const auto match = example().find(Method::Delete, "/api/v1/query");
  CHECK(match.kind == Kind::MethodNotAllowed);
  CHECK(match.allow == "GET, HEAD, POST, OPTIONS");
  CHECK(match.pattern == "/api/v1/query");
}

TEST_CASE("HEAD is served where GET is") {
  const Router router = example();
  CHECK(router.find(Method::Head, "/api/v1/query").kind == Kind::Found);
  CHECK(router.find(Method::Head, "/api/v1/write").kind == Kind::MethodNotAllowed);
}

TEST_CASE("route options and the list of patterns come back") {
  const Router router = example();
  CHECK(router.find(Method::Post, "/api/v1/write").options.body_limit_bytes == 7);
  CHECK(router.patterns().size() == 8);
  CHECK(router.patterns().front() == "GET /");
}

TEST_CASE("a responder that is dropped answers 500, one that was used answers once") {
  std::vector<int> answers;
  const Responder::Send note = [&](Response response) { answers.push_back(response.status); };
  { const Responder dropped(note); }
  {
    Responder used(note);
    Responder moved(std::move(used));
    moved(Response::no_content());
  }
  CHECK(answers == std::vector<int>{500, 204});
}

TEST_CASE("a full pool answers 503 and a throwing handler 500") {
  WorkPool pool({.name = "test", .threads = 1, .queue_limit = 1});
  Router router;
  const BlockingHandler throwing = [](const Request&) -> Response {
    throw std::runtime_error("boom");
  };
  router.blocking({Method::Get}, "/throws", pool, throwing);
  std::vector<Response> answers;  // written by this thread, or by the pool before stop() returns
  const Responder::Send note = [&](Response response) { answers.push_back(std::move(response)); };

  router.find(Method::Get, "/throws").handler(Request{}, Responder(note));
  pool.stop();
  router.find(Method::Get, "/throws").handler(Request{}, Responder(note));
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].status == 500);
  CHECK(answers[1].status == 503);
  CHECK(answers[1].headers.get("Retry-After") == "5");
}

}  // namespace aerie::http
