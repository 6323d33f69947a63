#include "store/store.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/store/support/stores.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

const model::Labels kUpA = {{"__name__", "up"}, {"cluster", "a"}};
const model::Labels kUpB = {{"__name__", "up"}, {"cluster", "b"}};
const model::Labels kLoad = {{"__name__", "load"}, {"cluster", "a"}, {"node", "n1"}};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("what is written is read: sorted by labels, selected by matchers, cut to the range") {
  StoreFixture fixture;
  for (int i = 0; i < 3; ++i) {
    WriteBatch batch;
    batch.floats = {fixture.row(kUpB, kNow + i * 15, 1), fixture.row(kUpA, kNow + i * 15, i * 0.1),
                    fixture.row(kLoad, kNow + i * 15, 100 - i)};
    const WriteOutcome outcome = fixture.write(std::move(batch));
    CHECK(outcome.floats_written == 3);
    CHECK(outcome.rejected_total() == 0);
  }
  CHECK(fixture.read() == Lines{R"(load{cluster="a", node="n1"}: 0=100 15=99 30=98)",
                                R"(up{cluster="a"}: 0=0 15=0.1 30=0.2)",
                                R"(up{cluster="b"}: 0=1 15=1 30=1)"});
  const auto regex = must(model::Matcher::make(model::MatchType::Regex, "cluster", "b|c"));
  CHECK(fixture.read({model::Matcher::equal("__name__", "up"), regex}) ==
        Lines{R"(up{cluster="b"}: 0=1 15=1 30=1)"});
  const auto not_a = must(model::Matcher::make(model::MatchType::NotEqual, "cluster", "a"));
  CHECK(fixture.read({not_a}) == Lines{R"(up{cluster="b"}: 0=1 15=1 30=1)"});
  const auto no_node = must(model::Matcher::make(model::MatchType::Equal, "node", ""));
  CHECK(fixture.read({no_node, model::Matcher::equal("cluster", "a")}) ==
        Lines{R"(up{cluster="a"}: 0=0 15=0.1 30=0.2)"});
  CHECK(fixture.read({model::Matcher::equal("cluster", "b")}, {kNow + 15, kNow + 29}) ==
        Lines{R"(up{cluster="b"}: 15=1)"});
  CHECK(fixture.store().extent() == model::TimeRange{kNow, kNow + 30});
  CHECK(fixture.store().active_series() == 3);
}

TEST_CASE("flush moves samples into partitions and nobody sees a difference") {
  StoreFixture fixture;
  fixture.write(kUpA, kNow, 1);
  fixture.write(kUpB, kNow, 2);
  fixture.write(kUpA, kNow + 1000, 3);
  const auto before = fixture.read();
  const auto running = must(fixture.store().select({}, {}));
  REQUIRE(fixture.store().flush().ok());
  CHECK(fixture.store().head().samples() == 0);
  CHECK(fixture.read() == before);
  CHECK(StoreFixture::read_selection(*running) == before);
  fixture.write(kUpA, kNow + 2000, 4);
  CHECK(fixture.read({model::Matcher::equal("cluster", "a")}) ==
        Lines{R"(up{cluster="a"}: 0=1 1000=3 2000=4)"});
  // The newest sample is remembered beyond the flush.
  CHECK(fixture.write(kUpB, kNow, 2).floats_written == 1);
  CHECK(fixture.write(kUpB, kNow, 3).rejected[static_cast<size_t>(RejectReason::DuplicateValue)] ==
        1);
  fixture.reopen();
  CHECK(fixture.read({model::Matcher::equal("cluster", "a")}) ==
        Lines{R"(up{cluster="a"}: 0=1 1000=3 2000=4)"});
  CHECK(fixture.write(kUpB, kNow, 3).rejected[static_cast<size_t>(RejectReason::DuplicateValue)] ==
        1);
  REQUIRE(fixture.store().flush().ok());
  REQUIRE(fixture.store().flush().ok());
  CHECK(fixture.read() ==
        Lines{R"(up{cluster="a"}: 0=1 1000=3 2000=4)", R"(up{cluster="b"}: 0=2)"});
}

TEST_CASE("refusals are counted by reason and say which sample") {
  StoreFixture fixture;
  fixture.write(kUpA, kNow, 1);
  CHECK(fixture.write(kUpA, kNow, 1).floats_written == 1);

  const WriteOutcome duplicate = fixture.write(kUpA, kNow, 2);
  CHECK(duplicate.rejected[static_cast<size_t>(RejectReason::DuplicateValue)] == 1);
  CHECK(duplicate.first_rejection ==
        R"(duplicate sample for timestamp: series=up{cluster="a"} timestamp=1700000000000)");
  const WriteOutcome older = fixture.write(kUpA, kNow - 1, 1);
  CHECK(older.rejected[static_cast<size_t>(RejectReason::OutOfOrder)] == 1);
  CHECK(older.first_rejection ==
        R"(out of order sample: series=up{cluster="a"} timestamp=1699999999999)");
  const WriteOutcome future = fixture.write(kUpA, kNow + 600'001, 1);
  CHECK(future.rejected[static_cast<size_t>(RejectReason::TooFarInFuture)] == 1);
  const WriteOutcome ancient = fixture.write(kUpB, kNow - fixture.options.retention - 1, 1);
  CHECK(ancient.rejected[static_cast<size_t>(RejectReason::TooOld)] == 1);
  // The good rows of the same batch stay.
  WriteBatch mixed;
  mixed.floats = {fixture.row(kUpA, kNow - 5, 9), fixture.row(kUpA, kNow + 5, 9),
                  fixture.row(kUpB, kNow, 7)};
  const WriteOutcome outcome = fixture.write(std::move(mixed));
  CHECK(outcome.floats_written == 2);
  CHECK(outcome.rejected_total() == 1);
  CHECK(fixture.read() == Lines{R"(up{cluster="a"}: 0=1 5=9)", R"(up{cluster="b"}: 0=7)"});
}

TEST_CASE("special values keep their bits through head, partition and restart") {
  StoreFixture fixture;
  const std::vector<double> values = {0.0,
                                      -0.0,
                                      model::stale_marker(),
                                      model::normal_nan(),
                                      1e300,
                                      -1e-300,
                                      std::numeric_limits<double>::infinity(),
                                      0.1,
                                      1.0 / 3,
                                      9007199254740993.0};
  for (size_t i = 0; i < values.size(); ++i)
    fixture.write(kUpA, kNow + static_cast<int64_t>(i), values[i]);
  const auto check = [&] {
    const auto selection = must(fixture.store().select({}, {}));
    REQUIRE(selection->size() == 1);
    model::SeriesSamples samples;
    REQUIRE(selection->read(0, {}, samples).ok());
    REQUIRE(samples.values.size() == values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK(std::bit_cast<uint64_t>(samples.values[i]) == std::bit_cast<uint64_t>(values[i]));
    }
  };
  check();
  fixture.reopen();
  check();
  REQUIRE(fixture.store().flush().ok());
  check();
  fixture.reopen();
  check();
}

TEST_CASE("label names and values come from head and partitions together") {
  StoreFixture fixture;
  fixture.write(kUpA, kNow, 1);
  fixture.write(kLoad, kNow, 1);
  REQUIRE(fixture.store().flush().ok());
  fixture.write(kUpB, kNow, 1);
  const LocalStore& store = fixture.store();
  CHECK(must(store.label_names({}, {})) == Lines{"__name__", "cluster", "node"});
  CHECK(must(store.label_names({model::Matcher::equal("__name__", "up")}, {})) ==
        Lines{"__name__", "cluster"});
  CHECK(must(store.label_values("cluster", {}, {})) == Lines{"a", "b"});
  CHECK(must(store.label_values("cluster", {model::Matcher::equal("__name__", "load")}, {})) ==
        Lines{"a"});
  CHECK(must(store.label_values("nothing", {}, {})).empty());
}

TEST_CASE("a handle of a series that left the head is refused, and resolving again helps") {
  StoreFixture fixture;
  const SeriesHandle old = fixture.store().resolve(kUpA);
  fixture.write(kUpA, kNow, 1);
  fixture.clock.advance(std::chrono::hours(3));
  REQUIRE(fixture.store().flush().ok());  // sealed, idle for three hours: swept
  CHECK(fixture.store().active_series() == 0);
  WriteBatch batch;
  batch.floats = {{old, kNow + 1000, 2}, fixture.row(kUpB, kNow + 1000, 5)};
  const WriteOutcome outcome = fixture.write(std::move(batch));
  CHECK(outcome.stale_handles == std::vector<uint32_t>{0});
  CHECK(outcome.floats_written == 1);
  fixture.write(kUpA, kNow + 1000, 2);
  CHECK(fixture.read() == Lines{R"(up{cluster="a"}: 0=1 1000=2)", R"(up{cluster="b"}: 1000=5)"});
  fixture.reopen();
  CHECK(fixture.read() == Lines{R"(up{cluster="a"}: 0=1 1000=2)", R"(up{cluster="b"}: 1000=5)"});
}

TEST_CASE("native histograms and metadata survive a restart; exemplars are counted") {
  StoreFixture fixture;
  auto histogram = std::make_shared<model::NativeHistogram>();
  histogram->schema = 3;
  histogram->count = 7;
  histogram->sum = 12.5;
  histogram->positive_spans = {{-2, 2}, {3, 1}};
  histogram->positive_buckets = {1, 2, 4};
  WriteBatch batch;
  batch.histograms.push_back({fixture.store().resolve(kLoad), kNow, histogram});
  batch.exemplars.push_back({fixture.store().resolve(kLoad), kNow, 0.5, {{"trace_id", "x"}}});
  batch.metadata.push_back({"a", "load", {model::MetricType::Histogram, "How long.", "seconds"}});
  const WriteOutcome outcome = fixture.write(std::move(batch));
  CHECK(outcome.histograms_written == 1);
  CHECK(outcome.exemplars_written == 1);
  const auto check = [&] {
    const auto selection = must(fixture.store().select({}, {}));
    REQUIRE(selection->size() == 1);
    model::SeriesSamples samples;
    REQUIRE(selection->read(0, {}, samples).ok());
    REQUIRE(samples.histograms.size() == 1);
    CHECK(samples.histograms[0].t == kNow);
    CHECK(*samples.histograms[0].histogram == *histogram);
    const auto metadata = fixture.store().metadata("load");
    REQUIRE(metadata.size() == 1);
    CHECK(metadata[0].metadata.help == "How long.");
    CHECK(fixture.store().metadata("other").empty());
  };
  check();
  fixture.reopen();
  check();
  REQUIRE(fixture.store().flush().ok());
  check();
  fixture.reopen();
  check();
}

TEST_CASE("own samples are written without moving arrivals") {
  StoreFixture fixture;
  REQUIRE(fixture.store().write_own({{kUpA, kNow, 1}, {kUpB, kNow, 2}, {kUpA, kNow, 3}}).ok());
  CHECK(fixture.read() == Lines{R"(up{cluster="a"}: 0=1)", R"(up{cluster="b"}: 0=2)"});
  CHECK(fixture.store().arrivals().all().empty());
}

TEST_CASE("a storage path is ours alone, and only ours") {
  StoreFixture fixture;
  PosixFileSystem files;
  MetricRegistry metrics;
  SECTION("held by another store") {
    const auto second = Store::open(fixture.options, fixture.clock, files, metrics);
    REQUIRE(!second);
    CHECK(second.error().code() == ErrorCode::AlreadyExists);
    CHECK(second.error().message().find("pid=" + std::to_string(::getpid())) != std::string::npos);
    CHECK(second.error().message().find(fixture.options.path + "/lock") != std::string::npos);
  }
  SECTION("somebody else's folder") {
    TempFolder foreign;
    std::ofstream(foreign.root() + "/thesis.tex") << "x";
    StoreOptions options = fixture.options;
    options.path = foreign.root();
    const auto refused = Store::open(options, fixture.clock, files, metrics);
    REQUIRE(!refused);
    CHECK(refused.error().code() == ErrorCode::InvalidArgument);
    CHECK(refused.error().message().find("thesis.tex") != std::string::npos);
    CHECK(std::filesystem::exists(foreign.root() + "/thesis.tex"));
    CHECK_FALSE(std::filesystem::exists(foreign.root() + "/log"));
  }
  SECTION("a format from the future") {
    fixture.close();
    std::ofstream(fixture.options.path + "/aerie-store") << "aerie store, format 2\n";
    const auto refused = Store::open(fixture.options, fixture.clock, files, metrics);
    REQUIRE(!refused);
    CHECK(refused.error().code() == ErrorCode::InvalidArgument);
    CHECK(refused.error().message().find("newer aerie") != std::string::npos);
  }
}

TEST_CASE("after close writes are answered unavailable and everything is there again") {
  StoreFixture fixture;
  fixture.write(kUpA, kNow, 1);
  REQUIRE(fixture.store().close().ok());
  REQUIRE(fixture.store().close().ok());
  WriteBatch batch;
  batch.floats = {fixture.row(kUpA, kNow + 1, 1)};
  const auto refused = fixture.store().append_and_wait(std::move(batch));
  REQUIRE(!refused);
  CHECK(refused.error().code() == ErrorCode::Unavailable);
  fixture.reopen();
  CHECK(fixture.read() == Lines{R"(up{cluster="a"}: 0=1)"});
}

TEST_CASE("partitions older than the retention go away") {
  StoreFixture fixture;
  fixture.options.retention = 3600 * 1000;
  fixture.reopen();
  fixture.write(kUpA, kNow, 1);
  REQUIRE(fixture.store().flush().ok());
  CHECK(fixture.read().size() == 1);
  fixture.clock.advance(std::chrono::hours(2));
  REQUIRE(fixture.store().flush().ok());
  CHECK(fixture.read().empty());
}

TEST_CASE(
    "writers, readers and flushes at the same time: nothing is lost, doubled or out of order") {
  StoreFixture fixture;
  fixture.options.partition_span = 1000;
  fixture.reopen();
  constexpr int kWriters = 2;
  constexpr int kSteps = 400;
  std::atomic<int> acknowledged[kWriters] = {};
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  const auto labels_of = [](int writer) {
    return model::Labels{{"__name__", "w"}, {"writer", std::to_string(writer)}};
  };
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      for (int i = 1; i <= kSteps; ++i) {
        WriteBatch batch;
        batch.floats = {
            {fixture.store().resolve(labels_of(w)), kNow + i * 10, i / (w == 0 ? 1.0 : 7.0)}};
        auto outcome = fixture.store().append_and_wait(std::move(batch));
        if (!outcome || outcome->floats_written != 1) ++wrong;
        acknowledged[w] = i;
      }
    });
  }
  threads.emplace_back([&] {
    while (!stop) {
      if (!fixture.store().flush()) ++wrong;
    }
  });
  threads.emplace_back([&] {
    model::SeriesSamples samples;
    while (!stop) {
      int least[kWriters];
      for (int w = 0; w < kWriters; ++w) least[w] = acknowledged[w];
      auto selection = fixture.store().select({}, {});
      if (!selection) ++wrong;
      for (size_t i = 0; selection && i < (*selection)->size(); ++i) {
        const int w = (*selection)->labels(i).get("writer") == "0" ? 0 : 1;
        if (!(*selection)->read(i, {}, samples)) ++wrong;
        if (static_cast<int>(samples.values.size()) < least[w]) ++wrong;
        for (size_t s = 0; s < samples.values.size(); ++s) {
          const auto n = static_cast<double>(s + 1);
          if (samples.timestamps[s] != kNow + static_cast<int64_t>(s + 1) * 10) ++wrong;
          if (samples.values[s] != n / (w == 0 ? 1.0 : 7.0)) ++wrong;
        }
      }
    }
  });
  for (int w = 0; w < kWriters; ++w) threads[static_cast<size_t>(w)].join();
  stop = true;
  for (size_t i = kWriters; i < threads.size(); ++i) threads[i].join();
  CHECK(wrong == 0);
}
