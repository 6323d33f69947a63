#include "store/columns.h"

#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <iostream>
#include <map>

#include "store/column_group.h"
#include "tests/store/support/columns.h"
#include "tests/store/support/partitions.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

struct Golden {
  const char* name;
  std::vector<double> values;
  const char* head;
  const char* body;
};

std::vector<Golden> golden_columns() {
  std::vector<double> runs(20, 0.5);
  std::fill(runs.begin() + 7, runs.end(), 7);
  return {
      {"constant", {1, 1, 1}, "01 10 02", ""},
      {"constant, a tenth", {0.1, 0.1}, "01 11 02", ""},
      {"constant, stale", {model::stale_marker()}, "01 01", ""},
      {"integers with a common factor",
       {10, 20, 30, 45, 55, 65, 80, 90, 100, 110},
       "04 00 05 14 14 05 01 00",
       "24 00"},
      {"integers, the last one stale",
       {5, 6, 7, 8, model::stale_marker()},
       "04 01 04 01 00 0a 02 00",
       "e4 03"},
      {"decimals", {0.25, 0.5, 1, 1.25}, "05 02 00 01 32 32 05 00", "20 03"},
      {"decimals by multiplication",
       {9 * 0.001, 13 * 0.001, 18 * 0.001},
       "05 23 00 00 12 04 00",
       "40 09"},
      {"decimals divided twice",
       {1000004 / 1e3 / 1e3, 1000007 / 1e3 / 1e3, 1000015 / 1e3 / 1e3},
       "05 46 00 00 88 89 7a 04 00",
       "30 0b"},
      {"runs", runs, "02 02 01 0e 05 01 00 00 0a 07 00", "80 20"},
  };
}

}  // namespace

TEST_CASE("columns have the bytes that docs/formats/columns.md shows") {
  for (const Golden& golden : golden_columns()) {
    INFO(golden.name);
    const ColumnBytes column = encode(golden.values);
    CHECK(hex(column.head) == golden.head);
    CHECK(hex(column.body) == golden.body);
    const ColumnBytes written{from_hex(golden.head), from_hex(golden.body)};
    const auto back = decode(written, golden.values.size());
    REQUIRE(back.ok());
    CHECK(same_bits(*back, golden.values));
  }
}

TEST_CASE("kinds that the encoder rarely chooses are read as documented") {
  const auto read = [](const char* head, const char* body, size_t rows) {
    return decode({from_hex(head), from_hex(body)}, rows);
  };
  // xor: 62 leading, 0 trailing, first value 1, two 2-bit differences
  auto back = read("06 3e 00 00 00 00 00 00 00 f0 3f 02 00", "09", 3);
  REQUIRE(back.ok());
  CHECK(same_bits(*back, std::vector<double>{1, std::nextafter(1, 2), 1 + 3 * 0x1p-52}));
  // raw
  back = read("07", "00 00 00 00 00 00 f0 3f 02 00 00 00 00 00 f0 7f", 2);
  REQUIRE(back.ok());
  CHECK(same_bits(*back, std::vector<double>{1, model::stale_marker()}));
  // ordered bits, order 1: -0 follows 0 downwards, then the smallest negative number
  back = read("08 01 00 01 00 00", "", 3);
  REQUIRE(back.ok());
  CHECK(same_bits(*back, std::vector<double>{0, -0.0, -5e-324}));
  // change mask 0b101 over raw values
  back = read("03 03 04 00 00 02 02 00", "05 24", 4);
  REQUIRE(back.ok());
  CHECK(same_bits(*back, std::vector<double>{1, 2, 2, 3}));
}

TEST_CASE("a column that never changes is known without its rows") {
  for (const double value : {42.0, -0.0, 0.1, model::stale_marker()}) {
    ColumnBytes column;
    FloatEncoder().put(std::vector<double>(5760, value), column);
    const auto constant = constant_of(column.head);
    REQUIRE(constant);
    CHECK(std::bit_cast<uint64_t>(*constant) == std::bit_cast<uint64_t>(value));
    CHECK_FALSE(constant_of(std::string_view(column.head).substr(0, 1)));
  }
  ColumnBytes column;
  FloatEncoder().put(std::vector<double>{1, 2}, column);
  CHECK_FALSE(constant_of(column.head));
  CHECK_FALSE(constant_of(""));
}

TEST_CASE("unknown and damaged columns are refused with what is wrong") {
  const auto error = [](const char* head, const char* body, size_t rows) {
    const auto result = decode({from_hex(head), from_hex(body)}, rows);
    return result.ok() ? std::string("accepted") : result.error().message();
  };
  CHECK(error("4d", "", 3) == "unknown column kind 77");
  CHECK(error("11", "", 3) == "unknown column kind 17");
  CHECK(error("21", "", 3) == "unknown column kind 33");
  CHECK(error("00", "", 3) == "unknown column kind 0");
  CHECK(error("", "", 3) == "column without a head");
  CHECK(error("01 07", "", 3) == "constant column: bad number");
  CHECK(error("04 00 08 00", "", 3) == "integers: unknown flags");
  CHECK(error("04 00 03", "", 3) == "integers: unknown flags");
  CHECK(error("05 13 00", "", 3) == "unknown decimal code 0x13");
  CHECK(error("05 00 00", "", 3) == "unknown decimal code 0x00");
  CHECK(error("05 68 00", "", 3) == "unknown decimal code 0x68");
  CHECK(error("05 84 00", "", 3) == "unknown decimal code 0x84");
  CHECK(error("04 00 00 00 41 00", "", 3) == "packed numbers: bad width");
  CHECK(error("04 00 00 00 08 00", "01 02", 3) == "packed numbers: body too short");
  CHECK(error("04 00 00 00 00 01 03 01", "", 3) == "packed numbers: bad patch");
  CHECK(error("04 04", "", 3) == "integer column: more exceptions than rows");
  CHECK(error("02 02 00 02 00 00 00", "", 3) == "unknown column kind 0");
  CHECK(error("02 02 00 02 00 00 02", "", 3) == "unknown column kind 2");
  CHECK(error("03 02 01 10 02", "03", 3) == "change mask column: more changes than values");
}

TEST_CASE("every shape of values comes back bit for bit") {
  const uint64_t seed = test_seed();
  INFO("AERIE_SEED=" << seed);
  Random random(seed);
  const size_t lengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 65, 120, 480, 5760};
  for (const ValueShape& shape : value_shapes())
    for (const size_t rows : lengths)
      for (int round = 0; round < (rows > 1000 ? 2 : 10); ++round) {
        const std::vector<double> values = shape.make(random, rows);
        const ColumnBytes column = encode(values);
        const auto back = decode(column, rows);
        if (!back.ok() || !same_bits(*back, values)) {
          INFO(shape.name << " rows=" << rows << " head " << hex(column.head));
          REQUIRE(back.ok());
          REQUIRE(same_bits(*back, values));
        }
        if (column.size() > rows * 8 + 24)
          FAIL(shape.name << " grew to " << column.size() << " for " << rows);
      }
}

TEST_CASE("everyday columns are small") {
  Random random(42);
  const auto bytes_per_value = [&](const char* name) {
    for (const ValueShape& shape : value_shapes())
      if (std::string_view(shape.name) == name) {
        size_t bytes = 0;
        for (int i = 0; i < 50; ++i) bytes += encode(shape.make(random, 120)).size();
        return static_cast<double>(bytes) / (50 * 120);
      }
    return -1.0;
  };
  CHECK(bytes_per_value("steady counter") < 0.12);
  CHECK(bytes_per_value("counter with resets") < 2.0);
  CHECK(bytes_per_value("memory gauge") < 1.8);
  CHECK(bytes_per_value("hundredths") < 1.6);
  CHECK(bytes_per_value("nanoseconds") < 4.1);
  CHECK(bytes_per_value("milliseconds multiplied") < 2.0);
  CHECK(bytes_per_value("microseconds divided twice") < 2.0);
  CHECK(bytes_per_value("go durations") < 5.0);
  CHECK(bytes_per_value("full sums") < 6.9);
}

TEST_CASE("a shortened or flipped column never reads out of bounds") {
  const uint64_t seed = test_seed();
  INFO("AERIE_SEED=" << seed);
  Random random(seed);
  for (const ValueShape& shape : value_shapes())
    for (int round = 0; round < 40; ++round) {
      const size_t rows = 1 + random() % 130;
      ColumnBytes column = encode(shape.make(random, rows));
      std::string& part = random() % 2 == 0 || column.body.empty() ? column.head : column.body;
      if (random() % 2 == 0) {
        part.resize(random() % part.size());
      } else {
        part[random() % part.size()] ^= static_cast<char>(1 << random() % 8);
      }
      decode(column, rows)
          .ignore("any answer will do: checksums above catch damage, this must only survive it");
    }
}

TEST_CASE("clocks keep their timestamps and refuse what does not ascend") {
  IntegerEncoder encoder;
  std::vector<model::TimestampMs> regular;
  for (int i = 0; i < 120; ++i) regular.push_back(1'700'000'000'000 + i * 15'000);
  const std::string bytes = encode_clock(encoder, regular);
  CHECK(hex(bytes) == "78 0c 01 80 a0 ab fe f9 62 b0 ea 01 00 00");
  std::vector<model::TimestampMs> back;
  REQUIRE(decode_clock(bytes, back).ok());
  CHECK(back == regular);

  const std::vector<model::TimestampMs> extreme = {model::kMinTimestamp, -1, 0,
                                                   model::kMaxTimestamp};
  REQUIRE(decode_clock(encode_clock(encoder, extreme), back).ok());
  CHECK(back == extreme);

  const std::vector<model::TimestampMs> repeated = {5, 5};
  CHECK(decode_clock(encode_clock(encoder, repeated), back).error().message() ==
        "clock: timestamps do not ascend");
  CHECK_FALSE(decode_clock("", back).ok());
  CHECK_FALSE(decode_clock(from_hex("00 00"), back).ok());
  CHECK_FALSE(decode_clock(from_hex("ff ff ff ff 0f 00"), back).ok());
}

TEST_CASE("histograms come back whole, stale markers and changing layouts included") {
  const uint64_t seed = test_seed();
  INFO("AERIE_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<model::HistogramSample> samples;
    std::vector<model::TimestampMs> timestamps;
    for (int i = 0; i < 20; ++i) {
      model::NativeHistogram histogram = random_histogram(random);
      if (i > 0 && random() % 2 == 0) {  // the usual case: the layout stays
        histogram = *samples.back().histogram;
        for (double& bucket : histogram.positive_buckets) bucket += 1;
      }
      REQUIRE(storable(histogram));
      timestamps.push_back(i * 1000);
      samples.push_back(
          {i * 1000, std::make_shared<const model::NativeHistogram>(std::move(histogram))});
    }
    ColumnBytes column;
    put_histograms(samples, column);
    ColumnReader in{ByteReader(column.head), ByteReader(column.body)};
    std::vector<model::HistogramSample> back;
    REQUIRE(get_histograms(in, timestamps, back).ok());
    REQUIRE(back.size() == samples.size());
    for (size_t i = 0; i < back.size(); ++i)
      REQUIRE(same_histogram(*back[i].histogram, *samples[i].histogram));
  }
}

namespace {

/// A histogram that grows as latencies do, new buckets appearing now and then.
std::vector<model::HistogramSample> growing_histogram(Random& random, size_t rows) {
  std::vector<model::HistogramSample> out;
  std::map<int32_t, double> counts;
  double sum = 0;
  for (size_t i = 0; i < rows; ++i) {
    for (uint64_t n = random() % 50; n > 0; --n) {
      ++counts[static_cast<int32_t>(std::popcount(random()))];
      sum += static_cast<double>(random() % 1'000'000) / 1e6;
    }
    auto h = std::make_shared<model::NativeHistogram>();
    h->schema = 3;
    h->is_float = false;
    h->reset_hint = i == 0 ? model::ResetHint::Unknown : model::ResetHint::No;
    h->zero_threshold = 2.938735877055719e-39;
    h->sum = sum;
    int32_t next = 0;
    for (const auto& [index, count] : counts) {
      if (h->positive_spans.empty() || index != next)
        h->positive_spans.push_back({index - next, 0});
      ++h->positive_spans.back().length;
      h->positive_buckets.push_back(count);
      h->count += count;
      next = index + 1;
    }
    out.push_back({static_cast<int64_t>(i) * 15'000, std::move(h)});
  }
  return out;
}

std::vector<model::HistogramSample> there_and_back(
    const std::vector<model::HistogramSample>& samples, ColumnBytes& column) {
  std::vector<model::TimestampMs> timestamps;
  for (const model::HistogramSample& sample : samples) timestamps.push_back(sample.t);
  put_histograms(samples, column);
  ColumnReader in{ByteReader(column.head), ByteReader(column.body)};
  std::vector<model::HistogramSample> back;
  must(get_histograms(in, timestamps, back));
  REQUIRE(in.head.at_end());
  REQUIRE(in.body.at_end());
  return back;
}

}  // namespace

TEST_CASE("native histograms lie as one column a bucket") {
  const uint64_t seed = test_seed();
  INFO("AERIE_SEED=" << seed);
  Random random(seed);
  auto samples = growing_histogram(random, 120);
  auto stale = std::make_shared<model::NativeHistogram>();
  stale->sum = model::stale_marker();
  samples.push_back({120 * 15'000, stale});
  ColumnBytes column;
  const auto back = there_and_back(samples, column);
  for (size_t i = 0; i < back.size(); ++i)
    REQUIRE(same_histogram(*back[i].histogram, *samples[i].histogram));
  CHECK(column.head[0] == static_cast<char>(ColumnKind::PackedHistograms));
  size_t numbers = 0;
  for (const auto& sample : samples) numbers += sample.histogram->positive_buckets.size() + 4;
  CHECK(column.size() < numbers);  // less than a byte a number
}

TEST_CASE("golden bytes of packed histograms") {
  std::vector<model::HistogramSample> samples;
  for (int i = 0; i < 12; ++i) {
    auto h = std::make_shared<model::NativeHistogram>();
    h->is_float = false;
    h->reset_hint = model::ResetHint::No;
    h->schema = 1;
    h->sum = i;
    h->count = 5 + 3 * i;
    h->positive_spans = {{2, 2}};
    h->positive_buckets = {5.0 + i, 2.0 * i};
    samples.push_back({i, std::move(h)});
  }
  ColumnBytes column;
  there_and_back(samples, column);
  CHECK(hex(column.head) ==
        "21 01 02 10 00 00 01 0c 01 04 02 00 01 10 04 04 00 01 00 02 00 00 01 10 00 04 00 01 0a 02 "
        "00 00 04 00 01 00 04 00 00 01 01 10 00");
  CHECK(column.body.empty());
  // Every single change of a head is refused or decodes to as many rows.
  const std::vector<model::TimestampMs> timestamps(12);
  for (size_t bit = 0; bit < column.head.size() * 8; ++bit) {
    std::string flipped = column.head;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    ColumnReader in{ByteReader(flipped), ByteReader(column.body)};
    std::vector<model::HistogramSample> back;
    if (get_histograms(in, timestamps, back).ok()) CHECK(back.size() == timestamps.size());
  }
}

TEST_CASE("a layout that names a bucket twice is kept as it is") {
  std::vector<model::HistogramSample> samples;
  for (int i = 0; i < 20; ++i) {
    auto h = std::make_shared<model::NativeHistogram>();
    h->positive_spans = {{0, 2}, {-1, 1}};
    h->positive_buckets = {1, 2, static_cast<double>(i)};
    samples.push_back({i, std::move(h)});
  }
  ColumnBytes column;
  const auto back = there_and_back(samples, column);
  CHECK(column.head[0] == static_cast<char>(ColumnKind::PlainHistograms));
  for (size_t i = 0; i < back.size(); ++i)
    CHECK(same_histogram(*back[i].histogram, *samples[i].histogram));
}

TEST_CASE("a column group has its documented bytes and finds the columns of a series") {
  GroupBuilder builder(/*seed=*/7);
  const std::vector<double> up = {1, 1, 1};
  builder.add(100, ColumnRole::Floats, 4, encode(up));
  builder.add(101, ColumnRole::Floats, 5, encode(up));
  builder.add(101, ColumnRole::Histograms, 5, {"\x20", "xyz"});
  const std::string bytes = must(builder.finish());
  CHECK(hex(bytes) ==
        "00 00 64 02 03 13 13 03 03 00 00 81 08 02 00 03 03 01 00 00 03 01 10 02 01 10 02 20 78 79 "
        "7a "
        "79 02 2d 39 0a 97 28 5d");
  const auto group = must(ColumnGroup::parse(bytes, 7));
  CHECK(group->first_series() == 100);
  CHECK(group->series_count() == 2);
  CHECK(group->columns(99).empty());
  CHECK(group->columns(102).empty());
  REQUIRE(group->columns(100).size() == 1);
  CHECK(group->columns(100)[0].clock == 4);
  REQUIRE(group->columns(101).size() == 2);
  CHECK(group->columns(101)[1].role == ColumnRole::Histograms);
  CHECK(group->columns(101)[1].body == "xyz");
  CHECK(builder.empty());

  CHECK_FALSE(ColumnGroup::parse(bytes, 8).ok());
  for (size_t length = 0; length < bytes.size(); ++length)
    CHECK_FALSE(ColumnGroup::parse(std::string_view(bytes).substr(0, length), 7).ok());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    CHECK(ColumnGroup::parse(flipped, 7).error().code() == ErrorCode::Corruption);
  }
}
