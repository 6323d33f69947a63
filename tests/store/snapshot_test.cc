#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include "tests/store/support/stores.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using Scope = Store::SnapshotScope;

namespace {

const model::Labels kUp = {{"__name__", "up"}, {"cluster", "a"}};

model::Labels of_thread(int thread) {
  return {{"__name__", "steps"}, {"thread", std::to_string(thread)}};
}

/// A second store, started on a snapshot of the first.
struct Restored {
  Restored(const StoreFixture& from, const std::string& name) {
    StoreOptions options = from.options;
    options.path = from.options.path + "/snapshots/" + name;
    store = must(LocalStore::open(options, clock, files, metrics, PartitionSet::open));
  }
  std::vector<std::string> read() {
    return StoreFixture::read_selection(*must(store->select({}, {})));
  }
  ManualClock clock{kNow};
  PosixFileSystem files;
  MetricRegistry metrics;
  std::unique_ptr<LocalStore> store;
};

}  // namespace

TEST_CASE("a snapshot restores what was there, and both stores go on by themselves") {
  StoreFixture fixture;
  fixture.write(kUp, kNow, 1);
  must(fixture.store().flush());
  fixture.write(kUp, kNow + 1, 2);
  const auto taken = must(fixture.store().snapshot(Scope::Everything));
  const auto before = fixture.read();
  // The original trims and recycles its log; the snapshot must not notice.
  for (int i = 2; i < 300; ++i) fixture.write(kUp, kNow + i, i);
  must(fixture.store().flush());
  {
    Restored restored(fixture, taken.name);
    CHECK(restored.read() == before);
    must(restored.store->append_and_wait(
        {.floats = {{restored.store->resolve(kUp), kNow + 1000, 7}}}));
    must(restored.store->flush());
    CHECK(restored.read() == std::vector<std::string>{R"(up{cluster="a"}: 0=1 1=2 1000=7)"});
  }
  CHECK(fixture.read().front().find("1000=7") == std::string::npos);
  fixture.reopen();
  CHECK(fixture.read().front().find("299=299") != std::string::npos);
  CHECK(must(check_store(fixture.options.path + "/snapshots/" + taken.name,
                         *std::make_unique<PosixFileSystem>()))
            .sound());
}

TEST_CASE("without the head only what is sealed is in it") {
  StoreFixture fixture;
  fixture.write(kUp, kNow, 1);
  must(fixture.store().flush());
  fixture.write(kUp, kNow + 1, 2);
  const auto taken = must(fixture.store().snapshot(Scope::WithoutHead));
  Restored restored(fixture, taken.name);
  CHECK(restored.read() == std::vector<std::string>{R"(up{cluster="a"}: 0=1)"});
  must(restored.store->append_and_wait({.floats = {{restored.store->resolve(kUp), kNow + 5, 3}}}));
}

TEST_CASE("an unfinished snapshot is removed by the next, and is nobody's store") {
  StoreFixture fixture;
  fixture.write(kUp, kNow, 1);
  const std::string leftover = fixture.options.path + "/snapshots/20200101T000000Z-1.tmp";
  std::filesystem::create_directories(leftover + "/log");
  PosixFileSystem files;
  CHECK(check_store(leftover, files).error().code() == ErrorCode::NotFound);
  const auto taken = must(fixture.store().snapshot(Scope::Everything));
  CHECK_FALSE(std::filesystem::exists(leftover));
  CHECK(std::filesystem::exists(fixture.options.path + "/snapshots/" + taken.name));
}

TEST_CASE("under load a snapshot holds exactly what was acknowledged up to its position") {
  StoreFixture fixture;
  fixture.options.partition_span = 60'000;
  fixture.options.future_limit = 0;
  fixture.reopen();
  constexpr int kThreads = 3;
  std::array<std::atomic<int>, kThreads> sent{};
  std::array<std::atomic<int>, kThreads> acknowledged{};
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int thread = 0; thread < kThreads; ++thread) {
    writers.emplace_back([&, thread] {
      const auto mine = static_cast<size_t>(thread);
      for (int step = 1; !stop; ++step) {
        sent[mine] = step;
        WriteBatch batch;
        batch.floats.push_back(
            {fixture.store().resolve(of_thread(thread)), kNow + step * 500, double(step)});
        must(fixture.store().append_and_wait(std::move(batch)));
        acknowledged[mine] = step;
      }
    });
  }
  struct Taken {
    std::string name;
    std::array<int, kThreads> least;
    std::array<int, kThreads> most;
  };
  std::vector<Taken> all;
  for (int round = 0; round < 4; ++round) {
    const int reached = acknowledged[0] + 50;
    while (acknowledged[0] < reached) std::this_thread::yield();
    if (round % 2 == 1) must(fixture.store().flush());
    Taken taken;
    for (size_t i = 0; i < kThreads; ++i) taken.least[i] = acknowledged[i];
    taken.name = must(fixture.store().snapshot(Scope::Everything)).name;
    for (size_t i = 0; i < kThreads; ++i) taken.most[i] = sent[i];
    all.push_back(taken);
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  for (const Taken& taken : all) {
    Restored restored(fixture, taken.name);
    for (int thread = 0; thread < kThreads; ++thread) {
      const auto selection = must(
          restored.store->select({model::Matcher::equal("thread", std::to_string(thread))}, {}));
      REQUIRE(selection->size() == 1);
      model::SeriesSamples samples;
      must(selection->read(0, {}, samples));
      const auto count = static_cast<int>(samples.values.size());
      CHECK(count >= taken.least[static_cast<size_t>(thread)]);
      CHECK(count <= taken.most[static_cast<size_t>(thread)]);
      for (int i = 0; i < count; ++i) {  // a beginning without holes
        REQUIRE(samples.values[static_cast<size_t>(i)] == i + 1);
        REQUIRE(samples.timestamps[static_cast<size_t>(i)] == kNow + (i + 1) * 500);
      }
    }
  }
}
