#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <map>

#include "store/erasures.h"
#include "store/partition_set.h"
#include "tests/store/support/columns.h"
#include "tests/store/support/partitions.h"
#include "tests/store/support/stores.h"

/// Partitions that become one: nothing lost, nothing changed, nothing that comes back.

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using model::Labels;
using model::Matcher;

namespace {

constexpr model::DurationMs kSpan = 30LL * 60 * 1000;

/// Random series of one partition: floats, histograms or both, some in every partition, some in
/// few.
std::vector<SealSeries> random_series(Random& random, model::TimestampMs start) {
  std::vector<SealSeries> out;
  for (int i = 0; i < 40; ++i) {
    if (random() % 3 == 0) continue;
    SealSeries one;
    one.labels = Labels{{"__name__", "m" + std::to_string(i % 5)},
                        {"cluster", "c" + std::to_string(i % 3)},
                        {"i", std::to_string(i)},
                        {"le", i % 5 == 4 ? std::to_string(i * i) : ""}};
    model::TimestampMs t = start + static_cast<model::TimestampMs>(random() % 20);
    for (uint64_t n = random() % 60; n > 0; --n, t += 1 + static_cast<int64_t>(random() % 30)) {
      if (i % 7 == 0 && random() % 2 == 0) {
        one.samples.histograms.push_back(
            {t, std::make_shared<const model::NativeHistogram>(random_histogram(random))});
      } else {
        one.samples.timestamps.push_back(t);
        one.samples.values.push_back(random() % 4 == 0 ? model::stale_marker()
                                                       : static_cast<double>(random() % 100) / 10);
      }
    }
    if (!one.samples.empty()) out.push_back(std::move(one));
  }
  return out;
}

PartitionInfo merge_all(PartitionSet& set, uint8_t tier, ErasuresPtr erasures = nullptr) {
  return must(set.merge({set.live(), tier, 0, std::move(erasures), {}}));
}

ErasuresPtr erasure_of(const char* name, const char* value, model::TimeRange range) {
  return std::make_shared<const Erasures>(
      std::vector<Erasure>{{1, 1000, {{Matcher::equal(name, value)}}, range}});
}

}  // namespace

TEST_CASE("a merged partition holds what its parts held, the later commit first") {
  const uint64_t seed = test_seed();
  for (int round = 0; round < 8; ++round) {
    INFO("AERIE_SEED=" << seed << " round " << round);
    Random random(seed + static_cast<uint64_t>(round));
    TempFolder folder;
    auto set = must(PartitionSet::open({folder.path()}));
    const int parts = 2 + static_cast<int>(random() % 5);
    for (int i = 0; i < parts; ++i) {
      // Overlapping on purpose.
      const auto start = static_cast<model::TimestampMs>(random() % 3) * 400;
      auto series = random_series(random, start);
      if (series.empty()) continue;
      must(seal_all(*set,
                    partition_at(0, static_cast<LogPosition>(i), static_cast<LogPosition>(i + 1)),
                    series));
    }
    const Printed before = read_all(*set->pin());
    const PartitionInfo merged = merge_all(*set, 1);
    CHECK(read_all(*set->pin()) == before);
    REQUIRE(set->live().size() == 1);
    CHECK(set->live()[0].tier == 1);
    CHECK(merged.log_first == 0);
    CHECK(merged.log_end == static_cast<LogPosition>(parts));
    CHECK_FALSE(merged.sealed_parts.empty());
    // Once more, alone: the same bytes but for the name.
    const PartitionInfo again = merge_all(*set, 1);
    CHECK(again.series_count == merged.series_count);
    CHECK(again.sample_count == merged.sample_count);
    CHECK(again.generation == 2);
    set.reset();
    set = must(PartitionSet::open({folder.path()}));
    CHECK(read_all(*set->pin()) == before);
    CHECK(set->live().size() == 1);
    CHECK(set->live()[0].sealed_parts == merged.sealed_parts);
    CHECK(set->live()[0].bytes == again.bytes);
  }
}

TEST_CASE("readers keep the parts that they pinned, their files go afterwards") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  const auto a = series({{"__name__", "a"}}, 0, 10, {1, 2, 3});
  const auto b = series({{"__name__", "a"}}, 100, 10, {4, 5, 6});
  must(seal_all(*set, partition_at(0, 0, 1), {a}));
  must(seal_all(*set, partition_at(kSpan, 1, 2), {b}));
  auto pinned = set->pin();
  const Printed before = read_all(*pinned);
  merge_all(*set, 1);
  CHECK(read_all(*pinned) == before);
  CHECK(read_all(*set->pin()) == before);
  pinned.reset();
  must(set->drop({}));  // sweeps
  set.reset();
  set = must(PartitionSet::open({folder.path()}));
  CHECK(read_all(*set->pin()) == before);
}

TEST_CASE("a partition never gets the name of one that a merge replaced") {
  // The record of the merged one names its parts: at the next open they would be removed.
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  must(seal_all(*set, partition_at(0, 0, 1), {series({{"__name__", "a"}}, 0, 10, {1})}));
  must(seal_all(*set, partition_at(0, 1, 2), {series({{"__name__", "a"}}, 10, 10, {2})}));
  merge_all(*set, 1);
  for (int again = 0; again < 2; ++again) {
    const auto late = must(
        seal_all(*set, partition_at(0, 2, 3), {series({{"__name__", "b"}}, 20 + again, 10, {3})}));
    CHECK(late.generation == 3 + static_cast<uint32_t>(again));
    set.reset();
    set = must(PartitionSet::open({folder.path()}));
    CHECK(set->live().size() == 2 + static_cast<size_t>(again));
  }
}

TEST_CASE("a merge that stops or fails changes nothing") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  must(seal_all(*set, partition_at(0, 0, 1), {series({{"__name__", "a"}}, 0, 10, {1, 2, 3})}));
  must(seal_all(*set, partition_at(0, 1, 2), {series({{"__name__", "b"}}, 0, 10, {1, 2, 3})}));
  const auto live = set->live();
  const Printed before = read_all(*set->pin());
  MergeRequest request{live, 1, 0, nullptr,
                       [] { return Status(Error(ErrorCode::Unavailable, "stop")); }};
  CHECK(set->merge(request).error().code() == ErrorCode::Unavailable);
  CHECK(set->live().size() == 2);
  CHECK(read_all(*set->pin()) == before);
  CHECK(std::filesystem::is_empty(folder.path() + "/building"));
  // While it runs its parts are neither dropped nor merged a second time.
  request.pause = [&] {
    CHECK(set->drop(live).ok());
    CHECK(set->drop_before(1000).ok());
    CHECK(set->merge({live, 1, 0, nullptr, {}}).error().code() == ErrorCode::NotFound);
    CHECK(set->live().size() == 2);
    return Status();
  };
  must(set->merge(request));
  CHECK(read_all(*set->pin()) == before);
  CHECK(set->merge(request).error().code() == ErrorCode::NotFound);
}

TEST_CASE("erasures hide at once and are carried out by the next merge") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  must(seal_all(*set, partition_at(0, 0, 1),
                {series({{"__name__", "a"}, {"x", "1"}}, 0, 10, {1, 2, 3}),
                 series({{"__name__", "b"}, {"x", "2"}}, 0, 10, {1, 2, 3})}));
  must(seal_all(*set, partition_at(0, 1, 2),
                {series({{"__name__", "a"}, {"x", "1"}}, 30, 10, {4, 5})}));
  const auto part = erasure_of("__name__", "a", {10, 39});
  const Printed expected = {
      {"a{x=\"1\"}", {"0: 1 (3ff0000000000000)", "40: 5 (4014000000000000)"}},
      {"b{x=\"2\"}",
       {"0: 1 (3ff0000000000000)", "10: 2 (4000000000000000)", "20: 3 (4008000000000000)"}}};
  CHECK(read_all(*set->pin(part)) == expected);
  CHECK(must(set->concerned(set->live()[0], *part)));
  const PartitionInfo merged = merge_all(*set, 1, part);
  CHECK(merged.erasures == 1);
  CHECK(read_all(*set->pin()) == expected);
  CHECK(read_all(*set->pin(part)) == expected);
  CHECK_FALSE(must(set->concerned(set->live()[0], *part)));

  const auto whole = std::make_shared<const Erasures>(
      std::vector<Erasure>{{2, 1000, {{Matcher::equal("x", "1")}}, {}}});
  auto hidden = set->pin(whole);
  CHECK(must(hidden->select({}, {}))->size() == 1);
  CHECK(must(hidden->label_values("x", {}, {})) == std::vector<std::string>{"2"});
  CHECK(must(hidden->label_values("__name__", {Matcher::equal("x", "1")}, {})).empty());
  hidden.reset();
  // Nothing left: nothing comes in its place.
  const auto all = std::make_shared<const Erasures>(std::vector<Erasure>{{3, 1000, {{}}, {}}});
  CHECK(must(set->pin(all)->label_names({}, {})).empty());
  CHECK(merge_all(*set, 1, all).sample_count == 0);
  CHECK(set->live().empty());
  set.reset();
  CHECK(must(PartitionSet::open({folder.path()}))->live().empty());
}

TEST_CASE("ranges of erasures are joined; a series is hidden when they cover all of it") {
  const TimeRanges joined = united({{5, 9}, {0, 4}, {20, 30}, {25, 26}});
  CHECK(joined == TimeRanges{{0, 9}, {20, 30}});
  CHECK(covers(joined, {2, 9}));
  CHECK_FALSE(covers(joined, {2, 20}));
  CHECK(united({{10, model::kMaxTimestamp}, {model::kMinTimestamp, 9}}) ==
        TimeRanges{{model::kMinTimestamp, model::kMaxTimestamp}});
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  must(seal_all(*set, partition_at(0, 0, 1), {series({{"__name__", "a"}}, 0, 10, {1, 2, 3})}));
  const auto two = std::make_shared<const Erasures>(std::vector<Erasure>{
      {1, 9, {{Matcher::equal("__name__", "a")}}, {0, 9}},
      {2, 9, {{Matcher::equal("__name__", "b")}, {Matcher::equal("__name__", "a")}}, {10, 20}}});
  CHECK(must(set->pin(two)->select({}, {}))->size() == 0);
}

TEST_CASE("merged partitions cover the log as their parts did") {
  StoreFixture fixture;
  fixture.options.partition_span = 60'000;
  fixture.reopen();
  const Labels a{{"__name__", "a"}};
  const Labels b{{"__name__", "b"}};
  const model::TimestampMs first = kNow / 240'000 * 240'000;
  fixture.clock.set_ms(first + 200'000);
  for (int i = 0; i < 4; ++i) {
    fixture.write(a, first + i * 60'000, i);
    if (i != 2) must(fixture.store().flush());
  }
  fixture.write(b, first + 1000, 7);
  const auto before = fixture.read();
  fixture.clock.set_ms(first + 400'000);
  must(fixture.store().merge());
  CHECK(fixture.read() == before);
  CHECK(fixture.store().head().samples() == 1);
  fixture.reopen();
  // Nothing that lies in the merged partition came back into the head.
  CHECK(fixture.store().head().samples() == 1);
  CHECK(fixture.read() == before);
}

TEST_CASE("the size limit drops the oldest partitions and nothing else") {
  StoreFixture fixture;
  fixture.options.partition_span = 60'000;
  fixture.reopen();
  const model::TimestampMs first = kNow / 60'000 * 60'000 - 600'000;
  for (int i = 0; i < 10; ++i) {
    WriteBatch batch;
    for (int k = 0; k < 100; ++k)
      batch.floats.push_back(fixture.row(Labels{{"__name__", "m"}, {"k", std::to_string(k)}},
                                         first + i * 60'000, i * 100 + k + 0.123456789));
    fixture.write(std::move(batch));
    must(fixture.store().flush());
  }
  const auto count = [&] { return must(fixture.store().select({}, {}))->size(); };
  const auto oldest = [&] { return fixture.store().extent().first; };
  CHECK(oldest() == first);
  fixture.options.retention_bytes = 1;  // as a typing error might have it: all partitions go
  SECTION("a limit that everything fits into") {
    fixture.options.retention_bytes = 1u << 30;
    fixture.reopen();
    must(fixture.store().merge());
    CHECK(oldest() == first);
    CHECK(count() == 100);
  }
  SECTION("a limit below everything") {
    fixture.reopen();
    must(fixture.store().merge());
    CHECK(count() == 0);
    fixture.reopen();
    CHECK(count() == 0);
    fixture.write(Labels{{"__name__", "new"}}, kNow, 1);
    CHECK(count() == 1);
  }
}
