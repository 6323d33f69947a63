#include <bit>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "tests/store/support/stores.h"

#include <catch2/catch.hpp>

// Every kind of file of a store is damaged in every way: that is noticed or does no harm, and no
// wrong value is ever shown.

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
namespace fs = std::filesystem;

namespace {

/// Rounds for each kind of file: AERIE_DAMAGE_ROUNDS, else what `make test` has time for.
int rounds() {
  const char* text = std::getenv("AERIE_DAMAGE_ROUNDS");
  return text != nullptr ? std::atoi(text) : 12;
}

using Truth = std::map<std::string, std::map<model::TimestampMs, uint64_t>>;

/// A small store with partitions, log and tables, closed.
struct Original {
  TempFolder folder;
  Truth truth;
  StoreOptions options;
  Original() {
    options.path = folder.path();
    options.background_seal = false;
    options.partition_span = 60'000;
    ManualClock clock{kNow};
    PosixFileSystem files;
    MetricRegistry metrics;
    auto store = must(LocalStore::open(options, clock, files, metrics, PartitionSet::open));
    const auto table = must(store->table("alerts"));
    for (int step = 0; step < 24; ++step) {
      const model::TimestampMs t = kNow + step * 15'000;
      clock.set_ms(t);
      WriteBatch batch;
      for (int i = 0; i < 40; ++i) {
        const model::Labels labels = {{"__name__", i % 2 == 0 ? "even" : "odd"},
                                      {"n", std::to_string(i)}};
        const double value = static_cast<double>((step * 7919 + i * 104729) % 10007) / 3;
        batch.floats.push_back({store->resolve(labels), t, value});
        truth[labels.to_string()][t] = std::bit_cast<uint64_t>(value);
      }
      must(store->append_and_wait(std::move(batch)));
      must(table->apply({{"key" + std::to_string(step), "value"}}, {}));
      if (step % 8 == 7 && step < 20) must(store->flush());
    }
    must(store->close());
  }
};

enum class Harm { Flip, Cut, Zero, Remove };

void damage(const fs::path& file, Harm harm, std::mt19937_64& random) {
  if (harm == Harm::Remove) {
    fs::remove(file);
    return;
  }
  const uint64_t size = fs::file_size(file);
  // Log files are mostly empty room: where something stands is what matters.
  const uint64_t used = file.extension() == ".seg" ? std::min<uint64_t>(size, 24'000) : size;
  if (used == 0) return;
  if (harm == Harm::Cut) {
    fs::resize_file(file, random() % used);
    return;
  }
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  const uint64_t at = random() % used;
  if (harm == Harm::Flip) {
    stream.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(stream.get());
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(byte ^ (1 << random() % 8)));
    return;
  }
  const uint64_t length = 1 + random() % std::min<uint64_t>(used - at, 4096);
  stream.seekp(static_cast<std::streamoff>(at));
  const std::string zeros(length, '\0');
  stream.write(zeros.data(), static_cast<std::streamsize>(zeros.size()));
}

/// log, sst, MANIFEST, …: what a name is one of.
std::string kind_of(const fs::path& file, const fs::path& root) {
  const std::string name = file.filename();
  if (file.extension() == ".seg") return "log segment";
  if (file.extension() == ".sst") return "sst";
  if (file.extension() == ".log") return "table log";
  if (name.starts_with("MANIFEST")) return "MANIFEST";
  if (name.starts_with("OPTIONS")) return "OPTIONS";
  if (name.starts_with("LOG")) return "";  // RocksDB's diary
  return fs::relative(file, root).string();
}

/// What a damaged store did.
struct Outcome {
  bool refused = false;
  bool warned = false;
  bool missing = false;
};

/// Opens it twice and reads everything twice: the first reading of a run may meet the damage, the
/// second serves the rest.
Outcome live_with(const StoreOptions& options, const Truth& truth) {
  Outcome outcome;
  for (int start = 0; start < 2; ++start) {
    ManualClock clock{kNow + 1'000'000};
    PosixFileSystem files;
    MetricRegistry metrics;
    auto store = LocalStore::open(options, clock, files, metrics, PartitionSet::open);
    if (!store) {
      outcome.refused = true;
      CHECK(store.error().message().size() > 20);  // says something
      return outcome;
    }
    for (int pass = 0; pass < 2; ++pass) {
      size_t samples_found = 0;
      auto selection = (*store)->select({}, {});
      REQUIRE(selection.ok());
      outcome.warned = outcome.warned || !(*selection)->warnings().empty();
      model::SeriesSamples samples;
      for (size_t i = 0; i < (*selection)->size(); ++i) {
        if ((*selection)->labels(i).metric_name() == "alive") continue;
        const auto known = truth.find((*selection)->labels(i).to_string());
        REQUIRE(known != truth.end());
        if (!(*selection)->read(i, {}, samples)) {
          CHECK(pass == 0);  // later answers leave it out
          outcome.warned = true;
          continue;
        }
        for (size_t s = 0; s < samples.values.size(); ++s) {
          const auto at = known->second.find(samples.timestamps[s]);
          REQUIRE(at != known->second.end());
          REQUIRE(at->second == std::bit_cast<uint64_t>(samples.values[s]));
          ++samples_found;
        }
      }
      size_t all = 0;
      for (const auto& [labels, mine] : truth) all += mine.size();
      outcome.missing = samples_found < all;
    }
    // And it still takes samples.
    WriteBatch batch;
    batch.floats.push_back(
        {(*store)->resolve({{"__name__", "alive"}}), kNow + 1'000'000 + start, 1});
    CHECK((*store)->append_and_wait(std::move(batch)).ok());
  }
  return outcome;
}

}  // namespace

TEST_CASE("damage to any file is noticed or does no harm") {
  const uint64_t seed = test_seed();
  std::printf("damage: AERIE_SEED=%llu, %d rounds a kind of file\n",
              static_cast<unsigned long long>(seed), rounds());
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const Original original;
  std::map<std::string, std::vector<fs::path>> kinds;
  for (const auto& entry : fs::recursive_directory_iterator(original.folder.path())) {
    if (!entry.is_regular_file()) continue;
    const std::string kind = kind_of(entry.path(), original.folder.path());
    if (!kind.empty()) kinds[kind].push_back(fs::relative(entry.path(), original.folder.path()));
  }
  for (const char* wanted : {"log segment", "sst", "table log", "MANIFEST", "db/CURRENT", "lock",
                             "aerie-store", "db/AERIE_PARTITIONS"})
    REQUIRE(kinds.count(wanted) == 1);
  for (const auto& [kind, files] : kinds) {
    std::map<std::string, int> seen;
    for (int round = 0; round < rounds(); ++round) {
      TempFolder copy;
      StoreOptions options = original.options;
      options.path = copy.path();
      fs::copy(original.folder.path(), copy.path(), fs::copy_options::recursive);
      const fs::path& file = files[random() % files.size()];
      const auto harm = static_cast<Harm>(round % 4);
      INFO("AERIE_SEED=" << seed << " " << file << " round " << round);
      damage(fs::path(copy.path()) / file, harm, random);
      const Outcome outcome = live_with(options, original.truth);
      ++seen[outcome.refused ? "refused" : outcome.warned ? "left out" : "no harm"];
      // Nothing vanishes in silence.
      if (outcome.missing) CHECK((outcome.refused || outcome.warned));
    }
    std::string text;
    for (const auto& [what, count] : seen) text += " " + what + "=" + std::to_string(count);
    std::printf("%-20s%s\n", kind.c_str(), text.c_str());
  }
}

TEST_CASE("a damaged partition is left out with a warning, the rest is served") {
  const Original original;
  StoreOptions options = original.options;
  std::vector<fs::path> tables;
  for (const auto& entry : fs::directory_iterator(original.folder.path() + "/db"))
    if (entry.path().extension() == ".sst") tables.push_back(entry.path());
  std::sort(tables.begin(), tables.end());
  ManualClock clock{kNow};
  PosixFileSystem files;
  MetricRegistry metrics;
  SECTION("its file was cut: known when the store opens") {
    fs::resize_file(tables[0], fs::file_size(tables[0]) / 2);
  }
  SECTION("its file is missing") { fs::remove(tables[0]); }
  auto store = must(LocalStore::open(options, clock, files, metrics, PartitionSet::open));
  const auto selection = must(store->select({}, {}));
  CHECK(selection->size() == 40);
  REQUIRE(selection->warnings().size() == 1);
  CHECK(selection->warnings()[0].find("is damaged") != std::string::npos);
  CHECK(selection->warnings()[0].find("partition shard=0 tier=0") != std::string::npos);
  // A question about other times has nothing to warn of.
  const model::TimestampMs last = original.truth.begin()->second.rbegin()->first;
  CHECK(must(store->select({}, {last, last}))->warnings().empty());
  const auto report = must(store->check({}));
  CHECK_FALSE(report.sound());
  CHECK(report.text().find("PROBLEM: partition shard=0") != std::string::npos);
}

TEST_CASE("a check of an undamaged store finds nothing and counts everything") {
  const Original original;
  PosixFileSystem files;
  const CheckReport report = must(check_store(original.folder.path(), files));
  INFO(report.text());
  CHECK(report.sound());
  CHECK(report.samples + 40 * 8 == 40 * 24);  // the rest is in the log
  CHECK(report.partitions >= 4);
  CHECK(report.records > 8);
  CHECK(report.rows > 24);
  CHECK(check_store(original.folder.path() + "/log", files).error().code() == ErrorCode::NotFound);
  // Nothing was changed by looking: not even what an interrupted run would leave.
  CHECK(must(check_store(original.folder.path(), files)).text() == report.text());
}
