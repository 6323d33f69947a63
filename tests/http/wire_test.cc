#include "http/wire.h"

#include <catch2/catch.hpp>

#include "http/listen_address.h"

namespace aerie::http {

TEST_CASE("a target is taken apart into path and query") {
  const auto parts = [](std::string_view target) {
    const Target split = split_target(target);
    return std::string(split.path) + " | " + std::string(split.query);
  };
  CHECK(parts("/a/b?x=1?y") == "/a/b | x=1?y");
  CHECK(parts("/") == "/ | ");
  CHECK(parts("http://aerie:9707/a?x") == "/a | x");
  CHECK(parts("http://aerie") == "/ | ");
  CHECK(parts("http://aerie?x=1") == "/ | x=1");
  CHECK(parts("*") == "* | ");
  CHECK(parts("aerie:9707") == " | ");
}

TEST_CASE("prefixes are stripped by whole segments") {
  CHECK(strip_prefix("/prometheus/api", "/prometheus") == "/api");
  CHECK(strip_prefix("/prometheus", "/prometheus") == "/");
  CHECK(strip_prefix("/prometheusx", "/prometheus") == "/prometheusx");
  CHECK(strip_prefix("/api", "") == "/api");
}

TEST_CASE("the head of an answer has these bytes") {
  Response response = Response::text(404, "404 page not found\n");
  response.headers.set("X-Trap", "a\r\nSet-Cookie: b");
  CHECK(encode_head(response, AfterAnswer::Close, 784111777) ==
        "HTTP/1.1 404 Not Found\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "X-Trap: a  Set-Cookie: b\r\n"
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Content-Length: 19\r\n"
        "Connection: close\r\n"
        "\r\n");
  CHECK(encode_head(Response::no_content(), AfterAnswer::KeepAlive, 0).find("Content-Length") ==
        std::string::npos);
}

TEST_CASE("form bodies are recognised with parameters and in any case") {
  CHECK(is_form("application/x-www-form-urlencoded"));
  CHECK(is_form("Application/X-WWW-Form-URLEncoded; charset=utf-8"));
  CHECK_FALSE(is_form("application/x-www-form-urlencodedx"));
  CHECK_FALSE(is_form("application/json"));
}

TEST_CASE("listen addresses: which forms there are") {
  CHECK(parse_listen_address(":9707")->host.empty());
  CHECK(parse_listen_address("[::1]:0")->host == "::1");
  CHECK(parse_listen_address("localhost:80")->port == "80");
  for (const char* wrong :
       {"9707", "host:", "host:65536", "host:-1", "::1:9707", "host:http", ""}) {
    INFO(wrong);
    CHECK(parse_listen_address(wrong).error().code() == ErrorCode::InvalidArgument);
  }
}

}  // namespace aerie::http
