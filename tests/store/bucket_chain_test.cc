#include "store/bucket_chain.h"

#include <catch2/catch.hpp>

#include <limits>

#include "tests/store/support/columns.h"
#include "tests/store/support/partitions.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

/// One classic histogram with `bounds.size()` buckets and +Inf, whose counts grow as requests come.
std::vector<SealSeries> classic_histogram(Random& random, const std::string& path, size_t buckets,
                                          size_t rows) {
  std::vector<SealSeries> out;
  std::vector<double> counts(buckets + 1, 0);
  for (size_t bucket = 0; bucket <= buckets; ++bucket) {
    const std::string le = bucket == buckets ? "+Inf" : std::to_string(bucket + 1);
    out.push_back({{{"__name__", "latency_bucket"}, {"le", le}, {"path", path}}, {}, {}});
  }
  for (size_t row = 0; row < rows; ++row) {
    for (uint64_t n = random() % 200; n > 0; --n) ++counts[std::popcount(random()) % (buckets / 2)];
    double total = 0;
    for (size_t bucket = 0; bucket <= buckets; ++bucket) {
      total += counts[bucket];
      out[bucket].samples.add(static_cast<int64_t>(row) * 15'000, total);
    }
  }
  return out;
}

uint64_t sealed_bytes(const std::vector<SealSeries>& series) {
  TempFolder folder;
  const auto set = must(PartitionSet::open({folder.path()}));
  const PartitionInfo info = must(seal_all(*set, partition_at(0, 0, 10), series));
  CHECK(read_all(*set->pin()) == printed(series));
  return info.bytes;
}

}  // namespace

TEST_CASE("golden bytes of a chained column") {
  FloatEncoder encoder;
  const std::vector<double> below = {1, 2, 3, 4, 5, 6};
  const std::vector<double> values = {3, 4, 5, 6, 7, 8};
  ColumnBytes column;
  REQUIRE(put_chained(encoder, below, values, column));
  CHECK(hex(column.head) == "10 01 10 04");  // chained, constant 2
  CHECK(column.body.empty());
  CHECK(is_chained(column.head));
  std::vector<double> back(values.size());
  ColumnReader in{ByteReader(column.head), ByteReader(column.body)};
  must(FloatDecoder().get(in, back));
  add_below(below, back);
  CHECK(same_bits(back, values));
}

TEST_CASE("what would lose bits is not chained; markers stand for themselves") {
  FloatEncoder encoder;
  ColumnBytes column;
  CHECK_FALSE(put_chained(encoder, std::vector<double>{1e17}, std::vector<double>{0.1}, column));
  CHECK_FALSE(put_chained(encoder, std::vector<double>{0.0}, std::vector<double>{-0.0}, column));
  CHECK(column.size() == 0);
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> below = {1, model::stale_marker(), infinity, 4, model::stale_marker()};
  const std::vector<double> values = {model::stale_marker(), 7, 3, infinity, model::stale_marker()};
  REQUIRE(put_chained(encoder, below, values, column));
  std::vector<double> back(values.size());
  ColumnReader in{ByteReader(column.head), ByteReader(column.body)};
  must(FloatDecoder().get(in, back));
  add_below(below, back);
  CHECK(same_bits(back, values));
}

TEST_CASE("buckets of one histogram are told from their labels") {
  const model::Labels a{{"__name__", "x"}, {"le", "1"}, {"path", "/"}};
  CHECK(same_histogram_buckets(a, {{"__name__", "x"}, {"le", "2"}, {"path", "/"}}));
  CHECK_FALSE(same_histogram_buckets(a, {{"__name__", "x"}, {"le", "2"}, {"path", "/a"}}));
  CHECK_FALSE(same_histogram_buckets(a, {{"__name__", "y"}, {"le", "2"}, {"path", "/"}}));
  CHECK_FALSE(same_histogram_buckets(a, {{"__name__", "x"}, {"le", "2"}, {"port", "/"}}));
  CHECK_FALSE(same_histogram_buckets({{"__name__", "x"}}, {{"__name__", "x"}}));
  SealOrder less;  // neighbours, whatever their labels are called
  CHECK(less(a, {{"__name__", "x"}, {"le", "10"}, {"path", "/"}}));
  CHECK(less({{"__name__", "x"}, {"le", "10"}, {"path", "/"}},
             {{"__name__", "x"}, {"le", "+Inf"}, {"path", "/"}}));
  CHECK(less({{"__name__", "x"}, {"le", "+Inf"}, {"path", "/"}},
             {{"__name__", "x"}, {"le", "1"}, {"path", "/a"}}));
  CHECK(less({{"__name__", "x"}, {"path", "/"}}, a));
}

TEST_CASE("classic histograms come back bit for bit and take less space") {
  const uint64_t seed = test_seed();
  CAPTURE(seed);
  Random random(seed);
  std::vector<SealSeries> series;
  std::vector<SealSeries> apart;  // the same, but nobody can tell that they are buckets
  for (const char* path : {"/a", "/b", "/c"}) {
    for (SealSeries& one : classic_histogram(random, path, 20, 120)) {
      apart.push_back(one);
      apart.back().labels =
          model::LabelsBuilder(one.labels).remove("le").set("x", one.labels.get("le")).build();
      series.push_back(std::move(one));
    }
  }
  const uint64_t chained = sealed_bytes(series);
  const uint64_t plain = sealed_bytes(apart);
  CAPTURE(chained, plain);
  CHECK(chained < plain);
}

TEST_CASE("chains survive gaps, other clocks, odd values and more buckets than a chain holds") {
  const uint64_t seed = test_seed();
  CAPTURE(seed);
  Random random(seed);
  for (int round = 0; round < 5; ++round) {
    std::vector<SealSeries> series = classic_histogram(random, "/many", 150, 30);
    for (SealSeries& one : series) {
      model::SeriesSamples& samples = one.samples;
      if (random() % 4 == 0) samples.values.back() = model::stale_marker();
      if (random() % 9 == 0) samples.values[random() % 30] = std::bit_cast<double>(random());
      if (random() % 9 == 0) {
        samples.timestamps.erase(samples.timestamps.begin() + 3);
        samples.values.erase(samples.values.begin() + 3);
      }
      if (random() % 9 == 0) {
        samples.starts.assign(samples.values.size(), 7);
      }
      if (random() % 20 == 0) {
        samples.histograms.push_back(
            {1'000'000, std::make_shared<model::NativeHistogram>(random_histogram(random))});
      }
    }
    sealed_bytes(series);
  }
}
