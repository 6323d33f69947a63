#include "query/remote_read.h"

#include <snappy.h>

#include <catch2/catch.hpp>
#include <limits>
#include <memory>

#include "query/protobuf_wire.h"
#include "query/xor_chunk.h"
#include "tests/query/support/memory_source.h"

namespace aerie::query {
namespace {

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

/// Reads what encode_xor_chunk() writes: the plain reading of the format.
class ChunkReader {
 public:
  explicit ChunkReader(std::string_view chunk) : bytes_(chunk.substr(2)) {
    count_ =
        static_cast<size_t>(static_cast<uint8_t>(chunk[0])) << 8 | static_cast<uint8_t>(chunk[1]);
  }
  std::pair<std::vector<model::TimestampMs>, std::vector<uint64_t>> all() {
    std::vector<model::TimestampMs> times;
    std::vector<uint64_t> values;
    int64_t delta = 0;
    for (size_t i = 0; i < count_; ++i) {
      if (i == 0) {
        const uint64_t zigzag = varint();
        times.push_back(static_cast<int64_t>(zigzag >> 1) ^ -static_cast<int64_t>(zigzag & 1));
        values.push_back(bits(64));
        continue;
      }
      delta = i == 1 ? static_cast<int64_t>(varint()) : delta + time_change();
      times.push_back(times.back() + delta);
      values.push_back(values.back() ^ value_change());
    }
    return {times, values};
  }

 private:
  uint64_t bits(unsigned count) {
    uint64_t out = 0;
    for (; count > 0; --count, ++at_)
      out = out << 1 | (static_cast<uint8_t>(bytes_[at_ / 8]) >> (7 - at_ % 8) & 1);
    return out;
  }
  uint64_t varint() {
    uint64_t out = 0;
    for (unsigned shift = 0;; shift += 7) {
      const uint64_t byte = bits(8);
      out |= (byte & 0x7f) << shift;
      if (byte < 0x80) return out;
    }
  }
  int64_t time_change() {
    unsigned size = 0;
    if (bits(1) == 0) return 0;
    if (bits(1) == 0) {
      size = 14;
    } else if (bits(1) == 0) {
      size = 17;
    } else {
      size = bits(1) == 0 ? 20 : 64;
    }
    const uint64_t raw = bits(size);
    if (size == 64) return static_cast<int64_t>(raw);
    // The largest positive value has the sign bit set.
    const uint64_t half = uint64_t{1} << (size - 1);
    return raw > half ? static_cast<int64_t>(raw) - static_cast<int64_t>(half * 2)
                      : static_cast<int64_t>(raw);
  }
  uint64_t value_change() {
    if (bits(1) == 0) return 0;
    if (bits(1) == 1) {
      leading_ = static_cast<unsigned>(bits(5));
      const auto significant = static_cast<unsigned>(bits(6));
      trailing_ = 64 - leading_ - (significant == 0 ? 64 : significant);
    }
    return bits(64 - leading_ - trailing_) << trailing_;
  }

  std::string_view bytes_;
  size_t at_ = 0;
  size_t count_ = 0;
  unsigned leading_ = 0;
  unsigned trailing_ = 0;
};

TEST_CASE("an XOR chunk has these bytes") {
  const std::vector<model::TimestampMs> times{1000, 16000, 31000, 46001};
  const std::vector<double> values{1, 1, 2, 2.5};
  CHECK(hex(encode_xor_chunk(times, values)) == "0004d00f3ff000000000000098753097ffe0007683");
}

TEST_CASE("any times and values come back from a chunk") {
  const double nan = model::stale_marker();
  const std::vector<model::TimestampMs> times{
      -5, 0, 1, 8'193, 8'194 + 8'192, 200'000, 1'000'000, 9'000'000'000, 9'000'000'001};
  const std::vector<double> values{
      0, -0.0, nan, 1e300, 1e-300, 3.14159, 3.14159, std::numeric_limits<double>::infinity(), 7};
  const std::string chunk = encode_xor_chunk(times, values);
  const auto [read_times, read_values] = ChunkReader(chunk).all();
  CHECK(read_times == times);
  REQUIRE(read_values.size() == values.size());
  for (size_t i = 0; i < values.size(); ++i)
    CHECK(read_values[i] == std::bit_cast<uint64_t>(values[i]));
}

TEST_CASE("histograms go back as they came: integers as integers") {
  const auto fields_of = [](bool is_float) {
    model::NativeHistogram histogram;
    histogram.is_float = is_float;
    histogram.count = 6;
    histogram.zero_count = 1;
    histogram.positive_spans = {{0, 2}};
    histogram.positive_buckets = {4, 1};
    model::SeriesSamples samples;
    samples.histograms.push_back({1000, std::make_shared<model::NativeHistogram>(histogram)});
    MemorySource source;
    source.add(model::Labels{{"__name__", "h"}}, samples);
    RemoteReadRequest request;
    request.queries.push_back({{0, 2000}, {model::Matcher::equal("__name__", "h")}});
    const auto packed = remote_read_samples(request, source, {});
    REQUIRE(packed.ok());
    std::string message;
    REQUIRE(snappy::Uncompress(packed->data(), packed->size(), &message));
    ProtobufReader response(message);
    ProtobufReader result(response.next()->bytes);
    ProtobufReader series(result.next()->bytes);
    std::vector<uint32_t> out;
    while (const auto field = series.next()) {
      if (field->number != 4) continue;
      ProtobufReader encoded(field->bytes);
      while (const auto part = encoded.next()) out.push_back(part->number);
    }
    return out;
  };
  CHECK(fields_of(false) == std::vector<uint32_t>{1, 6, 11, 12, 15});
  CHECK(fields_of(true) == std::vector<uint32_t>{2, 7, 11, 13, 15});
}

TEST_CASE("broken requests are refused with the reason") {
  CHECK(decode_remote_read("\xff\xff\xff\xff\xff\xff", {}).error().message() ==
        "remote read request: the body is no snappy block");
  ProtobufReader reader("\x0a\x05xx");
  CHECK_FALSE(reader.next());
  CHECK_FALSE(reader.ok());
}

}  // namespace
}  // namespace aerie::query
