#include "ingest/negotiation.h"

#include <catch2/catch.hpp>

#include <optional>

using namespace aerie::ingest;

TEST_CASE("what is understood and what is answered 415") {
  constexpr BodyKind kV1{WireFormat::RemoteWrite1, BodyEncoding::Snappy};
  constexpr BodyKind kV1Zstd{WireFormat::RemoteWrite1, BodyEncoding::Zstd};
  constexpr BodyKind kV2{WireFormat::RemoteWrite2, BodyEncoding::Snappy};
  struct Row {
    const char* type;
    const char* encoding;
    std::optional<BodyKind> kind;
  };
  const Row rows[] = {
      {"application/x-protobuf", "snappy", kV1},
      {"application/x-protobuf", "", kV1},
      {"", "snappy", kV1},
      {"", "", kV1},
      {"Application/X-Protobuf", "Snappy", kV1},
      {"application/x-protobuf;proto=prometheus.WriteRequest", "snappy", kV1},
      {"application/x-protobuf ; proto=prometheus.WriteRequest ", "snappy", kV1},
      {"application/x-protobuf;charset=utf-8", "snappy", kV1},
      {"application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", kV2},
      {"application/x-protobuf; charset=utf-8; proto=io.prometheus.write.v2.Request", "", kV2},
      {"application/x-protobuf", "zstd", kV1Zstd},
      {"", " ZSTD ", kV1Zstd},
      {"application/x-protobuf;proto=prometheus.WriteRequestX", "snappy", std::nullopt},
      {"application/x-protobuf;proto=", "snappy", std::nullopt},
      {"application/x-protobuf;proto", "snappy", std::nullopt},
      {"application/x-protobufx", "snappy", std::nullopt},
      {"application/json", "snappy", std::nullopt},
      {"image/png", "snappy", std::nullopt},
      {"application/x-protobuf", "gzip", std::nullopt},
      {"application/x-protobuf", "deflate", std::nullopt},
      {"application/x-protobuf", "snappy, snappy", std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(row.type << " / " << row.encoding);
    const auto kind = negotiate(row.type, row.encoding);
    REQUIRE(kind.ok() == row.kind.has_value());
    if (kind) CHECK(*kind == *row.kind);
  }
}

TEST_CASE("Retry-After doubles with the sender's attempts and is spread") {
  CHECK(retry_after_seconds("", 0) == 1);
  CHECK(retry_after_seconds("", 1023) == 3);
  CHECK(retry_after_seconds("2", 0) == 4);
  CHECK(retry_after_seconds("2", 1023) == 12);
  CHECK(retry_after_seconds("9", 1023) == 45);
  CHECK(retry_after_seconds("999999999999999", 0) == 1);
  CHECK(retry_after_seconds("-5", 0) == 1);
  for (uint64_t random = 0; random < 4000; random += 7) {
    const int seconds = retry_after_seconds("3", random);
    if (seconds < 8 || seconds > 24) FAIL(seconds);
  }
}
