#include "http/server.h"

#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "http/body_stream.h"
#include "http/client.h"
#include "tests/http/support/raw_client.h"

namespace aerie::http {
namespace {

std::string parameters_of(const Request& request) {
  std::string out;
  for (const auto& [name, value] : request.params.pairs()) out += name + "=" + value + ";";
  for (const auto& [name, value] : request.path_params) out += name + "->" + value + ";";
  return out;
}

/// A server on a free port with the routes that the tests below call.
struct Fixture {
  explicit Fixture(Server::Options options = {}) {
    const BlockingHandler echo = [](const Request& request) {
      return Response::text(200, request.body);
    };
    const BlockingHandler params = [](const Request& request) {
      return Response::text(200, parameters_of(request));
    };
    const BlockingHandler large = [](const Request&) {
      return Response::json(200, "[" + std::string(4000, '1') + "]");
    };
    router.blocking({Method::Post, Method::Put}, "/echo", pool, echo, {.body_limit_bytes = 100});
    router.blocking({Method::Post}, "/echo-large", pool, echo);
    router.blocking({Method::Get, Method::Post}, "/params", pool, params);
    router.blocking({Method::Get}, "/label/{name}/values", pool, params);
    router.blocking({Method::Get}, "/large", pool, large);
    router.async({Method::Get}, "/dropped", [](Request, Responder) {});
    router.async({Method::Get}, "/now",
                 [](Request, Responder respond) { respond(Response::text(200, "now")); });
    router.async({Method::Get}, "/held", [this](Request request, Responder respond) {
      held.set_value({std::move(request), std::make_shared<Responder>(std::move(respond))});
    });
    options.listen_address = "127.0.0.1:0";
    auto started = Server::start(options, router, metrics);
    AERIE_CHECK(started.ok(), "the server under test does not start");
    server = std::move(*started);
  }

  std::string url(std::string_view path) const {
    return "http://127.0.0.1:" + std::to_string(server->port()) + std::string(path);
  }
  Response get(std::string_view path, Headers headers = {}) {
    auto response = client.send({.url = url(path), .headers = std::move(headers)});
    AERIE_CHECK(response.ok(), response.ok() ? "" : response.error().message());
    return std::move(*response);
  }

  struct Held {
    Request request;
    std::shared_ptr<Responder> respond;
  };
  WorkPool pool{{.name = "test", .threads = 2}};
  MetricRegistry metrics;
  Router router;
  std::promise<Held> held;  // the request to /held, for the test to answer
  Client client;
  std::unique_ptr<Server> server;
};

constexpr std::string_view kGetNow = "GET /now HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

TEST_CASE("a connection serves one request after the other, also when they are sent at once") {
  Fixture fixture;
  RawClient raw(fixture.server->port());
  raw.send(kGetNow);
  CHECK(raw.read_response()->body == "now");
  raw.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\ntw\r\n1\r\no\r\n0\r\n\r\n"
      "GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  CHECK(raw.read_response()->body == "one");
  CHECK(raw.read_response()->body == "two");
  const auto last = raw.read_response();
  CHECK(last->body == "now");
  CHECK(last->headers.get("Connection") == "close");
  CHECK(raw.is_closed());
}

TEST_CASE("an answer that goes on is sent piece by piece until it ends") {
  Fixture fixture;
  RawClient raw(fixture.server->port());
  raw.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = fixture.held.get_future().get();
  Response response;
  response.headers.set("Content-Type", "text/event-stream");
  response.stream = std::make_shared<BodyStream>();
  const std::weak_ptr<BodyStream> stream = response.stream;
  CHECK(response.stream->write("one"));
  (*held.respond)(std::move(response));
  const auto head = raw.read_response(true);
  REQUIRE(head);
  CHECK(head->headers.get("Transfer-Encoding") == "chunked");
  CHECK(head->headers.get("Content-Length").empty());
  CHECK(raw.read_bytes(8) == "3\r\none\r\n");
  REQUIRE(stream.lock());
  CHECK(stream.lock()->write("and two"));
  CHECK(raw.read_bytes(12) == "7\r\nand two\r\n");
  stream.lock()->end();
  CHECK(raw.read_bytes(5) == "0\r\n\r\n");
  CHECK(raw.is_closed());
}

TEST_CASE("the producer of a stream learns that its client is gone") {
  Fixture fixture;
  auto raw = std::make_unique<RawClient>(fixture.server->port());
  raw->send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = fixture.held.get_future().get();
  Response response;
  response.stream = std::make_shared<BodyStream>();
  const std::weak_ptr<BodyStream> stream = response.stream;
  (*held.respond)(std::move(response));
  REQUIRE(raw->read_response(true));
  raw->vanish();
  while (!stream.expired()) std::this_thread::yield();
  SUCCEED("the stream was let go");
}

TEST_CASE("a client that does not read is cut off, not waited for") {
  BodyStream stream;
  const std::string piece(1 << 20, 'x');
  int taken = 0;
  while (stream.write(piece)) ++taken;
  CHECK(taken == 8);
  CHECK(stream.overflowed());
  CHECK(stream.ended());
}

TEST_CASE("a server that stops ends its streams") {
  Fixture fixture;
  RawClient raw(fixture.server->port());
  raw.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = fixture.held.get_future().get();
  Response response;
  response.stream = std::make_shared<BodyStream>();
  (*held.respond)(std::move(response));
  REQUIRE(raw.read_response(true));
  fixture.server->stop(std::chrono::seconds(30));
  CHECK(raw.read_bytes(5) == "0\r\n\r\n");
}

TEST_CASE("an HTTP/1.0 client gets its answer and the end of the connection") {
  Fixture fixture;
  RawClient raw(fixture.server->port());
  raw.send("GET /now HTTP/1.0\r\n\r\n");
  CHECK(raw.read_response()->status == 200);
  CHECK(raw.is_closed());
}

TEST_CASE("HEAD answers the header of GET without the body") {
  Fixture fixture;
  RawClient raw(fixture.server->port());
  raw.send("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto head = raw.read_response(true);
  CHECK(head->status == 200);
  CHECK(head->headers.get("Content-Length") == "4002");
  raw.send(kGetNow);
  CHECK(raw.read_response()->body == "now");
}

TEST_CASE("what is not HTTP is told so") {
  Fixture fixture;
  const auto status_of = [&](std::string_view bytes) {
    RawClient raw(fixture.server->port());
    raw.send(bytes);
    const auto response = raw.read_response();
    const bool closed = raw.is_closed();
    return response && closed ? response->status : 0;
  };
  CHECK(status_of("\x16\x03\x01 is how TLS begins\r\n\r\n") == 400);
  CHECK(status_of("GET /now HTTP/1.1\r\nbroken header\r\n\r\n") == 400);
  CHECK(status_of("GET /now\r\n\r\n") == 400);
  CHECK(status_of(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab") ==
        400);
  CHECK(status_of("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n") == 400);
  CHECK(status_of("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
                  "3\r\n\r\n0\r\n\r\n") == 400);
  CHECK(status_of("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") ==
        400);
  CHECK(status_of("GET /" + std::string(300 << 10, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n") == 431);
}

TEST_CASE("a request without a host or with a bad target is refused and the connection stays") {
  Fixture fixture;
  RawClient raw(fixture.server->port());
  raw.send("GET /now HTTP/1.1\r\n\r\n");
  CHECK(raw.read_response()->body == "malformed HTTP request: the Host header is missing\n");
  raw.send("GET now HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(raw.read_response()->status == 400);
  raw.send(kGetNow);
  CHECK(raw.read_response()->status == 200);
}

TEST_CASE("unknown paths and methods") {
  Fixture fixture;
  const Response missing = fixture.get("/api/v1/rules/test/test");
  CHECK(missing.status == 404);
  CHECK(missing.body == "404 page not found\n");
  RawClient raw(fixture.server->port());
  raw.send("POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nquery");
  const auto refused = raw.read_response();
  CHECK(refused->status == 405);
  CHECK(refused->headers.get("Allow") == "GET, HEAD, OPTIONS");
  raw.send(kGetNow);  // the small body was read, so the connection is usable
  CHECK(raw.read_response()->status == 200);
}

TEST_CASE("a body past the limit of its route is refused before it is read") {
  Fixture fixture;
  const std::string too_long(101, 'x');
  const std::string text = "request body is larger than 100 bytes, the limit of this endpoint\n";
  {
    RawClient raw(fixture.server->port());
    raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n" + too_long);
    const auto refused = raw.read_response();
    CHECK(refused->status == 413);
    CHECK(refused->body == text);
  }
  {
    RawClient raw(fixture.server->port());
    raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" +
             too_long + "\r\n0\r\n\r\n");
    CHECK(raw.read_response()->body == text);
  }
  auto within = fixture.client.send({.method = Method::Post,
                                     .url = fixture.url("/echo"),
                                     .headers = {},
                                     .body = std::string(100, 'x')});
  CHECK(within->status == 200);
}

TEST_CASE("a large body arrives whole") {
  Fixture fixture;
  std::string body;
  for (int i = 0; body.size() < 3u << 20; ++i) body += std::to_string(i);
  auto echoed = fixture.client.send(
      {.method = Method::Post, .url = fixture.url("/echo-large"), .headers = {}, .body = body});
  REQUIRE(echoed.ok());
  CHECK((echoed->body == body));
}

TEST_CASE("a client that expects it is told to continue, or why not") {
  Fixture fixture;
  RawClient raw(fixture.server->port());
  raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(raw.read_response()->status == 100);
  raw.send("ok");
  CHECK(raw.read_response()->body == "ok");
  raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 200\r\n\r\n");
  CHECK(raw.read_response()->status == 413);
}

TEST_CASE("parameters of the form come before those of the URL") {
  Fixture fixture;
  auto form = fixture.client.send(
      {.method = Method::Post,
       .url = fixture.url("/params?query=url&x=1"),
       .headers = Headers{}.set("Content-Type", "application/x-www-form-urlencoded"),
       .body = "query=1%2B1&time=4"});
  CHECK(form->body == "query=1+1;time=4;query=url;x=1;");
  CHECK(fixture.get("/params?a=%20&b=+").body == "a= ;b= ;");
  CHECK(fixture.get("/label/a%2Fb/values").body == "name->a/b;");
}

TEST_CASE("the prefix of a proxy and that of Prometheus are stripped") {
  Fixture fixture({.route_prefix = "/aerie/"});
  CHECK(fixture.get("/now").body == "now");
  CHECK(fixture.get("/prometheus/now").body == "now");
  CHECK(fixture.get("/aerie/now").body == "now");
  CHECK(fixture.get("/aerie/prometheus/now").body == "now");
  CHECK(fixture.get("/other/now").status == 404);
}

TEST_CASE("browsers of allowed origins may read answers") {
  Fixture open;
  CHECK(open.get("/now").headers.has("Access-Control-Allow-Origin") == false);
  const Response answered = open.get("/now", Headers{}.set("Origin", "https://grafana.example"));
  CHECK(answered.headers.get("Access-Control-Allow-Origin") == "*");
  CHECK(answered.headers.get("Access-Control-Expose-Headers") == "Date");
  CHECK(answered.headers.get("Vary") == "Origin");

  Fixture strict({.cors_origin = "https://.*\\.example"});
  const Headers good = Headers{}.set("Origin", "https://grafana.example");
  CHECK(strict.get("/now", good).headers.get("Access-Control-Allow-Origin") ==
        "https://grafana.example");
  const Headers bad = Headers{}.set("Origin", "https://grafana.example.evil");
  CHECK_FALSE(strict.get("/now", bad).headers.has("Access-Control-Allow-Origin"));

  auto preflight = open.client.send(
      {.method = Method::Options, .url = open.url("/api/v1/query"), .headers = good, .body = {}});
  CHECK(preflight->status == 204);
  CHECK(preflight->headers.get("Access-Control-Allow-Methods") == "GET, POST, OPTIONS");
  CHECK(preflight->headers.get("Access-Control-Allow-Headers") ==
        "Accept, Authorization, Content-Type, Origin");
}

TEST_CASE("large answers are compressed for clients that ask") {
  Fixture fixture;
  const Response packed = fixture.get("/large", Headers{}.set("Accept-Encoding", "gzip"));
  CHECK(packed.headers.get("Content-Encoding") == "gzip");
  CHECK(packed.body.starts_with("\x1f\x8b"));
  CHECK(packed.body.size() < 200);
  CHECK(fixture.get("/large").body.size() == 4002);
}

TEST_CASE("a client that sends too slowly is cut off") {
  Fixture fixture({.read_timeout = std::chrono::milliseconds(50)});
  RawClient silent(fixture.server->port());
  CHECK(silent.is_closed());
  RawClient slow(fixture.server->port());
  slow.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  CHECK(slow.is_closed());
  CHECK(fixture.get("/now").status == 200);
  CHECK(fixture.metrics.expose().find("aerie_http_read_timeouts_total 1") != std::string::npos);
}

TEST_CASE("one connection too many is told so and closed") {
  Fixture fixture({.max_connections = 1});
  RawClient first(fixture.server->port());
  first.send(kGetNow);
  CHECK(first.read_response()->status == 200);
  RawClient second(fixture.server->port());
  second.send(kGetNow);
  const auto refused = second.read_response();
  CHECK(refused->status == 503);
  CHECK(refused->body == "too many connections: 1 are open, the limit of --web.max-connections\n");
  CHECK(second.is_closed());
  first.send(kGetNow);
  CHECK(first.read_response()->status == 200);
}

TEST_CASE("a dropped responder answers 500, and any thread may answer") {
  Fixture fixture;
  CHECK(fixture.get("/dropped").status == 500);
  RawClient raw(fixture.server->port());
  raw.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = fixture.held.get_future().get();
  std::thread other([&] { (*held.respond)(Response::text(200, "from another thread")); });
  CHECK(raw.read_response()->body == "from another thread");
  other.join();
  raw.send(kGetNow);
  CHECK(raw.read_response()->status == 200);
}

TEST_CASE("a handler learns that its client has gone") {
  Fixture fixture;
  auto raw = std::make_unique<RawClient>(fixture.server->port());
  raw->send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = fixture.held.get_future().get();
  CHECK_FALSE(held.request.cancellation->cancelled());
  raw->vanish();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!held.request.cancellation->cancelled() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  CHECK(held.request.cancellation->cancelled());
  (*held.respond)(Response::text(200, "to nobody"));
  CHECK(fixture.get("/now").status == 200);
}

TEST_CASE("stop lets a running request finish and refuses new ones") {
  Fixture fixture;
  RawClient idle(fixture.server->port());
  idle.send(kGetNow);
  CHECK(idle.read_response()->status == 200);
  RawClient busy(fixture.server->port());
  busy.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = fixture.held.get_future().get();

  std::thread stopper([&] { fixture.server->stop(std::chrono::seconds(10)); });
  CHECK(idle.is_closed());  // so stop() has begun
  (*held.respond)(Response::text(200, "finished"));
  const auto last = busy.read_response();
  CHECK(last->body == "finished");
  CHECK(last->headers.get("Connection") == "close");
  stopper.join();
  fixture.server->stop(std::chrono::seconds(10));  // again: returns at once
  CHECK(fixture.client.send({.url = fixture.url("/now")}).error().code() == ErrorCode::Unavailable);
}

TEST_CASE("stop cancels and closes what does not finish; a late answer harms nobody") {
  Fixture fixture;
  RawClient busy(fixture.server->port());
  busy.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = fixture.held.get_future().get();
  fixture.server->stop(std::chrono::milliseconds(1));
  CHECK(held.request.cancellation->cancelled());
  CHECK(busy.is_closed());
  fixture.server.reset();
  (*held.respond)(Response::text(200, "too late"));
}

TEST_CASE("a port in use is told with what to do") {
  Fixture fixture;
  const std::string address = "127.0.0.1:" + std::to_string(fixture.server->port());
  MetricRegistry metrics;
  const auto second = Server::start({.listen_address = address}, fixture.router, metrics);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code() == ErrorCode::IoError);
  CHECK(second.error().message() == "listen on " + address +
                                        ": address already in use; stop the other process or "
                                        "choose another --web.listen-address");
  CHECK(Server::start({.cors_origin = "("}, fixture.router, metrics).error().code() ==
        ErrorCode::InvalidArgument);
}

TEST_CASE("requests are counted by route and code") {
  Fixture fixture;
  fixture.get("/now");
  fixture.get("/label/a/values");
  fixture.get("/label/b/values");
  fixture.get("/nowhere");
  const std::string exposed = fixture.metrics.expose();
  const auto has = [&](std::string_view line) { return exposed.find(line) != std::string::npos; };
  CHECK(has("aerie_http_requests_total{code=\"200\",handler=\"/label/{name}/values\"} 2"));
  CHECK(has("aerie_http_requests_total{code=\"404\",handler=\"\"} 1"));
  CHECK(has("aerie_http_request_duration_seconds_count{handler=\"/now\"} 1"));
  CHECK(has("aerie_http_connections 1"));
}

}  // namespace aerie::http
