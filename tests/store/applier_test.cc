#include "store/applier.h"

#include <future>
#include <map>
#include <thread>

#include "store/local_log.h"
#include "tests/store/support/fault_file_system.h"
#include "tests/store/support/partitions.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

class MapTable final : public KeyedTable {
 public:
  Result<std::optional<std::string>> get(std::string_view key) const override {
    const auto at = rows_.find(std::string(key));
    return at == rows_.end() ? std::optional<std::string>() : at->second;
  }
  Status apply(const std::vector<std::pair<std::string, std::string>>& puts,
               const std::vector<std::string>& removals) override {
    for (const auto& [key, value] : puts) rows_[key] = value;
    for (const std::string& key : removals) rows_.erase(key);
    return {};
  }
  Result<std::vector<std::pair<std::string, std::string>>> scan(std::string_view) const override {
    return std::vector<std::pair<std::string, std::string>>(rows_.begin(), rows_.end());
  }

 private:
  std::map<std::string, std::string> rows_;
};

/// An applier on a log in memory. hold() keeps its thread busy, so that batches pile up into one
/// group.
struct ApplierFixture {
  FaultFileSystem files;
  ManualClock clock{1'000'000};
  MetricRegistry metrics;
  Head head{Head::Options{}};
  Arrivals arrivals{clock};
  std::unique_ptr<MetadataCache> metadata = must(MetadataCache::open(std::make_shared<MapTable>()));
  std::vector<LoggedBatch> logged;
  std::unique_ptr<LocalLog> log = open_log();
  Applier::Options options;
  std::unique_ptr<Applier> applier = make();

  std::unique_ptr<LocalLog> open_log() {
    LocalLog::Options log_options;
    log_options.folder = "log";
    return must(LocalLog::open(log_options, clock, files, [this](const LogFrame& frame) -> Status {
      if (frame.type == RecordType::Batch) must(decode_batch(frame.payload, logged.emplace_back()));
      return {};
    }));
  }
  std::unique_ptr<Applier> make() {
    return std::make_unique<Applier>(options, head, *log, arrivals, *metadata, clock, metrics);
  }
  WriteBatch batch(const char* name, int64_t t) {
    WriteBatch out;
    out.floats = {{head.index().resolve({{"__name__", name}}), t, 1}};
    return out;
  }
  std::future<Result<WriteOutcome>> append(WriteBatch batch) {
    auto promise = std::make_shared<std::promise<Result<WriteOutcome>>>();
    auto answer = promise->get_future();
    applier->append(std::move(batch), [promise](Result<WriteOutcome> outcome) {
      promise->set_value(std::move(outcome));
    });
    return answer;
  }
  /// Runs `while_held` while the applier's thread waits.
  void hold(const std::function<void()>& while_held) {
    std::promise<void> entered;
    std::promise<void> go;
    std::thread holder([&] {
      must(applier->run([&]() -> Status {
        entered.set_value();
        go.get_future().wait();
        return {};
      }));
    });
    entered.get_future().wait();
    while_held();
    go.set_value();
    holder.join();
  }
  /// What a restart would read.
  const std::vector<LoggedBatch>& reread() {
    applier.reset();
    logged.clear();
    log.reset();
    log = open_log();
    return logged;
  }
};

}  // namespace

TEST_CASE("all batches that wait share one sync, in the order of their arrival") {
  ApplierFixture fixture;
  CHECK(must(fixture.append(fixture.batch("first", 1)).get()).floats_written == 1);
  const int syncs = fixture.files.syncs();
  std::vector<std::future<Result<WriteOutcome>>> answers;
  fixture.hold([&] {
    for (int i = 0; i < 20; ++i) answers.push_back(fixture.append(fixture.batch("m", 100 + i)));
  });
  for (auto& answer : answers) CHECK(must(answer.get()).floats_written == 1);
  CHECK(fixture.files.syncs() == syncs + 1);
  const auto& logged = fixture.reread();
  REQUIRE(logged.size() == 21);
  for (int i = 0; i < 20; ++i)
    CHECK(logged[static_cast<size_t>(i) + 1].rows.floats[0].t == 100 + i);
}

TEST_CASE("a series is defined once, before its first sample") {
  ApplierFixture fixture;
  for (int i = 0; i < 3; ++i) must(fixture.append(fixture.batch("m", i)).get());
  const auto& logged = fixture.reread();
  REQUIRE(logged.size() == 3);
  REQUIRE(logged[0].definitions.size() == 1);
  CHECK(logged[0].definitions[0].labels == model::Labels{{"__name__", "m"}});
  CHECK(logged[0].definitions[0].id == logged[0].rows.floats[0].series.slot);
  CHECK(logged[1].definitions.empty());
  CHECK(logged[0].arrived == 1'000'000);
}

TEST_CASE("a group that cannot be logged is answered unavailable and leaves no trace") {
  ApplierFixture fixture;
  must(fixture.append(fixture.batch("m", 1)).get());
  fixture.files.fail_syncs(2);
  std::vector<std::future<Result<WriteOutcome>>> answers;
  fixture.hold([&] {
    answers.push_back(fixture.append(fixture.batch("m", 2)));
    answers.push_back(fixture.append(fixture.batch("new", 2)));
  });
  for (auto& answer : answers) {
    const auto outcome = answer.get();
    REQUIRE(!outcome);
    CHECK(outcome.error().code() == ErrorCode::Unavailable);
  }
  CHECK(fixture.head.samples() == 1);
  // The same again is kept: nothing remembers the failed attempt.
  CHECK(must(fixture.append(fixture.batch("new", 2)).get()).floats_written == 1);
  CHECK(must(fixture.append(fixture.batch("m", 2)).get()).floats_written == 1);
  const auto& logged = fixture.reread();
  REQUIRE(logged.size() == 3);
  CHECK(logged[1].definitions.size() == 1);
}

TEST_CASE("a full queue refuses, what waits is kept") {
  ApplierFixture fixture;
  fixture.applier.reset();
  fixture.options.max_queued_rows = 3;
  fixture.applier = fixture.make();
  std::vector<std::future<Result<WriteOutcome>>> answers;
  fixture.hold([&] {
    for (int i = 0; i < 4; ++i) answers.push_back(fixture.append(fixture.batch("m", i)));
  });
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto outcome = answers[i].get();
    CHECK(outcome.ok() == (i < 2));
    if (!outcome) CHECK(outcome.error().code() == ErrorCode::Unavailable);
  }
}

TEST_CASE("unchanged metadata is not logged again") {
  ApplierFixture fixture;
  WriteBatch batch;
  batch.metadata.push_back({"c", "up", {model::MetricType::Gauge, "Is it up?", ""}});
  must(fixture.append(batch).get());
  must(fixture.append(batch).get());
  batch.metadata[0].metadata.help = "It is up.";
  must(fixture.append(batch).get());
  CHECK(fixture.metadata->find("up")[0].metadata.help == "It is up.");
  CHECK(fixture.reread().size() == 2);
}

TEST_CASE("stop finishes what waits and refuses what comes later") {
  ApplierFixture fixture;
  std::future<Result<WriteOutcome>> waiting;
  fixture.hold([&] { waiting = fixture.append(fixture.batch("m", 1)); });
  fixture.applier->stop();
  fixture.applier->stop();
  CHECK(must(waiting.get()).floats_written == 1);
  CHECK(fixture.append(fixture.batch("m", 2)).get().error().code() == ErrorCode::Unavailable);
  CHECK(fixture.applier->run([]() -> Status { return {}; }).error().code() ==
        ErrorCode::Unavailable);
}

TEST_CASE("a checkpoint repeats what later decisions need") {
  ApplierFixture fixture;
  must(fixture.append(fixture.batch("m", 5)).get());
  fixture.arrivals.note("gondor", 999'000);
  must(fixture.applier->run([&] { return fixture.applier->write_checkpoint(); }));
  fixture.applier.reset();
  fixture.log.reset();
  std::vector<SeriesSnapshot> series;
  std::vector<ClusterWatermark> clusters;
  LocalLog::Options log_options;
  log_options.folder = "log";
  must(LocalLog::open(log_options, fixture.clock, fixture.files,
                      [&](const LogFrame& frame) -> Status {
                        if (frame.type == RecordType::Checkpoint)
                          return decode_checkpoint_part(frame.payload, series);
                        if (frame.type == RecordType::Arrivals)
                          return decode_arrivals(frame.payload, clusters);
                        return {};
                      }));
  REQUIRE(series.size() == 1);
  CHECK(series[0].labels == model::Labels{{"__name__", "m"}});
  CHECK(series[0].newest_t == 5);
  REQUIRE(clusters.size() == 1);
  CHECK(clusters[0].watermark == 999'000);
}
