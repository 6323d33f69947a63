#include "store/partition_set.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "store/partition_builder.h"
#include "store/rocks_database.h"
#include "tests/store/support/columns.h"
#include "tests/store/support/partitions.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using Family = RocksDatabase::Family;

namespace {

constexpr model::DurationMs kSpan = 30LL * 60 * 1000;

std::vector<SealSeries> some_series(model::TimestampMs start, double value) {
  return {series({{"__name__", "up"}, {"cluster", "a"}}, start, 15'000, {value, value, 0, value}),
          series({{"__name__", "up"}, {"cluster", "b"}}, start, 15'000, {value, 1, 1, value}),
          series({{"__name__", "work_seconds_total"}, {"cluster", "a"}}, start + 500, 15'000,
                 {0.25, 1.5, 2, 3.125})};
}

uint64_t file_bytes(const std::string& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".sst") bytes += entry.file_size();
  return bytes;
}

}  // namespace

TEST_CASE("a sealed partition is live, readable and found again after reopening") {
  TempFolder folder;
  const std::vector<SealSeries> input = some_series(1000, 1);
  for (const bool reopened : {false, true}) {
    auto set = must(PartitionSet::open({folder.path()}));
    if (!reopened) {
      const PartitionInfo info = must(seal_all(*set, partition_at(0, 10, 90), input));
      CHECK(info.generation == 1);
      CHECK(info.series_count == 3);
      CHECK(info.sample_count == 12);
      CHECK(info.bytes > 0);
      CHECK(info.samples == model::TimeRange{1000, 46'500});
    }
    REQUIRE(set->live().size() == 1);
    CHECK(set->live()[0].log_first == 10);
    CHECK(set->live()[0].log_end == 90);
    CHECK(set->sealed_end(0) == 90);
    CHECK(set->sealed_end(1) == 0);
    CHECK(read_all(*set->pin()) == printed(input));
  }
}

TEST_CASE("a selection merges the same series of several partitions") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  must(seal_all(*set, partition_at(0, 0, 10), some_series(1000, 1)));
  must(seal_all(*set, partition_at(kSpan, 10, 20), some_series(kSpan, 2)));
  must(seal_all(*set, partition_at(kSpan, 20, 30),
                {series({{"__name__", "up"}, {"cluster", "b"}}, kSpan, 7'500, {9, 8})}));
  const auto live = set->live();
  REQUIRE(live.size() == 3);
  CHECK(live[1].start == kSpan);
  CHECK(live[1].generation == 1);
  CHECK(live[2].generation == 2);

  const auto source = set->pin();
  const auto selection = must(source->select({model::Matcher::equal("cluster", "b")}, {}));
  REQUIRE(selection->size() == 1);
  model::SeriesSamples samples;
  must(selection->read(0, {16'000, kSpan + 15'000}, samples));
  CHECK(samples.timestamps == std::vector<model::TimestampMs>{16'000, 31'000, 46'000, kSpan,
                                                              kSpan + 7'500, kSpan + 15'000});
  CHECK(samples.values == std::vector<double>{1, 1, 1, 9, 8, 1});
  // Only the first partition lies in this range.
  CHECK(must(source->label_values("cluster", {}, {0, 100'000})) ==
        std::vector<std::string>{"a", "b"});
  CHECK(must(source->label_names({}, {})) == std::vector<std::string>{"__name__", "cluster"});
  CHECK(must(source->label_values("__name__", {model::Matcher::equal("cluster", "b")}, {})) ==
        std::vector<std::string>{"up"});
  CHECK(must(source->select({}, {100'000, 200'000}))->size() == 0);
}

TEST_CASE("dropped partitions stay readable while pinned and leave the disk afterwards") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  for (int i = 0; i < 4; ++i)
    must(seal_all(
        *set, partition_at(i * kSpan, static_cast<LogPosition>(i), static_cast<LogPosition>(i + 1)),
        some_series(i * kSpan, i)));
  const uint64_t full = file_bytes(folder.path());
  auto pinned = set->pin();
  const Printed before = read_all(*pinned);
  must(set->drop_before(2 * kSpan));
  CHECK(set->live().size() == 2);
  CHECK(file_bytes(folder.path()) == full);
  CHECK(read_all(*pinned) == before);
  CHECK(read_all(*set->pin(), {}, {0, 2 * kSpan - 1}).empty());
  CHECK(set->sealed_end(0) == 4);

  pinned.reset();
  must(set->drop_before(2 * kSpan));
  CHECK(file_bytes(folder.path()) < full * 6 / 10);
  // The newest sample decides, not the span.
  must(set->drop_before(2 * kSpan + 45'500));
  CHECK(set->live().size() == 2);
  must(set->drop_before(2 * kSpan + 45'501));
  CHECK(set->live().size() == 1);

  set.reset();
  set = must(PartitionSet::open({folder.path()}));
  REQUIRE(set->live().size() == 1);
  CHECK(set->live()[0].start == 3 * kSpan);
}

TEST_CASE("a generation that is dropped but still pinned is not given away again") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  must(seal_all(*set, partition_at(0, 0, 1), some_series(0, 1)));
  const auto pinned = set->pin();
  const Printed before = read_all(*pinned);
  must(set->drop_before(kSpan));
  const PartitionInfo second = must(seal_all(*set, partition_at(0, 1, 2), some_series(0, 5)));
  CHECK(second.generation == 2);
  CHECK(read_all(*pinned) == before);
}

TEST_CASE("a selection outlives its source and its set") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  must(seal_all(*set, partition_at(0, 0, 1), some_series(0, 1)));
  auto selection = must(set->pin()->select({}, {}));
  set.reset();
  model::SeriesSamples samples;
  must(selection->read(0, {}, samples));
  CHECK(samples.values.size() == 4);
  CHECK(PartitionSet::open({folder.path()}).error().code() == ErrorCode::AlreadyExists);
  selection.reset();
  CHECK(PartitionSet::open({folder.path()}).ok());
}

TEST_CASE("a seal that fails leaves nothing behind") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  int calls = 0;
  auto result = set->seal(partition_at(0, 0, 5), [&](SealSeries& out) {
    out = series({{"__name__", "same"}}, 0, 10, {1});
    return ++calls < 5;
  });
  CHECK(result.error().message() ==
        "seal partition shard=0 tier=0 start=0 generation=1: series are not in seal order: same");
  CHECK(set->live().empty());
  CHECK(set->sealed_end(0) == 0);
  CHECK(std::filesystem::is_empty(folder.path() + "/building"));
  CHECK(must(seal_all(*set, partition_at(0, 0, 5), some_series(0, 1))).generation == 1);
}

TEST_CASE("what a crash leaves half-done is removed at open") {
  TempFolder folder;
  const Printed before = [&] {
    auto set = must(PartitionSet::open({folder.path()}));
    must(seal_all(*set, partition_at(0, 0, 5), some_series(0, 1)));
    must(seal_all(*set, partition_at(kSpan, 5, 9), some_series(kSpan, 2)));
    return read_all(*set->pin());
  }();

  SECTION("files that were never moved in") {
    std::ofstream(folder.path() + "/building/data-0.sst") << "half";
  }
  SECTION("columns without a commit record: a crash inside a removal") {
    const auto database = must(RocksDatabase::open(folder.path(), 1 << 20));
    const std::string prefix = partition_prefix({0, 0, kSpan, 1});
    must(database->delete_files(Family::Index, prefix, prefix_end(prefix)));
  }
  SECTION("a partition that replaces another: a crash between commit and removal") {
    const auto database = must(RocksDatabase::open(folder.path(), 1 << 20));
    CommitRecord record;
    record.info = partition_at(0, 0, 5);
    record.info.tier = 1;
    record.info.generation = 1;
    record.info.sequence = 3;
    record.seed = database->seed();
    record.replaces = {{0, 0, 0, 1}};
    PartitionBuilder builder(*database, record, {});
    for (const SealSeries& one : some_series(0, 1)) must(builder.add(one));
    CHECK(must(builder.commit()).info.series_count == 3);
  }

  for (int again = 0; again < 2; ++again) {
    auto set = must(PartitionSet::open({folder.path()}));
    CHECK(std::filesystem::is_empty(folder.path() + "/building"));
    const Printed after = read_all(*set->pin());
    const auto live = set->live();
    if (live.size() == 1) {  // the second was being removed
      CHECK(live[0].start == 0);
      CHECK(after == printed(some_series(0, 1)));
    } else {
      REQUIRE(live.size() == 2);
      CHECK(after == before);
      CHECK(live[0].start + live[1].start == kSpan);
    }
  }
}

TEST_CASE("killed at any moment while sealing and dropping, the set opens with whole partitions") {
  const uint64_t seed = test_seed();
  INFO("AERIE_SEED=" << seed);
  Random random(seed);
  TempFolder folder;
  for (int round = 0; round < 6; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto set = must(PartitionSet::open({folder.path()}));
      for (int i = 0; i < 1000; ++i) {
        const model::TimestampMs start = (round * 1000 + i) * kSpan;
        must(seal_all(*set, partition_at(start, 0, static_cast<LogPosition>(start / kSpan + 1)),
                      some_series(start, i)));
        if (i % 3 == 2) must(set->drop_before(start - 5 * kSpan));
      }
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(20'000 + random() % 150'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    auto set = must(PartitionSet::open({folder.path()}));
    for (const PartitionInfo& info : set->live()) CHECK(info.series_count == 3);
    const Printed all = read_all(*set->pin());
    CHECK(all.count("error") == 0);
    if (!set->live().empty()) CHECK(all.size() == 3);
  }
}

TEST_CASE("folders that are not ours, or of a newer format, are refused and left alone") {
  TempFolder folder;
  std::filesystem::create_directories(folder.path());
  SECTION("somebody's file") {
    std::ofstream(folder.path() + "/CURRENT") << "MANIFEST-000001\n";
    const auto opened = PartitionSet::open({folder.path()});
    CHECK(opened.error().code() == ErrorCode::InvalidArgument);
    CHECK(opened.error().message() ==
          folder.path() +
              " is not a partition folder of aerie: it holds CURRENT but no AERIE_PARTITIONS");
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  }
  SECTION("a newer format") {
    std::ofstream(folder.path() + "/AERIE_PARTITIONS") << "aerie partitions 3\n";
    const auto opened = PartitionSet::open({folder.path()});
    CHECK(opened.error().code() == ErrorCode::InvalidArgument);
    CHECK(opened.error().message() ==
          folder.path() + " has format version 3, this program knows 0");
  }
}

TEST_CASE("a second opener is refused, in this process and in another") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  const auto second = PartitionSet::open({folder.path()});
  CHECK(second.error().code() == ErrorCode::AlreadyExists);
  CHECK(second.error().message() ==
        folder.path() + " is in use by another process (" + folder.path() + "/LOCK)");
  const pid_t child = ::fork();
  if (child == 0) {
    // The lock table of this process was copied by fork(): a new program would not have it.
    const auto third = PartitionSet::open({folder.path()});
    ::_exit(third.ok() || third.error().code() != ErrorCode::AlreadyExists ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("damage on disk is an error that names the partition, never wrong data") {
  TempFolder folder;
  Random random(3);
  std::vector<SealSeries> input;
  for (int i = 0; i < 200; ++i) {
    const std::string instance = "host-" + std::to_string(1000 + i);
    input.push_back(series({{"__name__", "m"}, {"instance", instance}}, 0, 1000,
                           value_shapes()[9].make(random, 60)));
  }
  must(seal_all(*must(PartitionSet::open({folder.path()})), partition_at(0, 0, 1), input));
  std::string largest;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    if (entry.path().extension() == ".sst" &&
        (largest.empty() || entry.file_size() > std::filesystem::file_size(largest)))
      largest = entry.path();
  {
    std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(10'000);
    file << "damage";
  }
  auto set = must(PartitionSet::open({folder.path()}));
  const auto source = set->pin();
  const auto selection = must(source->select({}, {}));
  const Printed truth = printed(input);
  size_t refused = 0;
  for (size_t i = 0; i < selection->size(); ++i) {
    model::SeriesSamples samples;
    const Status status = selection->read(i, {}, samples);
    if (!status) {
      ++refused;
      CHECK(status.error().code() == ErrorCode::Corruption);
      CHECK(status.error().message().find("partition shard=0 tier=0 start=0 generation=1") == 0);
    } else {
      CHECK(printed({{selection->labels(i), samples}}).begin()->second ==
            truth.at(selection->labels(i).to_string()));
    }
  }
  CHECK(refused > 0);
  CHECK(refused < selection->size());
}
