#include "store/log_record.h"

#include <bit>
#include <limits>
#include <random>

#include "store/log_frame.h"
#include "tests/store/support/partitions.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

std::string encoded(model::TimestampMs arrived, const std::vector<SeriesDefinition>& definitions,
                    const WriteBatch& rows) {
  std::string out;
  encode_batch(out, arrived, definitions, {}, rows);
  return out;
}

}  // namespace

TEST_CASE("golden bytes: a batch with definitions and floats") {
  WriteBatch rows;
  rows.floats = {{{7, 0}, 1000, 1.0}, {{8, 0}, 1000, 0.25}, {{7, 0}, 1015, -3.5}};
  const std::string bytes =
      encoded(990, {{7, {{"__name__", "up"}}}, {8, {{"__name__", "x"}, {"a", "up"}}}}, rows);
  // arrived 990, single sender; definitions, 28 bytes: symbols __name__, up, x, a; id 7:
  // __name__=up, id 8: __name__=x a=up; floats, 14 bytes: 3 rows; t=1000, 2 rows: ids 7 and 8,
  // codes 0 and 1, 1 and 25/100; t=1015, 1 row: id 7, code 1, -350/100.
  CHECK(hex(bytes) ==
        "bc0f"
        "00"
        "01"
        "1c"
        "04"
        "085f5f6e616d655f5f"
        "027570"
        "0178"
        "0161"
        "02"
        "0e"
        "01"
        "0001"
        "02"
        "02"
        "0002"
        "0301"
        "02"
        "0e"
        "03"
        "14"
        "02"
        "0e02"
        "04"
        "0232"
        "1e"
        "01"
        "01"
        "01"
        "bb05");
}

TEST_CASE("golden bytes: raw values, checkpoint part, arrivals") {
  WriteBatch rows;
  rows.replicas = ReplicaPolicy::UnlabelledPair;
  rows.floats = {{{0, 0}, 0, model::stale_marker()}};
  CHECK(hex(encoded(0, {}, rows)) ==
        "0001"
        "02"
        "0d"
        "01"
        "0001"
        "00"
        "03"
        "020000000000f07f");

  SeriesSnapshot one;
  one.id = 3;
  one.labels = {{"a", "b"}};
  one.has_sample = one.has_pair = true;
  one.newest_t = 5;
  one.newest_bits = 0x3ff0000000000000;
  one.pair = {4, 300, 15'000, 15'000, 2};
  std::string part;
  encode_checkpoint_part(part, {one}, true);
  CHECK(hex(part) ==
        "01"
        "02"
        "0161"
        "0162"
        "01"
        "06"
        "01"
        "0001"
        "05"
        "0a"
        "000000000000f03f"
        "08"
        "ac02"
        "9875"
        "9875"
        "02");

  std::string arrivals;
  encode_arrivals(arrivals, {{"ab", -1}});
  CHECK(hex(arrivals) ==
        "01"
        "026162"
        "01");
}

TEST_CASE("random batches are read back bit for bit") {
  const uint64_t seed = test_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const auto value = [&]() -> double {
    switch (random() % 7) {
      case 0: return static_cast<double>(static_cast<int64_t>(random()) >> (random() % 64));
      case 1: return static_cast<double>(random() % 100000) / 100;
      case 2: return static_cast<double>(random() % 100000) / 1000;
      case 3: return std::bit_cast<double>(random());
      case 4: return model::stale_marker();
      case 5: return -0.0;
      default: return std::numeric_limits<double>::infinity();
    }
  };
  for (int round = 0; round < 300; ++round) {
    const auto arrived = static_cast<int64_t>(random()) >> (random() % 64);
    std::vector<SeriesDefinition> definitions;
    for (size_t i = random() % 4; i > 0; --i) {
      definitions.push_back({static_cast<uint32_t>(random()),
                             {{"__name__", std::to_string(random() % 9)}, {"x", "y"}}});
    }
    WriteBatch rows;
    for (size_t i = random() % 50; i > 0; --i) {
      const int64_t t = random() % 3 != 0 && !rows.floats.empty()
                            ? rows.floats.back().t
                            : static_cast<int64_t>(random()) >> (random() % 64);
      rows.floats.push_back(
          {{static_cast<uint32_t>(random() >> (random() % 33 + 31)), 0}, t, value()});
    }
    if (random() % 2 == 0) {
      for (size_t i = 0; i < rows.floats.size(); ++i)
        rows.float_starts.push_back(static_cast<int64_t>(random()) >> (random() % 64));
    }
    for (size_t i = random() % 3; i > 0; --i) {
      auto histogram = std::make_shared<model::NativeHistogram>();
      histogram->schema = static_cast<int32_t>(random());
      histogram->reset_hint = static_cast<model::ResetHint>(random() % 4);
      histogram->is_float = random() % 2 == 0;
      histogram->zero_threshold = 1e-128;
      histogram->count = static_cast<double>(random() % 1000);
      histogram->sum = static_cast<double>(random() % 1000) / 7;
      histogram->positive_spans = {
          {static_cast<int32_t>(random()), static_cast<uint32_t>(random())}};
      histogram->negative_buckets = {1, 2.5, 1e100};
      histogram->custom_values = {0.1};
      rows.histograms.push_back({{static_cast<uint32_t>(random()), 0},
                                 static_cast<int64_t>(random()),
                                 histogram,
                                 static_cast<int64_t>(random() % 2 * random())});
    }
    rows.exemplars.push_back(
        {{9, 0}, 17, value(), {{"trace_id", std::string(random() % 5 + 1, 'a')}}});
    rows.metadata.push_back({"c", "f", {model::MetricType::Summary, "help\n", "s"}});
    LoggedBatch back;
    const auto status = decode_batch(encoded(arrived, definitions, rows), back);
    REQUIRE(status.ok());
    bool same = back.arrived == arrived && back.definitions.size() == definitions.size() &&
                back.rows.floats.size() == rows.floats.size() &&
                back.rows.float_starts == rows.float_starts &&
                back.rows.histograms.size() == rows.histograms.size();
    for (size_t i = 0; same && i < definitions.size(); ++i) {
      same = back.definitions[i].id == definitions[i].id &&
             back.definitions[i].labels == definitions[i].labels;
    }
    for (size_t i = 0; same && i < rows.floats.size(); ++i) {
      same = back.rows.floats[i].series == rows.floats[i].series &&
             back.rows.floats[i].t == rows.floats[i].t &&
             std::bit_cast<uint64_t>(back.rows.floats[i].value) ==
                 std::bit_cast<uint64_t>(rows.floats[i].value);
    }
    for (size_t i = 0; same && i < rows.histograms.size(); ++i) {
      same = back.rows.histograms[i].t == rows.histograms[i].t &&
             back.rows.histograms[i].start == rows.histograms[i].start &&
             *back.rows.histograms[i].histogram == *rows.histograms[i].histogram;
    }
    REQUIRE(same);
    CHECK(back.rows.exemplars[0].labels == rows.exemplars[0].labels);
    CHECK(back.rows.metadata[0].metadata == rows.metadata[0].metadata);
  }
}

TEST_CASE("golden bytes: the example of docs/formats/log.md") {
  WriteBatch rows;
  rows.late_window = 3'600'000;
  rows.floats = {{{7, 0}, 1015, 2.0}};
  std::string payload;
  encode_batch(payload, 990, {}, {{7, false, 1000, std::bit_cast<uint64_t>(1.0)}}, rows);
  std::string record;
  append_frame(record, {4096, 4000, RecordType::Batch, 0, payload});
  CHECK(hex(record) ==
        "0012d337"
        "1e000000"
        "0010000000000000"
        "60000000"
        "01"
        "00"
        "0000"
        "bc0f"
        "04"
        "80dddb01"
        "06"
        "0d"
        "01"
        "0e"
        "d00f"
        "00"
        "000000000000f03f"
        "02"
        "06"
        "01"
        "32"
        "01"
        "0e"
        "00"
        "04");
  const auto frame = read_frame(record, 4096);
  REQUIRE(frame);
  LoggedBatch back;
  must(decode_batch(frame->payload, back));
  CHECK(back.rows.late_window == 3'600'000);
  REQUIRE(back.newest.size() == 1);
  CHECK(back.newest[0].id == 7);
  CHECK(back.newest[0].t == 1000);
  CHECK(back.newest[0].bits == std::bit_cast<uint64_t>(1.0));
  REQUIRE(back.rows.floats.size() == 1);
  CHECK(back.rows.floats[0].t == 1015);
}

TEST_CASE("every cut of a batch is refused or empty, never more") {
  WriteBatch rows;
  rows.floats = {{{1, 0}, 5, 1.5}, {{2, 0}, 5, 1e-9}};
  rows.exemplars.push_back({{1, 0}, 5, 2, {{"a", "b"}}});
  const std::string bytes = encoded(5, {{1, {{"a", "b"}}}}, rows);
  for (size_t n = 0; n < bytes.size(); ++n) {
    LoggedBatch back;
    const auto status = decode_batch(std::string_view(bytes).substr(0, n), back);
    if (!status) CHECK(status.error().code() == ErrorCode::Corruption);
  }
}
