#include "ingest/negotiation.h"

#include <catch2/catch.hpp>

using aerie::ingest::check_negotiation;
using aerie::ingest::retry_after_seconds;

TEST_CASE("what is understood and what is answered 415") {
  struct Row {
    const char* type;
    const char* encoding;
    bool understood;
  };
  const Row rows[] = {
      {"application/x-protobuf", "snappy", true},
      {"application/x-protobuf", "", true},
      {"", "snappy", true},
      {"", "snappy", true},
      {"Application/X-Protobuf", "Snappy", true},
      {"application/x-protobuf;proto=prometheus.WriteRequest", "snappy", true},
      {"application/x-protobuf ; proto=prometheus.WriteRequest ", "snappy", true},
      {"application/x-protobuf;charset=utf-8", "snappy", true},
      {"application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", false},
      {"application/x-protobuf;proto=prometheus.WriteRequestX", "snappy", false},
      {"application/x-protobuf;proto", "snappy", false},
      {"application/json", "snappy", false},
      {"image/png", "snappy", false},
      {"application/x-protobuf", "gzip", false},
      {"application/x-protobuf", "deflate", false},
      {"application/x-protobuf", "zstd", false},
  };
  for (const Row& row : rows) {
    INFO(row.type << " / " << row.encoding);
    CHECK(check_negotiation(row.type, row.encoding).ok() == row.understood);
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
