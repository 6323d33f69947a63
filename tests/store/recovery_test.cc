#include <filesystem>
#include <map>
#include <random>

#include "tests/store/support/fault_file_system.h"
#include "tests/store/support/stores.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

const model::Labels kUp = {{"__name__", "up"}, {"cluster", "a"}};

model::Labels numbered(uint64_t n) {
  return {{"__name__", "m" + std::to_string(n % 3)}, {"n", std::to_string(n)}};
}

}  // namespace

TEST_CASE("random writes, flushes, restarts: the store equals a plain map of everything accepted") {
  const uint64_t seed = test_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  StoreFixture fixture;
  fixture.options.partition_span = 60'000;
  fixture.reopen();
  std::map<std::string, std::map<int64_t, double>> model_store;
  std::map<uint64_t, int64_t> newest;
  int64_t now = kNow;
  for (int step = 0; step < 250; ++step) {
    WriteBatch batch;
    std::vector<uint64_t> numbers;
    now += static_cast<int64_t>(random() % 20'000);
    fixture.clock.set_ms(now);
    for (uint64_t i = random() % 12; i > 0; --i) {
      const uint64_t n = random() % 40;
      const int64_t t = now - static_cast<int64_t>(random() % 30'000);
      batch.floats.push_back(fixture.row(numbered(n), t, static_cast<double>(random() % 50) / 4));
      numbers.push_back(n);
    }
    const auto rows = batch.floats;
    const WriteOutcome outcome = fixture.write(std::move(batch));
    uint32_t expected_rejections = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      auto& samples = model_store[numbered(numbers[i]).to_string()];
      const auto known = newest.find(numbers[i]);
      if (known == newest.end() || rows[i].t > known->second) {
        samples[rows[i].t] = rows[i].value;
        newest[numbers[i]] = rows[i].t;
      } else if (rows[i].t < known->second || samples[rows[i].t] != rows[i].value) {
        ++expected_rejections;
      }
    }
    CHECK(outcome.rejected_total() == expected_rejections);
    if (random() % 10 == 0) must(fixture.store().flush());
    if (random() % 25 == 0) fixture.reopen();
  }
  fixture.reopen();
  std::vector<std::string> expected;
  std::map<std::string, std::map<int64_t, double>> got;
  const auto selection = must(fixture.store().select({}, {}));
  model::SeriesSamples samples;
  for (size_t i = 0; i < selection->size(); ++i) {
    must(selection->read(i, {}, samples));
    auto& mine = got[selection->labels(i).to_string()];
    for (size_t s = 0; s < samples.values.size(); ++s)
      mine[samples.timestamps[s]] = samples.values[s];
    CHECK(mine.size() == samples.values.size());
  }
  std::erase_if(model_store, [](const auto& one) { return one.second.empty(); });
  CHECK(got == model_store);
}

TEST_CASE("a power cut takes only what was never acknowledged") {
  FaultFileSystem files;
  StoreFixture fixture(files);
  for (int i = 0; i < 50; ++i) fixture.write(kUp, kNow + i, i);
  const auto before = fixture.read();
  SECTION("at once") {}
  SECTION("after a flush") {
    must(fixture.store().flush());
    for (int i = 50; i < 60; ++i) fixture.write(kUp, kNow + i, i);
  }
  SECTION("after a failed write that was answered unavailable") {
    files.fail_syncs(2);
    WriteBatch batch;
    batch.floats = {fixture.row(kUp, kNow + 100, 1), fixture.row({{"__name__", "new"}}, kNow, 1)};
    const auto refused = fixture.store().append_and_wait(std::move(batch));
    REQUIRE(!refused);
    CHECK(refused.error().code() == ErrorCode::Unavailable);
    CHECK(fixture.read() == before);
    // The next batch works, and the series of the failed one gets its definition again.
    fixture.write({{"__name__", "new"}}, kNow + 1, 2);
    fixture.write(kUp, kNow + 101, 3);
  }
  const auto acknowledged = fixture.read();
  must(fixture.reopen_after([&] { files.crash(); }));
  CHECK(fixture.read() == acknowledged);
}

TEST_CASE("a full disk refuses writes, keeps answering reads, and goes on when there is space") {
  FaultFileSystem files;
  StoreFixture fixture(files);
  files.set_space((1u << 20) + 2000);  // one segment and a few records
  int written = 0;
  while (true) {
    WriteBatch batch;
    batch.floats = {fixture.row(kUp, kNow + written, written)};
    const auto outcome = fixture.store().append_and_wait(std::move(batch));
    if (!outcome) {
      CHECK(outcome.error().code() == ErrorCode::Unavailable);
      break;
    }
    ++written;
  }
  CHECK(written > 0);
  const auto before = fixture.read();
  files.set_space(UINT64_MAX);
  fixture.write({{"__name__", "z"}}, kNow, 1);
  must(fixture.reopen_after([&] { files.crash(); }));
  const auto after = fixture.read();
  REQUIRE(after.size() == 2);
  CHECK(after[0] == before[0]);
}

TEST_CASE("recovery decides an unlabelled pair as it was decided live") {
  StoreFixture fixture;
  const auto offer = [&](int64_t t) {
    fixture.clock.set_ms(kNow + t);
    WriteBatch batch;
    batch.replicas = ReplicaPolicy::UnlabelledPair;
    batch.floats = {fixture.row(kUp, kNow + t, static_cast<double>(t))};
    return fixture.write(std::move(batch));
  };
  for (int64_t scrape = 0; scrape < 10; ++scrape) {
    offer(scrape * 30'000);
    offer(scrape * 30'000 + 11'000);
  }
  const auto live = fixture.read();
  fixture.reopen();
  CHECK(fixture.read() == live);
  must(fixture.store().flush());
  fixture.reopen();  // from the checkpoint
  CHECK(fixture.read() == live);
  CHECK(offer(300'000).floats_written == 1);
  CHECK(offer(311'000).deduplicated == 1);
}

TEST_CASE("a slot that changed hands does not tear samples out of a replayed block") {
  StoreFixture fixture;
  const model::Labels gone = {{"__name__", "gone"}};
  const model::Labels next = {{"__name__", "next"}};
  fixture.write(gone, kNow, 1);
  fixture.clock.advance(std::chrono::hours(3));
  const int64_t later = 3 * 3600 * 1000;
  fixture.write(kUp, kNow + later, 1);
  must(fixture.store().flush());  // `gone` stands in the checkpoint, then it is swept
  fixture.write(kUp, kNow + later + 1, 2);
  fixture.write(next, kNow + later + 1, 1);  // takes the free slot
  const auto live = fixture.read();
  REQUIRE(live.size() == 3);
  fixture.reopen();
  CHECK(fixture.read() == live);
  must(fixture.store().flush());
  CHECK(fixture.read() == live);
  fixture.reopen();
  CHECK(fixture.read() == live);
}

TEST_CASE("watermarks of clusters survive, and the clusters are not taken for alive") {
  StoreFixture fixture;
  fixture.store().arrivals().note("gondor", kNow - 500);
  fixture.clock.advance(std::chrono::seconds(20));
  fixture.write(kUp, kNow, 1);
  fixture.reopen();
  const auto gondor = fixture.store().arrivals().find("gondor");
  REQUIRE(gondor);
  CHECK(gondor->watermark == kNow - 500);
  CHECK(gondor->last_arrival_ms == 0);
}

TEST_CASE("log damage is reported with what is lost, and nothing is changed") {
  FaultFileSystem files;
  StoreFixture fixture(files);
  for (int i = 0; i < 3; ++i) fixture.write(kUp, kNow + i, i);
  const std::string segment = fixture.options.path + "/log/0000000000000001.seg";
  const auto refused = fixture.reopen_after([&] { files.damage(segment, 64 + 30); });
  REQUIRE(!refused);
  CHECK(refused.error().code() == ErrorCode::Corruption);
  CHECK(refused.error().message().find("0000000000000001.seg") != std::string::npos);
  files.damage(segment, 64 + 30);  // the same byte again: healed
  must(fixture.try_open());
  CHECK(fixture.read() == std::vector<std::string>{R"(up{cluster="a"}: 0=0 1=1 2=2)"});
}

TEST_CASE("after a flush with nothing behind it the log gives its reserved space back") {
  StoreFixture fixture;
  const auto log_bytes = [&] {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(fixture.options.path + "/log"))
      bytes += entry.file_size();
    return bytes;
  };
  for (int i = 0; i < 100; ++i) fixture.write(kUp, kNow + i, i);
  CHECK(log_bytes() >= 1 << 20);
  must(fixture.store().flush());
  CHECK(log_bytes() < 100'000);
  // It still takes and keeps records, beyond the end of the shortened file too.
  for (int i = 100; i < 3000; ++i) fixture.write(kUp, kNow + i, i * 0.1);
  const auto before = fixture.read();
  fixture.reopen();
  CHECK(fixture.read() == before);
  must(fixture.store().flush());
  fixture.reopen();
  CHECK(fixture.read() == before);
}
