#include <algorithm>
#include <cstdlib>
#include <random>

#include "tests/store/support/fault_file_system.h"
#include "tests/store/support/stores.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

const model::Labels kUp = {{"__name__", "up"}, {"cluster", "a"}};
const model::Labels kLoad = {{"__name__", "load"}, {"cluster", "a"}};

std::string segment(const StoreFixture& fixture, int number) {
  return fixture.options.path + "/log/000000000000000" + std::to_string(number) + ".seg";
}

/// Offsets of the records in the first segment, by walking over it.
std::vector<size_t> record_offsets(const std::string& content) {
  std::vector<size_t> offsets;
  size_t at = kSegmentHeaderBytes;
  while (const auto frame =
             read_frame(std::string_view(content).substr(at), at - kSegmentHeaderBytes)) {
    offsets.push_back(at);
    at += frame->bytes();
  }
  return offsets;
}

}  // namespace

TEST_CASE("a damaged record in the middle: refused with what is lost, passed over on request") {
  FaultFileSystem files;
  StoreFixture fixture(files);
  for (int i = 0; i < 5; ++i) fixture.write(kUp, kNow + i, i);
  const auto records = record_offsets(files.content(segment(fixture, 1)));
  REQUIRE(records.size() == 5);
  const auto refused =
      fixture.reopen_after([&] { files.damage(segment(fixture, 1), records[2] + 30); });
  REQUIRE(!refused);
  CHECK(refused.error().code() == ErrorCode::Corruption);
  for (const char* part : {"0000000000000001.seg: records from position ", " bytes, 1 record lost",
                           "--storage.skip-corrupt-log"})
    CHECK(refused.error().message().find(part) != std::string::npos);

  fixture.options.skip_corrupt_log = true;
  must(fixture.try_open());
  const std::vector<std::string> rest = {R"(up{cluster="a"}: 0=0 1=1 3=3 4=4)"};
  CHECK(fixture.read() == rest);
  // The damaged file is gone: the next start needs no permission, and writing goes on.
  fixture.options.skip_corrupt_log = false;
  fixture.reopen();
  CHECK(fixture.read() == rest);
  fixture.write(kUp, kNow + 9, 9);
  fixture.reopen();
  CHECK(fixture.read() == std::vector<std::string>{R"(up{cluster="a"}: 0=0 1=1 3=3 4=4 9=9)"});
}

TEST_CASE("samples of a series whose definition was lost are dropped, not given to another") {
  FaultFileSystem files;
  StoreFixture fixture(files);
  fixture.write(kUp, kNow, 1);
  fixture.write(kLoad, kNow, 10);
  fixture.write(kLoad, kNow + 1, 11);
  fixture.write(kUp, kNow + 1, 2);
  const auto records = record_offsets(files.content(segment(fixture, 1)));
  REQUIRE(records.size() == 4);
  fixture.options.skip_corrupt_log = true;
  must(fixture.reopen_after([&] { files.damage(segment(fixture, 1), records[1] + 30); }));
  CHECK(fixture.read() == std::vector<std::string>{R"(up{cluster="a"}: 0=1 1=2)"});
}

TEST_CASE("a lost file: refused; on request the rest up to the next checkpoint is not believed") {
  FaultFileSystem files;
  StoreFixture fixture(files);
  fixture.write(kUp, kNow, 1);
  fixture.reopen();  // the log goes on in another file at the first write
  fixture.write(kUp, kNow + 1, 2);
  fixture.reopen();
  fixture.write(kUp, kNow + 2, 3);
  const auto refused = fixture.reopen_after([&] { must(files.remove(segment(fixture, 2))); });
  REQUIRE(!refused);
  CHECK(refused.error().code() == ErrorCode::Corruption);
  fixture.options.skip_corrupt_log = true;
  must(fixture.try_open());
  // Nobody can know what the lost file made of the series' number.
  CHECK(fixture.read() == std::vector<std::string>{R"(up{cluster="a"}: 0=1)"});
  fixture.write(kUp, kNow + 5, 6);
  fixture.options.skip_corrupt_log = false;
  fixture.reopen();
  CHECK(fixture.read() == std::vector<std::string>{R"(up{cluster="a"}: 0=1 5=6)"});
}

TEST_CASE("after an orderly stop a lost, emptied or cut last file is not taken for a torn tail") {
  FaultFileSystem files;
  StoreFixture fixture(files);
  for (int i = 0; i < 5; ++i) fixture.write(kUp, kNow + i, i);
  const std::string file = segment(fixture, 1);
  const auto refused = fixture.reopen_after([&] {
    SECTION("removed") { must(files.remove(file)); }
    SECTION("emptied") { must(must(files.open(file, false))->truncate(0)); }
    SECTION("zeroed") {
      auto all = must(files.open(file, false));
      must(all->write_at(0, std::string(must(all->size()), '\0')));
    }
    SECTION("cut in the last record") {
      const auto records = record_offsets(files.content(file));
      must(must(files.open(file, false))->truncate(records.back() + 10));
    }
  });
  REQUIRE(!refused);
  CHECK(refused.error().code() == ErrorCode::Corruption);
  fixture.options.skip_corrupt_log = true;
  must(fixture.try_open());
  fixture.write(kLoad, kNow, 1);
  fixture.options.skip_corrupt_log = false;
  fixture.reopen();
  CHECK(fixture.read().front() == R"(load{cluster="a"}: 0=1)");
}

TEST_CASE("a damaged segment header is rebuilt from the first record on request") {
  FaultFileSystem files;
  StoreFixture fixture(files);
  fixture.write(kUp, kNow, 1);
  fixture.reopen();
  fixture.write(kUp, kNow + 1, 2);
  const auto refused = fixture.reopen_after([&] { files.damage(segment(fixture, 1), 20); });
  REQUIRE(!refused);
  CHECK(refused.error().message().find("header is damaged") != std::string::npos);
  fixture.options.skip_corrupt_log = true;
  must(fixture.try_open());
  // Its flag was lost with the header, so it is not known to be the beginning of the log: but its
  // own definitions are enough.
  CHECK(fixture.read() == std::vector<std::string>{R"(up{cluster="a"}: 0=1 1=2)"});
}

TEST_CASE("a slot is given away again only behind a checkpoint") {
  SeriesIndex index;
  const auto first = index.resolve(kUp);
  index.remove({first.slot});
  CHECK(index.resolve(kLoad).slot != first.slot);
  index.reuse_removed();
  CHECK(index.resolve({{"__name__", "other"}}).slot == first.slot);
}

TEST_CASE("passing over damage anywhere never shows a sample that was not written") {
  const uint64_t seed = test_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const char* wanted = std::getenv("AERIE_DAMAGE_ROUNDS");  // else what `make test` has time for
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 10;
  for (int round = 0; round < rounds; ++round) {
    FaultFileSystem files;
    StoreFixture fixture(files);
    fixture.options.partition_span = 60'000;
    fixture.reopen();
    std::map<std::string, std::map<int64_t, double>> written;
    int64_t now = kNow;
    for (int step = 0; step < 60; ++step) {
      now += 5000 + static_cast<int64_t>(random() % 120'000);
      fixture.clock.set_ms(now);
      WriteBatch batch;
      for (int i = 0; i < 4; ++i) {
        // Series come and go, so that slots are freed and given away again.
        const model::Labels labels = {{"__name__", "m"}, {"n", std::to_string(step / 12 * 3 + i)}};
        const double value = static_cast<double>(step * 10 + i);
        batch.floats.push_back(fixture.row(labels, now, value));
        written[labels.to_string()][now] = value;
      }
      fixture.write(std::move(batch));
      if (random() % 15 == 0) {
        fixture.clock.set_ms(now += 2 * 3600 * 1000);
        must(fixture.store().flush());
      }
      if (random() % 20 == 0) fixture.reopen();
    }
    const auto names = must(files.list(fixture.options.path + "/log"));
    fixture.close();
    for (uint64_t hits = 1 + random() % 3; hits > 0; --hits) {
      const std::string name = fixture.options.path + "/log/" + names[random() % names.size()];
      const size_t size = files.content(name).size();
      // Mostly where something stands.
      if (size > 0)
        files.damage(name, random() % (random() % 4 == 0 ? size : std::min<size_t>(size, 8192)));
    }
    fixture.options.skip_corrupt_log = true;
    must(fixture.try_open());
    auto selection = must(fixture.store().select({}, {}));
    model::SeriesSamples samples;
    for (size_t i = 0; i < selection->size(); ++i) {
      must(selection->read(i, {}, samples));
      const auto& truth = written[selection->labels(i).to_string()];
      for (size_t s = 0; s < samples.values.size(); ++s) {
        const auto at = truth.find(samples.timestamps[s]);
        REQUIRE(at != truth.end());
        CHECK(at->second == samples.values[s]);
      }
    }
    selection.reset();  // holds the database open
    fixture.options.skip_corrupt_log = false;
    must(fixture.try_open());
  }
}
