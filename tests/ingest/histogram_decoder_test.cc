#include "ingest/histogram_decoder.h"

#include <catch2/catch.hpp>

#include <limits>

#include "model/sample.h"
#include "tests/ingest/support/write_request.h"

using namespace aerie::ingest;
using namespace aerie::ingest::test;
using aerie::model::BucketSpan;

namespace {

TestHistogram plain() {
  return {.count = 12,
          .sum = 18.4,
          .zero_count = 2,
          .zero_threshold = 0.001,
          .schema = 1,
          .positive_spans = {{0, 2}, {1, 2}},
          .positive_deltas = {1, 1, -1, 0},
          .negative_spans = {{0, 2}, {1, 2}},
          .negative_deltas = {1, 1, -1, 0},
          .t = 77};
}

std::string refusal_of(const TestHistogram& histogram) {
  const auto parsed = parse_histogram(test_histogram(histogram));
  if (!parsed) return "malformed";
  const auto* refused = std::get_if<Refused>(&*parsed);
  return refused == nullptr ? "" : refused->text;
}

}  // namespace

TEST_CASE("integer deltas become absolute counts, packed or not") {
  for (const bool packed : {true, false}) {
    TestHistogram sent = plain();
    sent.packed = packed;
    const auto parsed = parse_histogram(test_histogram(sent));
    REQUIRE(parsed.ok());
    const auto* decoded = std::get_if<DecodedHistogram>(&*parsed);
    REQUIRE(decoded != nullptr);
    CHECK(decoded->t == 77);
    CHECK(!decoded->histogram->is_float);
    CHECK(decoded->histogram->count == 12);
    CHECK(decoded->histogram->zero_count == 2);
    CHECK(decoded->histogram->sum == 18.4);
    CHECK(decoded->histogram->positive_buckets == std::vector<double>{1, 2, 1, 1});
    CHECK(decoded->histogram->positive_spans == std::vector<BucketSpan>{{0, 2}, {1, 2}});
  }
}

TEST_CASE("float histograms and custom buckets") {
  const TestHistogram floats{.is_float = true,
                             .count = 3.5,
                             .sum = 1,
                             .schema = 0,
                             .positive_spans = {{-2, 2}},
                             .positive_counts = {1.5, 2},
                             .reset_hint = 3,
                             .t = 5};
  auto parsed = parse_histogram(test_histogram(floats));
  REQUIRE(parsed.ok());
  const auto& decoded = std::get<DecodedHistogram>(*parsed);
  CHECK(decoded.histogram->is_float);
  CHECK(decoded.histogram->positive_buckets == std::vector<double>{1.5, 2});
  CHECK(decoded.histogram->reset_hint == aerie::model::ResetHint::Gauge);

  const TestHistogram custom{.count = 6,
                             .sum = 1,
                             .schema = -53,
                             .positive_spans = {{0, 3}},
                             .positive_deltas = {1, 1, 1},
                             .custom_values = {0.5, 1},
                             .t = 5};
  parsed = parse_histogram(test_histogram(custom));
  REQUIRE(parsed.ok());
  CHECK(std::get<DecodedHistogram>(*parsed).histogram->custom_values ==
        std::vector<double>{0.5, 1});
}

TEST_CASE("empty and stale histograms are good") {
  CHECK(refusal_of({.t = 1}) == "");
  CHECK(refusal_of({.sum = aerie::model::stale_marker(), .t = 1}) == "");
}

TEST_CASE("what no query could use is refused") {
  TestHistogram bad = plain();
  bad.count = 99;
  CHECK(refusal_of(bad) ==
        "invalid native histogram: 12 observations found in buckets, but the Count field is 99");
  bad.sum = std::numeric_limits<double>::quiet_NaN();  // then more observations than in buckets are
                                                       // possible
  CHECK(refusal_of(bad) == "");
  bad = plain();
  bad.positive_deltas = {1, -2, 1, 1};
  CHECK(
      refusal_of(bad) ==
      "invalid native histogram: positive side: bucket number 2 has a negative observation count");
  bad = plain();
  bad.positive_spans = {{0, 2}, {-1, 2}};
  CHECK(refusal_of(bad) == "invalid native histogram: positive side: span number 2 with offset -1");
  bad = plain();
  bad.positive_spans = {{0, 3}, {1, 2}};
  CHECK(refusal_of(bad) ==
        "invalid native histogram: positive side: spans need 5 buckets, have 4 buckets");
  bad.positive_spans = {{0, 4'000'000'000}, {0, 4'000'000'000}};
  CHECK(refusal_of(bad) == "invalid native histogram: positive side: more than 65536 buckets");
  bad = plain();
  bad.schema = -5;
  CHECK(refusal_of(bad) == "invalid native histogram: unknown schema -5");
  bad.schema = 53;
  CHECK(refusal_of(bad) == "invalid native histogram: unknown schema 53");
  bad = plain();
  bad.custom_values = {1};
  CHECK(refusal_of(bad) == "invalid native histogram: exponential schema with custom bounds");

  TestHistogram custom{.count = 2,
                       .schema = -53,
                       .positive_spans = {{0, 2}},
                       .positive_deltas = {1, 0},
                       .custom_values = {1},
                       .t = 5};
  CHECK(refusal_of(custom) == "");
  custom.positive_spans = {{1, 2}};
  CHECK(refusal_of(custom) ==
        "invalid native histogram: custom buckets: only 1 bounds for 3 buckets");
  custom.custom_values = {2, 2, 3};
  CHECK(refusal_of(custom) ==
        "invalid native histogram: custom buckets: bounds must be strictly increasing");
  custom.custom_values = {2, 3, std::numeric_limits<double>::infinity()};
  CHECK(refusal_of(custom) == "invalid native histogram: custom buckets: bounds must be finite");
  custom.custom_values = {2, 3};
  custom.zero_threshold = 0.1;
  CHECK(refusal_of(custom) == "invalid native histogram: custom buckets: must have no zero bucket");
}

TEST_CASE("reserved resolutions are brought down to schema 8") {
  // Buckets 1..5 of schema 9 are 1, 1, 2, 2, 3 of schema 8; then a gap of four: 10 becomes 5.
  const TestHistogram fine{.count = 21,
                           .schema = 9,
                           .positive_spans = {{1, 5}, {4, 1}},
                           .positive_deltas = {1, 1, 1, 1, 1, 1},
                           .t = 5};
  const auto parsed = parse_histogram(test_histogram(fine));
  REQUIRE(parsed.ok());
  const auto* decoded = std::get_if<DecodedHistogram>(&*parsed);
  REQUIRE(decoded != nullptr);
  CHECK(decoded->histogram->schema == 8);
  CHECK(decoded->histogram->positive_buckets == std::vector<double>{3, 7, 5, 6});
  CHECK(decoded->histogram->positive_spans == std::vector<BucketSpan>{{1, 3}, {1, 1}});
}

TEST_CASE("broken protobuf is an error of the request") {
  const std::string good = test_histogram(plain());
  size_t errors = 0;
  for (size_t length = 1; length < good.size(); ++length)
    errors += parse_histogram(good.substr(0, length)).ok() ? 0 : 1;
  CHECK(errors > good.size() / 2);
}
