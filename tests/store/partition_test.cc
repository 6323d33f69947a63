#include "store/partition.h"

#include <catch2/catch.hpp>

#include <algorithm>

#include "store/checksum.h"
#include "store/partition_builder.h"
#include "store/partition_record.h"
#include "store/read_cache.h"
#include "tests/store/support/columns.h"
#include "tests/store/support/partitions.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using Family = RocksDatabase::Family;

namespace {

constexpr uint64_t kSeed = 7;

CommitRecord record_of(model::TimestampMs start, uint32_t generation) {
  CommitRecord record;
  record.info.start = start;
  record.info.generation = generation;
  record.info.log_end = 300;
  record.info.sequence = generation;
  record.seed = kSeed;
  return record;
}

std::shared_ptr<const Partition> build(std::shared_ptr<RocksDatabase> database,
                                       const CommitRecord& record,
                                       const std::vector<SealSeries>& sorted,
                                       PartitionBuilder::Options options = {}) {
  PartitionBuilder builder(*database, record, options);
  for (const SealSeries& one : sorted) must(builder.add(one));
  CommitRecord committed = must(builder.commit());
  return std::make_shared<const Partition>(std::move(database), std::move(committed));
}

}  // namespace

TEST_CASE("keys sort by shard, tier, start, generation, kind; starts before 1970 come first") {
  CHECK(hex(record_key(partition_prefix({0, 0, 1'800'000, 1}), RecordKind::Commit)) ==
        "00 00 00 80 00 00 00 00 1b 77 40 00 00 00 01 01");
  CHECK(hex(record_key(partition_prefix({258, 2, -1, 3}), RecordKind::Values, 5, 6)) ==
        "01 02 02 7f ff ff ff ff ff ff ff 00 00 00 03 03 00 00 00 05 00 00 00 06");
  const std::vector<PartitionName> names = {{0, 0, model::kMinTimestamp, 0},
                                            {0, 0, -1, 9},
                                            {0, 0, 0, 0},
                                            {0, 0, 0, 1},
                                            {0, 1, -5, 0},
                                            {1, 0, model::kMaxTimestamp, ~0u},
                                            {65535, 255, model::kMaxTimestamp, ~0u}};
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string prefix = partition_prefix(names[i]);
    CHECK(must(parse_prefix(prefix)) == names[i]);
    if (i > 0) CHECK(partition_prefix(names[i - 1]) < prefix);
    const std::string end = prefix_end(prefix);
    CHECK((end.empty() || end > prefix + std::string(20, '\xff')));
  }
  CHECK(parse_prefix("short").error().code() == ErrorCode::Corruption);
}

TEST_CASE("a commit record has its documented bytes, newer versions are refused") {
  CommitRecord record = record_of(1'800'000, 2);
  record.info.samples = {1'800'000, 3'599'999};
  record.info.series_count = 3;
  record.info.sample_count = 360;
  record.info.bytes = 1000;
  record.groups = 1;
  record.clocks = 2;
  record.replaces = {{0, 0, -1, 1}};
  record.info.erasures = 4;
  record.info.sealed_parts = {{{1'800'000, 1'800'010}, 200}};
  const std::string bytes = encode_commit(record);
  CHECK(hex(bytes) ==
        "01 00 00 80 dd db 01 02 02 80 dd db 01 fe b9 b7 03 00 ac 02 03 e8 02 01 02 e8 07 07 00 00 "
        "00 00 00 00 00 "
        "01 00 01 01 04 01 80 dd db 01 94 dd db 01 c8 01 29 34 87 12 4f 6c 7a a9");
  const CommitRecord back = must(decode_commit(bytes));
  CHECK(back.info.samples == record.info.samples);
  CHECK(back.info.log_end == 300);
  CHECK(back.info.sequence == 2);
  CHECK(back.replaces == record.replaces);
  CHECK(back.info.erasures == 4);
  CHECK(back.info.sealed_parts == record.info.sealed_parts);

  // Version 0 ended behind the replaced partitions.
  std::string old = bytes.substr(0, bytes.size() - 8 - 12);
  old[0] = 0;
  append_checksum(old, 0);
  CHECK(must(decode_commit(old)).replaces == record.replaces);
  old = std::string(1, 2) + bytes.substr(1, bytes.size() - 9);
  append_checksum(old, 0);
  CHECK(decode_commit(old).error().message() ==
        "commit record has format version 2, this program knows 1");

  std::string flipped = bytes;
  flipped[9] ^= 1;
  CHECK(decode_commit(flipped).error().code() == ErrorCode::Corruption);
  CHECK(decode_commit(bytes.substr(0, 20)).error().code() == ErrorCode::Corruption);
  CHECK(decode_commit("").error().code() == ErrorCode::Corruption);
}

TEST_CASE("series of one scrape share one clock, others have their own") {
  TempFolder folder;
  const auto database = must(RocksDatabase::open(folder.path(), 1 << 20));
  const auto partition = build(
      database, record_of(0, 1),
      {series({{"__name__", "a"}}, 0, 10, {1, 2, 3}), series({{"__name__", "b"}}, 0, 10, {4, 5, 6}),
       series({{"__name__", "c"}}, 1, 10, {7, 8, 9}),
       series({{"__name__", "d"}}, 0, 10, {7, 8, 9})});
  CHECK(partition->record().clocks == 2);
  CHECK(partition->record().groups == 1);
  CHECK(*must(partition->clock(0)) == Partition::Clock{0, 10, 20});
  CHECK(*must(partition->clock(1)) == Partition::Clock{1, 11, 21});
  CHECK(partition->clock(2).error().code() == ErrorCode::Corruption);
  const auto group = must(partition->group(0));
  CHECK(group->columns(2)[0].clock == 1);
  CHECK(group->columns(3)[0].clock == 0);
  CHECK(partition->group(1).error().message() ==
        "partition shard=0 tier=0 start=0 generation=1: group: record is missing");
}

TEST_CASE("large partitions have several groups and several files") {
  TempFolder folder;
  const auto database = must(RocksDatabase::open(folder.path(), 1 << 20));
  Random random(1);
  std::vector<SealSeries> input;
  for (int metric = 0; metric < 4; ++metric)
    for (int i = 0; i < 300; ++i) {
      const std::string name = "metric_" + std::to_string(metric);
      const std::string instance = "host-" + std::to_string(i);
      input.push_back(series({{"__name__", name}, {"instance", instance}}, 0, 1000,
                             value_shapes()[9].make(random, 50)));
    }
  std::sort(input.begin(), input.end(), [](const SealSeries& a, const SealSeries& b) {
    return SealOrder{}(a.labels, b.labels);
  });
  const auto partition =
      build(database, record_of(0, 1), input, {.group_bytes = 16 << 10, .file_bytes = 100 << 10});
  CHECK(partition->record().groups > 10);
  const auto source = make_partition_source({partition}, std::make_shared<ReadCache>());
  CHECK(read_all(*source) == printed(input));
  const model::TimeRange middle = {10'500, 20'000};
  CHECK(read_all(*source, {}, middle) == printed(input, middle));
}

TEST_CASE("what cannot be sealed is refused before anything is visible") {
  TempFolder folder;
  const auto database = must(RocksDatabase::open(folder.path(), 1 << 20));
  const auto refusal = [&](std::vector<SealSeries> input) {
    PartitionBuilder builder(*database, record_of(0, 1), {});
    for (const SealSeries& one : input)
      if (Status status = builder.add(one); !status) return status.error().message();
    auto committed = builder.commit();
    return committed.ok() ? std::string("committed") : committed.error().message();
  };
  const SealSeries good = series({{"__name__", "m"}}, 0, 10, {1, 2});
  CHECK(refusal({}) == "a partition needs at least one sample");
  CHECK(refusal({good, good}) == "series are not in seal order: m");
  CHECK(refusal({good, series({{"__name__", "a"}}, 0, 10, {1})}) ==
        "series are not in seal order: a");
  CHECK(refusal({series({{"__name__", "m"}}, 0, 0, {1, 2})}) == "samples are not in time order: m");
  SealSeries uneven = good;
  uneven.samples.timestamps.pop_back();
  CHECK(refusal({uneven}) == "timestamps and values differ in number: m");
  SealSeries odd = good;
  model::NativeHistogram histogram;
  histogram.positive_spans = {{0, 2}};
  odd.samples.histograms.push_back({5, std::make_shared<const model::NativeHistogram>(histogram)});
  CHECK(refusal({odd}) == "buckets of a histogram do not fit its spans: m");
  CHECK(database->files(Family::Index).empty());
  CHECK(refusal({good}) == "committed");
}

TEST_CASE(
    "equal timestamps in two partitions: the later commit wins, floats and histograms alike") {
  TempFolder folder;
  const auto database = must(RocksDatabase::open(folder.path(), 1 << 20));
  SealSeries first = series({{"__name__", "m"}}, 0, 10, {1, 2, 3});
  SealSeries second = series({{"__name__", "m"}}, 5, 5, {20, 30});  // 5 and 10
  model::NativeHistogram histogram;
  histogram.schema = 3;
  histogram.count = 4;
  second.samples.histograms.push_back(
      {20, std::make_shared<const model::NativeHistogram>(histogram)});
  const auto one = build(database, record_of(0, 1), {first});
  const auto two = build(database, record_of(0, 2), {second});
  SealSeries expected = series({{"__name__", "m"}}, 0, 5, {1, 20, 30});
  expected.samples.histograms = second.samples.histograms;
  CHECK(read_all(*make_partition_source({one, two}, std::make_shared<ReadCache>())) ==
        printed({expected}));
  CHECK(read_all(*make_partition_source({two, one}, std::make_shared<ReadCache>())) ==
        printed({expected}));
}
