#include "http/message.h"

#include <catch2/catch.hpp>

namespace aerie::http {

TEST_CASE("header names compare without case, values keep their order") {
  Headers headers;
  headers.add("Vary", "Origin").add("vary", "Accept-Encoding").add("ETag", "x");
  CHECK(headers.get("VARY") == "Origin");
  CHECK(headers.all().size() == 3);
  headers.set("vary", "*");
  CHECK(headers.all().size() == 2);
  CHECK(headers.get("Vary") == "*");
  CHECK_FALSE(headers.has("Var"));
  CHECK(headers.get("absent").empty());
}

TEST_CASE("parameters decode escapes and plus signs and keep repeated names") {
  const auto params =
      Parameters::parse("match[]=up&match%5B%5D=%7Bjob%3D%22a+b%22%7D&flag&empty=&=x&&a=b=c");
  CHECK(params.all("match[]") == std::vector<std::string>{"up", "{job=\"a b\"}"});
  CHECK(params.has("flag"));
  CHECK(params.get("flag").empty());
  CHECK(params.has("empty"));
  CHECK(params.get("") == "x");
  CHECK(params.get("a") == "b=c");
  CHECK_FALSE(params.has("b"));
}

TEST_CASE("a broken escape stays as it came") {
  CHECK(percent_decode("100%") == "100%");
  CHECK(percent_decode("%zz%4") == "%zz%4");
  CHECK(percent_decode("a+b%2Fc") == "a+b/c");
  CHECK(Parameters::parse("q=5%&r=%G1").get("q") == "5%");
  CHECK(Parameters::parse("q=5%&r=%G1").get("r") == "%G1");
}

TEST_CASE("percent_encode is undone by percent_decode for every byte") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  CHECK(percent_encode("a b/ü~") == "a%20b%2F%C3%BC~");
  CHECK(percent_decode(percent_encode(all)) == all);
}

TEST_CASE("the bearer token is what follows the scheme, in any case") {
  Request request;
  CHECK(request.bearer_token().empty());
  request.headers.set("authorization", "bearer  s3cret ");
  CHECK(request.bearer_token() == "s3cret");
  request.headers.set("Authorization", "Basic dXNlcjpwYXNz");
  CHECK(request.bearer_token().empty());
  request.headers.set("Authorization", "Bearer");
  CHECK(request.bearer_token().empty());
}

}  // namespace aerie::http
