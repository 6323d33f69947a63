#include "http/compression.h"

#include <zstd.h>

#include <catch2/catch.hpp>

namespace aerie::http {

TEST_CASE("gzip is taken when it is named and not refused") {
  CHECK(accepts_gzip("gzip"));
  CHECK(accepts_gzip("deflate, gzip;q=0.5, br"));
  CHECK(accepts_gzip("*"));
  CHECK_FALSE(accepts_gzip(""));
  CHECK_FALSE(accepts_gzip("gzip;q=0"));
  CHECK_FALSE(accepts_gzip("gzip; q=0.000, deflate"));
  CHECK_FALSE(accepts_gzip("xgzip, identity"));
}

TEST_CASE("zstd is preferred where it is named") {
  CHECK(preferred_coding("gzip, deflate, br, zstd") == Coding::Zstd);
  CHECK(preferred_coding("zstd;q=0, gzip") == Coding::Gzip);
  CHECK(preferred_coding("*") == Coding::Gzip);
  CHECK(preferred_coding("br") == Coding::Identity);
  Response response = Response::json(200, std::string(5000, 'a'));
  compress_body(response, Coding::Zstd);
  CHECK(response.headers.get("Content-Encoding") == "zstd");
  std::string body(5000, '\0');
  CHECK(ZSTD_decompress(body.data(), body.size(), response.body.data(), response.body.size()) ==
        5000);
  CHECK(body == std::string(5000, 'a'));
}

TEST_CASE("only large text that is not encoded yet is compressed") {
  const auto body_after = [](Response response, bool accepted) {
    compress_body(response, accepted ? Coding::Gzip : Coding::Identity);
    return response;
  };
  const std::string large(5000, 'a');
  const Response packed = body_after(Response::json(200, large), true);
  CHECK(packed.headers.get("Content-Encoding") == "gzip");
  CHECK(packed.headers.get("Vary") == "Accept-Encoding");
  CHECK(packed.body.size() < 100);

  const Response plain = body_after(Response::json(200, large), false);
  CHECK(plain.body == large);
  CHECK(plain.headers.get("Vary") == "Accept-Encoding");
  CHECK_FALSE(body_after(Response::json(200, std::string(1024, 'a')), true).headers.has("Vary"));

  Response encoded = Response::text(200, large);
  encoded.headers.set("Content-Encoding", "snappy");
  CHECK(body_after(encoded, true).body == large);
  Response binary{200, {}, large};
  binary.headers.set("Content-Type", "application/x-protobuf");
  CHECK(body_after(binary, true).body == large);
}

}  // namespace aerie::http
