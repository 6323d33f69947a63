#include <bit>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "tests/store/support/power_cut.h"
#include "tests/store/support/stores.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

/// How many stores: AERIE_POWER_CUTS, else what `make test` has time for.
uint64_t rounds() {
  const char* text = std::getenv("AERIE_POWER_CUTS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 50;
}

/// What may be in the store: every sample by series and time, and whether it must be there.
struct Truth {
  struct One {
    uint64_t bits = 0;
    bool acknowledged = false;
  };
  std::map<std::string, std::map<model::TimestampMs, One>> samples;

  /// Compares; what was in doubt is settled by what is found.
  void check(const model::SampleSource& source) {
    const auto selection = must(source.select({}, {}));
    std::map<std::string, std::map<model::TimestampMs, One>> found;
    model::SeriesSamples read;
    for (size_t i = 0; i < selection->size(); ++i) {
      must(selection->read(i, {}, read));
      auto& mine = found[selection->labels(i).to_string()];
      for (size_t s = 0; s < read.values.size(); ++s) {
        const auto [at, fresh] =
            mine.emplace(read.timestamps[s], One{std::bit_cast<uint64_t>(read.values[s]), true});
        REQUIRE(fresh);
      }
    }
    for (const auto& [labels, mine] : found)
      for (const auto& [t, one] : mine) {
        const auto known = samples[labels].find(t);
        REQUIRE(known != samples[labels].end());  // invented
        REQUIRE(known->second.bits == one.bits);  // wrong
      }
    for (const auto& [labels, mine] : samples)
      for (const auto& [t, one] : mine)
        if (one.acknowledged) REQUIRE(found[labels].count(t) == 1);  // lost
    samples = std::move(found);
  }
};

class Life {
 public:
  Life(const std::string& path, PowerCutDisk& disk, uint64_t seed)
      : path_(path), disk_(disk), random_(seed) {}

  /// Writes, flushes and reopens until the power goes.
  void run_until_cut(Truth& truth) {
    while (!disk_.is_cut()) {
      MetricRegistry metrics;
      auto store = open(metrics, true);
      if (!store) {
        REQUIRE(disk_.is_cut());
        return;
      }
      for (uint64_t steps = 5 + random_() % 60; steps > 0 && !disk_.is_cut(); --steps) {
        write(**store, truth);
        if (random_() % 12 == 0)
          (*store)->flush().ignore("the power may be gone; what was acknowledged is checked later");
      }
    }
  }

  void check(Truth& truth) {
    MetricRegistry metrics;
    auto store = open(metrics, false);
    if (!store) FAIL(store.error().message());
    truth.check(**store);
  }

 private:
  Result<std::unique_ptr<LocalStore>> open(MetricRegistry& metrics, bool faulty) {
    StoreOptions options;
    options.path = path_;
    options.retention = 0;
    options.partition_span = 60'000;
    options.background_seal = false;
    const auto partitions = [&](PartitionSet::Options partition_options) {
      if (faulty) partition_options.env = disk_.env();
      return PartitionSet::open(partition_options);
    };
    FileSystem& files = faulty ? disk_.files() : static_cast<FileSystem&>(posix_);
    return LocalStore::open(options, clock_, files, metrics, partitions);
  }

  void write(LocalStore& store, Truth& truth) {
    clock_.advance(std::chrono::milliseconds(random_() % 8000));
    const model::TimestampMs t = clock_.now_ms();
    if (t == last_) return;
    last_ = t;
    WriteBatch batch;
    std::vector<Truth::One*> mine;
    const auto add = [&](const model::Labels& labels, double value) {
      batch.floats.push_back({store.resolve(labels), t, value});
      Truth::One& one = truth.samples[labels.to_string()][t];
      one.bits = std::bit_cast<uint64_t>(value);
      mine.push_back(&one);
    };
    for (int i = 0; i < 4; ++i)
      add({{"__name__", "m"}, {"n", std::to_string(i)}}, static_cast<double>(random_() % 1000));
    add({{"__name__", "pod"}, {"uid", std::to_string(t / 100'000)}},
        std::bit_cast<double>(random_()));
    for (uint64_t more = random_() % 30; more > 0; --more)  // so that writes span sectors
      add({{"__name__", "many"}, {"n", std::to_string(more)}}, std::bit_cast<double>(random_()));
    const auto outcome = store.append_and_wait(std::move(batch));
    if (!outcome) return;
    REQUIRE(outcome->floats_written == mine.size());
    for (Truth::One* one : mine) one->acknowledged = true;
  }

  const std::string path_;
  PowerCutDisk& disk_;
  PosixFileSystem posix_;
  ManualClock clock_{kNow};
  std::mt19937_64 random_;
  model::TimestampMs last_ = 0;
};

}  // namespace

TEST_CASE("power cuts that drop and tear what was not synced, in log and database") {
  const uint64_t first = test_seed();
  std::printf("power cuts: AERIE_SEED=%llu, %llu stores\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(rounds()));
  for (uint64_t round = 0; round < rounds(); ++round) {
    const uint64_t seed = first + round;
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    TempFolder folder;
    PowerCutDisk disk(folder.root(), seed);
    Truth truth;
    Life life(folder.path(), disk, seed);
    for (int cut = 0; cut < 3; ++cut) {
      disk.cut_after(random() % (cut == 0 ? 600 : 300));
      life.run_until_cut(truth);
      disk.come_back();
      life.check(truth);
    }
  }
}
