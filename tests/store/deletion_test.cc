#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

#include "store/deletions.h"
#include "tests/store/support/columns.h"
#include "tests/store/support/stores.h"

/// A deleted sample is seen nowhere any more: not in the head, not in partitions, not after a seal,
/// a merge, a restart or a replay. What is written afterwards stays.

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using model::Labels;
using model::Matcher;

namespace {

const Labels kA{{"__name__", "m"}, {"i", "a"}};
const Labels kB{{"__name__", "m"}, {"i", "b"}};
const model::Matchers kOnlyA = {Matcher::equal("i", "a")};

using Lines = std::vector<std::string>;

Lines values(StoreFixture& fixture) { return must(fixture.store().label_values("i", {}, {})); }

/// In turn: as it is, sealed, replayed, carried out, opened again.
void check_in_all_states(StoreFixture& fixture, const Lines& samples, const Lines& names) {
  const auto check = [&](const char* when) {
    INFO(when);
    CHECK(fixture.read() == samples);
    CHECK(values(fixture) == names);
  };
  check("at once");
  fixture.reopen();
  check("after a replay");
  must(fixture.store().flush());
  check("after a seal");
  fixture.reopen();
  check("after opening again");
  must(fixture.store().clean_tombstones());
  check("after everything was written anew");
  fixture.reopen();
  check("at the end");
}

}  // namespace

TEST_CASE("a deleted series is gone from head and partitions") {
  StoreFixture fixture;
  fixture.write(kA, kNow, 1);
  fixture.write(kB, kNow, 2);
  SECTION("in the head") {}
  SECTION("in a partition") { must(fixture.store().flush()); }
  SECTION("in both") {
    must(fixture.store().flush());
    fixture.write(kA, kNow + 1, 3);
  }
  SECTION("in a partition whose records are still in the log") {
    fixture.write(kA, kNow - 30 * 60'000, 3);  // refused: too old for its series
    fixture.write(Labels{{"__name__", "other"}, {"i", "b"}}, kNow - 40 * 60'000, 3);
    must(fixture.store().flush());
    must(fixture.store().delete_series({{Matcher::equal("__name__", "other")}}, {}));
  }
  must(fixture.store().delete_series({kOnlyA}, {}));
  check_in_all_states(fixture, {"m{i=\"b\"}: 0=2"}, {"b"});
}

TEST_CASE("only the range is deleted, and what comes later is kept, even inside the range") {
  StoreFixture fixture;
  for (int i = 0; i < 5; ++i) fixture.write(kA, kNow + i, i);
  SECTION("in the head") {}
  SECTION("in a partition") { must(fixture.store().flush()); }
  must(fixture.store().delete_series({kOnlyA}, {kNow + 2, kNow + 10}));
  CHECK(fixture.read() == Lines{"m{i=\"a\"}: 0=0 1=1"});
  CHECK(fixture.write(kA, kNow + 3, 30).floats_written == 1);
  CHECK(fixture.write(kA, kNow + 1, 5).floats_written == 0);
  check_in_all_states(fixture, {"m{i=\"a\"}: 0=0 1=1 3=30"}, {"a"});
}

TEST_CASE("a series begins anew after it was deleted") {
  StoreFixture fixture;
  fixture.write(kA, kNow, 1);
  must(fixture.store().delete_series({kOnlyA}, {}));
  CHECK(fixture.store().active_series() == 0);
  CHECK(fixture.write(kA, kNow, 1).floats_written == 1);
  CHECK(fixture.write(kA, kNow + 5, 2).floats_written == 1);
  must(fixture.store().delete_series({kOnlyA}, {kNow + 5, kNow + 5}));
  check_in_all_states(fixture, {"m{i=\"a\"}: 0=1"}, {"a"});
}

TEST_CASE("a range that holds all of a series forgets it, one that does not leaves its order") {
  StoreFixture fixture;
  fixture.write(kB, kNow - 10, 1);
  fixture.write(kA, kNow, 1);
  must(fixture.store().flush());
  must(fixture.store().delete_series({{}}, {kNow - 1, kNow + 1}));
  CHECK(fixture.read() == Lines{"m{i=\"b\"}: -10=1"});
  CHECK(values(fixture) == Lines{"b"});
  CHECK(fixture.write(kB, kNow - 20, 2).rejected_total() == 1);
  CHECK(fixture.write(kA, kNow - 20, 2).floats_written == 1);
  check_in_all_states(fixture, {"m{i=\"a\"}: -20=2", "m{i=\"b\"}: -10=1"}, {"a", "b"});
}

TEST_CASE("selections taken before a deletion stay readable") {
  StoreFixture fixture;
  fixture.write(kA, kNow, 1);
  const auto before = must(fixture.store().select({}, {}));
  must(fixture.store().delete_series({kOnlyA}, {}));
  must(fixture.store().flush());
  CHECK(StoreFixture::read_selection(*before).size() == 1);
  CHECK(fixture.read().empty());
}

TEST_CASE("deletions are forgotten when nothing needs them, their numbers are not used again") {
  StoreFixture fixture;
  fixture.write(kA, kNow, 1);
  fixture.write(kB, kNow, 1);
  must(fixture.store().flush());
  must(fixture.store().delete_series({kOnlyA}, {}));
  const auto rows = [&] {
    return must(must(fixture.store().table("deletions"))->scan("d")).size();
  };
  CHECK(rows() == 1);
  must(fixture.store().merge());
  CHECK(rows() == 1);
  must(fixture.store().clean_tombstones());
  CHECK(rows() == 0);
  fixture.reopen();
  must(fixture.store().delete_series({{Matcher::equal("i", "b")}}, {}));
  const auto again = must(must(fixture.store().table("deletions"))->scan("d"));
  REQUIRE(again.size() == 1);
  CHECK(must(decode_deletion(again[0].second)).number == 2);
  CHECK(fixture.read().empty());
}

TEST_CASE("a row of deletions has its documented bytes; damaged ones are refused") {
  Erasure deletion{3, 200, {{Matcher::equal("a", "b")}}, {-1, 5}};
  const std::string bytes = encode_deletion(deletion);
  CHECK(hex(deletion_key(3)) == "64 00 00 00 00 00 00 00 03");
  CHECK(hex(bytes.substr(0, bytes.size() - 8)) == "00 03 c8 01 01 0a 01 01 00 01 61 01 62");
  CHECK(must(decode_deletion(bytes)) == deletion);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 4);
    CHECK_FALSE(decode_deletion(flipped).ok());
    CHECK_FALSE(decode_deletion(bytes.substr(0, i)).ok());
  }
}

TEST_CASE("positions that a power cut took back are not deleted when they are used again") {
  TempFolder folder;
  auto set = must(PartitionSet::open({folder.path()}));
  auto deletions = must(Deletions::open(must(set->table("d")), 7));
  CHECK(deletions->take_number() == 8);
  must(deletions->add({8, 200, {kOnlyA}, {}}));
  must(deletions->limit_positions(150));
  CHECK(deletions->current()->all()[0].log_end == 150);
  deletions = must(Deletions::open(must(set->table("d")), 0));
  CHECK(deletions->current()->all()[0].log_end == 150);
  must(deletions->forget(8));
  deletions = must(Deletions::open(must(set->table("d")), 0));
  CHECK(deletions->current()->all().empty());
  CHECK(deletions->last_number() == 8);
}

TEST_CASE("killed at any step of a deletion, the series is gone from the moment it is durable") {
  for (const char* step :
       {"erase-durable", "erase-carried-out", "erase-forgotten", "merge.files_built",
        "merge.committed", "merge.parts_removed", "seal-committed"}) {
    INFO(step);
    TempFolder folder;
    std::filesystem::create_directories(folder.path());
    StoreOptions options;
    options.path = folder.path();
    options.background_seal = false;
    const pid_t child = ::fork();
    if (child == 0) {
      const ManualClock clock(kNow);
      PosixFileSystem files;
      MetricRegistry metrics;
      bool deleting = false;
      options.on_step = [&](std::string_view reached) {
        if (deleting && reached == step) ::kill(::getpid(), SIGKILL);
      };
      auto store = must(Store::open(options, clock, files, metrics));
      const auto write = [&](const Labels& labels, model::TimestampMs t) {
        WriteBatch batch;
        batch.floats.push_back({store->resolve(labels), t, 1});
        must(store->append_and_wait(std::move(batch)));
      };
      write(kA, kNow);
      write(kB, kNow);
      must(store->flush());
      write(kA, kNow + 1);
      deleting = true;
      must(store->delete_series({kOnlyA}, {}));
      must(store->clean_tombstones());
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    const ManualClock clock(kNow);
    PosixFileSystem files;
    for (int again = 0; again < 2; ++again) {
      MetricRegistry metrics;
      const auto store = must(Store::open(options, clock, files, metrics));
      CHECK(StoreFixture::read_selection(*must(store->select({}, {}))) == Lines{"m{i=\"b\"}: 0=1"});
      CHECK(must(store->label_values("i", {}, {})) == Lines{"b"});
      must(store->clean_tombstones());
    }
  }
}

TEST_CASE("samples of a cluster expire after its own retention, from reads and from the disk") {
  StoreFixture fixture;
  fixture.options.partition_span = 60'000;
  fixture.reopen();
  const auto labels = [](const char* cluster) {
    return Labels{{"__name__", "m"}, {"cluster", cluster}};
  };
  for (const char* cluster : {"dev-1", "dev-2", "prod"}) {
    fixture.write(labels(cluster), kNow - 1'800'000, 1);
    fixture.write(labels(cluster), kNow, 2);
  }
  must(fixture.store().flush());
  const auto rule = [&](const char* pattern, model::DurationMs retention) {
    fixture.store().set_cluster_retention(
        {{must(Matcher::make(model::MatchType::Regex, "cluster", pattern)), retention}});
  };
  rule("dev-.*", 600'000);
  const Lines expected = {"m{cluster=\"dev-1\"}: 0=2", "m{cluster=\"dev-2\"}: 0=2",
                          "m{cluster=\"prod\"}: -1800000=1 0=2"};
  CHECK(fixture.read() == expected);
  CHECK(must(fixture.store().label_values("cluster", {}, {0, kNow - 1'500'000})) == Lines{"prod"});
  rule("dev-.*", 2'400'000);
  CHECK(fixture.read().size() == 3);
  CHECK(must(fixture.store().label_values("cluster", {}, {0, kNow - 1'500'000})).size() == 3);
  rule("dev-.*", 600'000);
  must(fixture.store().merge());
  fixture.store().set_cluster_retention({});
  CHECK(fixture.read() == expected);  // no longer on the disk
  rule("dev-1", 600'000);
  fixture.clock.set_ms(kNow + 1'000'000);
  CHECK(fixture.read() == Lines{"m{cluster=\"dev-2\"}: 0=2", "m{cluster=\"prod\"}: -1800000=1 0=2"});
  fixture.clock.set_ms(kNow);
  CHECK(fixture.read() == expected);
}
