#include "http/client.h"

#include <catch2/catch.hpp>

#include "http/server.h"

namespace aerie::http {
namespace {

/// Says what came, so that the tests see what the client sent.
Response describe(const Request& request) {
  Response response =
      Response::text(201, std::string(method_name(request.method)) + " " + request.remote_address +
                              " " + std::string(request.headers.get("X-Tag")) + " " + request.body);
  response.headers.set("X-Answer", "yes: it is");
  return response;
}

}  // namespace

TEST_CASE("the client sends method, headers and body and keeps its connection") {
  Router router;
  MetricRegistry metrics;
  WorkPool pool({.name = "test"});
  router.blocking({Method::Get, Method::Post, Method::Put, Method::Delete}, "/", pool, describe);
  auto server = Server::start({.listen_address = "127.0.0.1:0"}, router, metrics);
  const std::string url = "http://127.0.0.1:" + std::to_string((*server)->port()) + "/";
  Client client;

  std::string first_address;
  for (const Method method : {Method::Get, Method::Post, Method::Put, Method::Delete}) {
    const std::string body = method == Method::Get ? "" : "body";
    auto response = client.send(
        {.method = method, .url = url, .headers = Headers{}.set("X-Tag", "t"), .body = body});
    REQUIRE(response.ok());
    CHECK(response->status == 201);
    CHECK(response->headers.get("x-answer") == "yes: it is");
    const size_t space = response->body.find(' ');
    const std::string address =
        response->body.substr(space + 1, response->body.find(' ', space + 1) - space - 1);
    if (first_address.empty()) first_address = address;
    CHECK(address == first_address);
    CHECK(response->body == std::string(method_name(method)) + " " + address + " t " + body);
  }
  auto head = client.send({.method = Method::Head, .url = url});
  REQUIRE(head.ok());
  CHECK(head->body.empty());
}

TEST_CASE("failures of the transport have a code and a text without secrets") {
  Client client;
  const auto refused = client.send({.url = "http://user:secret@127.0.0.1:1/path?token=secret"});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == ErrorCode::Unavailable);
  CHECK(refused.error().message().starts_with("request http://127.0.0.1:1/path: "));
  CHECK(refused.error().message().find("secret") == std::string::npos);
  CHECK(client.send({.url = "http://["}).error().code() == ErrorCode::InvalidArgument);
  CHECK(client.send({.url = "file:///etc/passwd"}).error().code() == ErrorCode::InvalidArgument);
}

TEST_CASE("a server that does not answer in time is a deadline exceeded") {
  Router router;
  MetricRegistry metrics;
  std::vector<std::shared_ptr<Responder>> waiting;  // io thread only, until the server has stopped
  router.async({Method::Get}, "/", [&](Request, Responder respond) {
    waiting.push_back(std::make_shared<Responder>(std::move(respond)));
  });
  auto server = Server::start({.listen_address = "127.0.0.1:0"}, router, metrics);
  Client client;
  const std::string url = "http://127.0.0.1:" + std::to_string((*server)->port());
  const auto late = client.send({.url = url, .timeout = std::chrono::milliseconds(50)});
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().code() == ErrorCode::DeadlineExceeded);
  (*server)->stop(std::chrono::milliseconds(0));
}

}  // namespace aerie::http
