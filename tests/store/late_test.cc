#include <atomic>
#include <bit>
#include <future>
#include <map>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "store/backfill_budget.h"
#include "tests/store/support/columns.h"
#include "tests/store/support/fault_file_system.h"
#include "tests/store/support/stores.h"

#include <catch2/catch.hpp>

/// Samples behind the newest one of their series: the window, duplicates wherever the first one
/// lies, imports, series that come back, and all of it against plain maps.

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using model::TimestampMs;

namespace {

constexpr model::DurationMs kMinute = 60'000;
constexpr model::DurationMs kHour = 60 * kMinute;
constexpr model::DurationMs kDay = 24 * kHour;
const model::Labels kUp = {{"__name__", "up"}, {"cluster", "a"}};

struct LateFixture : StoreFixture {
  LateFixture() {
    options.out_of_order_window = kHour;
    reopen();
  }
  uint32_t rejected(const WriteOutcome& outcome, RejectReason reason) {
    return outcome.rejected[static_cast<size_t>(reason)];
  }
  WriteOutcome import(const model::Labels& labels, TimestampMs t, double value) {
    WriteBatch batch;
    batch.late_window = WriteBatch::kBackfill;
    batch.floats.push_back(row(labels, t, value));
    return write(std::move(batch));
  }
  /// `minutes=value …` relative to kNow.
  std::string contents() {
    std::string out;
    const auto selection = must(store().select({}, {}));
    model::SeriesSamples samples;
    for (size_t i = 0; i < selection->size(); ++i) {
      must(selection->read(i, {}, samples));
      for (size_t k = 0; k < samples.values.size(); ++k)
        out += fmt::format("{}{}={}", out.empty() ? "" : " ",
                           (samples.timestamps[k] - kNow) / kMinute, samples.values[k]);
    }
    return out;
  }
};

}  // namespace

TEST_CASE("a late sample within the window is kept, read at once, and stays through everything") {
  LateFixture store;
  store.write(kUp, kNow, 1);
  store.write(kUp, kNow + 10 * kMinute, 2);
  CHECK(store.write(kUp, kNow + 5 * kMinute, 3).floats_written == 1);
  CHECK(store.write(kUp, kNow - 40 * kMinute, 4).floats_written == 1);
  const std::string wanted = "-40=4 0=1 5=3 10=2";
  CHECK(store.contents() == wanted);
  store.reopen();
  CHECK(store.contents() == wanted);
  must(store.store().flush());
  CHECK(store.contents() == wanted);
  // Late for a span that is sealed: a further generation of it.
  CHECK(store.write(kUp, kNow + 6 * kMinute, 5).floats_written == 1);
  CHECK(store.contents() == "-40=4 0=1 5=3 6=5 10=2");
  must(store.store().flush());
  store.reopen();
  CHECK(store.contents() == "-40=4 0=1 5=3 6=5 10=2");
}

TEST_CASE("beyond the window a sample is refused, and without a window every late one") {
  LateFixture store;
  store.write(kUp, kNow, 1);
  CHECK(store.write(kUp, kNow - kHour, 2).floats_written == 1);
  const WriteOutcome outcome = store.write(kUp, kNow - kHour - 1, 2);
  CHECK(store.rejected(outcome, RejectReason::OutOfOrder) == 1);
  CHECK(outcome.first_rejection ==
        R"(out of order sample: series=up{cluster="a"} timestamp=1699996399999)");
  store.options.out_of_order_window = 0;
  store.reopen();  // what was accepted with another window is still there
  CHECK(store.contents() == "-60=2 0=1");
  CHECK(store.rejected(store.write(kUp, kNow - 1, 2), RejectReason::OutOfOrder) == 1);
}

TEST_CASE("a time that is taken refuses another value, wherever the first one lies") {
  LateFixture store;
  store.write(kUp, kNow - 2 * kMinute, 1);
  store.write(kUp, kNow, 2);
  SECTION("in the head") {}
  SECTION("in a partition") { must(store.store().flush()); }
  SECTION("in a replayed log") { store.reopen(); }
  SECTION("in a partition, after a restart") {
    must(store.store().flush());
    store.reopen();
  }
  SECTION("in a partition, while the series has left the head") {
    store.clock.advance(std::chrono::hours(3));
    must(store.store().flush());
    REQUIRE(store.store().active_series() == 0);
  }
  const auto taken = [&](TimestampMs t, double value) {
    return store.rejected(store.write(kUp, t, value), RejectReason::DuplicateValue) == 1;
  };
  CHECK(taken(kNow - 2 * kMinute, 9));
  CHECK(store.write(kUp, kNow - 2 * kMinute, 1).floats_written == 1);  // a repeat
  CHECK(store.write(kUp, kNow - kMinute, 3).floats_written == 1);
  CHECK(taken(kNow - kMinute, 4));
  CHECK(taken(kNow, 9));
  CHECK(store.contents() == "-2=1 -1=3 0=2");
  store.reopen();
  CHECK(store.contents() == "-2=1 -1=3 0=2");
  CHECK(taken(kNow - kMinute, 4));
}

TEST_CASE("a series that comes back is judged as if it had stayed, also by the replay") {
  LateFixture store;
  for (int minute = 0; minute < 5; ++minute) store.write(kUp, kNow + minute * kMinute, minute);
  store.clock.advance(std::chrono::hours(3));
  must(store.store().flush());
  REQUIRE(store.store().active_series() == 0);
  SECTION("late") {
    // Not as a new series: then the minutes after it would pass unseen.
    CHECK(store.write(kUp, kNow + kMinute / 2, 7).floats_written == 1);
    CHECK(store.rejected(store.write(kUp, kNow + kMinute, 8), RejectReason::DuplicateValue) == 1);
    CHECK(store.rejected(store.write(kUp, kNow - 2 * kHour, 8), RejectReason::OutOfOrder) == 1);
  }
  SECTION("refused") {
    CHECK(store.rejected(store.write(kUp, kNow + kMinute, 8), RejectReason::DuplicateValue) == 1);
    CHECK(store.rejected(store.write(kUp, kNow + 4 * kMinute, 8), RejectReason::DuplicateValue) ==
          1);
  }
  const std::string live = store.contents();
  store.reopen();
  CHECK(store.contents() == live);
  CHECK(store.rejected(store.write(kUp, kNow + 2 * kMinute, 8), RejectReason::DuplicateValue) == 1);
  CHECK(store.write(kUp, kNow + 6 * kMinute, 6).floats_written == 1);
  CHECK(store.contents() == live + " 6=6");
}

TEST_CASE("what a failed write had found out is found out again") {
  FaultFileSystem files;
  StoreFixture store(files);
  store.options.out_of_order_window = kHour;
  store.reopen();
  store.write(kUp, kNow, 1);
  store.write(kUp, kNow + kMinute, 2);
  store.clock.advance(std::chrono::hours(3));
  must(store.store().flush());
  files.fail_syncs(2);
  WriteBatch batch;
  batch.floats = {store.row(kUp, kNow + 1, 3)};
  REQUIRE(!store.store().append_and_wait(std::move(batch)));
  store.write(kUp, kNow + 2, 4);
  must(store.reopen_after([&] { files.crash(); }));
  CHECK(store.write(kUp, kNow + kMinute, 5).rejected_total() == 1);
  CHECK(store.write(kUp, kNow + 2, 5).rejected_total() == 1);
  CHECK(store.read() == std::vector<std::string>{R"(up{cluster="a"}: 0=1 2=4 60000=2)"});
}

TEST_CASE("an import may fill the past up to the retention, and one day is one partition") {
  LateFixture store;
  store.write(kUp, kNow, 1);
  std::string wanted;
  for (int day = 10; day > 0; --day) {
    for (int step = 0; step < 5; ++step) {
      const TimestampMs t = kNow - day * kDay + step * kHour;
      CHECK(store.import(kUp, t, day).floats_written == 1);
      wanted += fmt::format("{}={} ", (t - kNow) / kMinute, day);
    }
  }
  wanted += "0=1";
  CHECK(store.rejected(store.import(kUp, kNow - 16 * kDay, 1), RejectReason::TooOld) == 1);
  CHECK(store.rejected(store.write(kUp, kNow - 5 * kDay, 1), RejectReason::OutOfOrder) == 1);
  CHECK(store.contents() == wanted);
  CHECK(store.store().head().active_blocks() <= 16);
  store.reopen();
  CHECK(store.contents() == wanted);
  must(store.store().flush());
  CHECK(store.contents() == wanted);
  CHECK(store.rejected(store.import(kUp, kNow - 5 * kDay, 7), RejectReason::DuplicateValue) == 1);
  CHECK(store.import(kUp, kNow - 5 * kDay, 5).floats_written == 1);
  CHECK(store.import(kUp, kNow - 5 * kDay + 1, 5).floats_written == 1);
  store.reopen();
  CHECK(store.rejected(store.import(kUp, kNow - 5 * kDay + 1, 6), RejectReason::DuplicateValue) ==
        1);
}

TEST_CASE("a day of the past that waits to be merged is taken later") {
  LateFixture store;
  store.options.generations_per_day = 2;
  store.options.background_seal = false;
  store.reopen();
  const auto send = [&](int minute) {
    return store.import({{"__name__", "m"}, {"minute", std::to_string(minute)}},
                        kNow - 3 * kDay + minute * kMinute, 1);
  };
  for (int minute = 0; minute < 2; ++minute) {
    CHECK(send(minute).floats_written == 1);
    must(store.store().flush());
  }
  const WriteOutcome refused = send(2);
  CHECK(store.rejected(refused, RejectReason::BackfillLimit) == 1);
  CHECK(refused.try_later);
  CHECK(!store.import(kUp, kNow - 16 * kDay, 1).try_later);
}

TEST_CASE("days of the past are rationed for each cluster and hour") {
  LateFixture store;
  store.options.retention = 0;
  store.options.backfill_days_per_hour = 3;
  store.reopen();
  const auto send = [&](const char* cluster, int day) {
    return store.write({{"__name__", "m"}, {"cluster", cluster}, {"day", std::to_string(day)}},
                       kNow - day * kDay, 1);
  };
  for (int day = 2; day < 5; ++day) CHECK(send("a", day).floats_written == 1);
  const WriteOutcome refused = send("a", 5);
  CHECK(store.rejected(refused, RejectReason::BackfillLimit) == 1);
  CHECK(refused.first_rejection ==
        "too many days of the past at once: cluster=\"a\" timestamp=1699568000000 would touch more "
        "than 3 past days in one hour; check the sender's clock, or go on in the next hour");
  CHECK(send("a", 3).floats_written == 1);
  // What is old, but of this day, is none of the past.
  CHECK(store.write({{"__name__", "n"}, {"cluster", "a"}}, kNow - 5 * kHour, 1).floats_written ==
        1);
  CHECK(send("b", 5).floats_written == 1);
  store.clock.advance(std::chrono::hours(1));
  CHECK(send("a", 5).floats_written == 1);
}

TEST_CASE("pairs stay spaced: what is late in a pair is the other replica's") {
  LateFixture store;
  const auto offer = [&](TimestampMs t, double value) {
    WriteBatch batch;
    batch.replicas = ReplicaPolicy::UnlabelledPair;
    batch.floats = {store.row(kUp, kNow + t, value)};
    return store.write(std::move(batch));
  };
  for (int scrape = 0; scrape < 8; ++scrape) {
    CHECK(offer(scrape * 30'000, 1).floats_written == 1);
    if (scrape > 0) CHECK(offer(scrape * 30'000 - 19'000, 2).deduplicated == 1);
  }
  SECTION("in the head") {}
  SECTION("after it left the head") {
    store.clock.advance(std::chrono::hours(3));
    must(store.store().flush());
    REQUIRE(store.store().active_series() == 0);
  }
  CHECK(offer(100'000, 3).deduplicated == 1);
  CHECK(offer(210'000, 3).deduplicated == 1);
  store.reopen();
  CHECK(offer(110'000, 3).deduplicated == 1);
  CHECK(must(store.store().select({}, {}))->size() == 1);
  CHECK(offer(240'000, 1).floats_written == 1);
}

TEST_CASE("batches that wait together are judged one after the other") {
  LateFixture store;
  must(store.store().flush());
  std::vector<std::promise<WriteOutcome>> outcomes(3);
  const TimestampMs times[] = {kNow, kNow - kMinute, kNow - kMinute};
  for (size_t i = 0; i < 3; ++i) {
    WriteBatch batch;
    batch.floats = {store.row(kUp, times[i], static_cast<double>(i))};
    store.store().append(std::move(batch), [&, i](Result<WriteOutcome> outcome) {
      outcomes[i].set_value(must(std::move(outcome)));
    });
  }
  CHECK(outcomes[0].get_future().get().floats_written == 1);
  CHECK(outcomes[1].get_future().get().floats_written == 1);
  CHECK(store.rejected(outcomes[2].get_future().get(), RejectReason::DuplicateValue) == 1);
}

// ---------------------------------------------------------------------------------------------------------------
// against plain maps

namespace {

constexpr int kSeeds = 20;
constexpr int kSteps = 40;

std::string print_float(double value) {
  return fmt::format("{:016x}", std::bit_cast<uint64_t>(value));
}

struct ModelSeries {
  model::Labels labels;
  std::map<TimestampMs, std::string> samples;
  /// Its newest samples were deleted, and none came since: whether the store still counts from here
  /// depends on what was sealed and dropped.
  std::optional<TimestampMs> deleted_from;
};

class Trial {
 public:
  explicit Trial(uint64_t seed) : random_(seed), store_(files_) {
    store_.options.partition_span = kMinute;
    store_.options.retention = 5 * kDay;
    store_.options.out_of_order_window = 10 * kMinute;
    store_.options.backfill_days_per_hour = 0;
    store_.options.background_seal = pick(4) == 0;
    store_.reopen();
    for (uint64_t i = 0; i < 12; ++i)
      series_.push_back({{{"__name__", "m" + std::to_string(i % 3)},
                          {"cluster", i % 4 == 0 ? "" : "c" + std::to_string(i % 2)},
                          {"i", std::to_string(i)}},
                         {},
                         std::nullopt});
  }

  /// Empty, or what differs.
  std::string run() {
    for (step_ = 0; step_ < kSteps && failure_.empty(); ++step_) {
      now_ += static_cast<TimestampMs>(pick(100'000));
      if (pick(15) == 0) now_ += 2 * kHour;
      if (pick(15) == 0) now_ += kDay;
      store_.clock.set_ms(now_);
      write();
      const uint64_t what = pick(20);
      if (what < 4) must(store_.store().flush());
      if (what == 4) store_.reopen();
      if (what == 6 || what == 7) remove();
      if (what == 8) must(store_.store().merge());
      if (what == 9) must(store_.store().clean_tombstones());
      if (what == 5) must(store_.reopen_after([&] { files_.crash(pick(3) * pick(400)); }));
      if (what >= 16) check();
    }
    if (failure_.empty()) check();
    store_.reopen();
    if (failure_.empty()) check();
    return failure_;
  }

 private:
  uint64_t pick(uint64_t n) { return random_() % n; }
  void fail(const std::string& what) {
    if (failure_.empty()) failure_ = fmt::format("step {}: {}", step_, what);
  }

  /// Beyond the retention the store may or may not remember what it had.
  TimestampMs any_time(const ModelSeries& one) {
    const TimestampMs t = some_time(one);
    if (one.deleted_from) {
      const TimestampMs newest = *one.deleted_from - 1;
      if (t < newest - store_.options.out_of_order_window) return now_;
    }
    return t < now_ - store_.options.retention && one.samples.contains(t) ? now_ : t;
  }
  TimestampMs some_time(const ModelSeries& one) {
    const auto some = [&] {
      auto at = one.samples.begin();
      std::advance(at, static_cast<long>(pick(one.samples.size())));
      return at->first;
    };
    switch (pick(8)) {
      case 0: return one.samples.empty() ? now_ : one.samples.rbegin()->first;
      case 1: return one.samples.empty() ? now_ : some();
      case 2: return one.samples.empty() ? now_ : some() + 1;
      case 3: return now_ - static_cast<TimestampMs>(pick(15 * kMinute));
      case 4: return now_ - static_cast<TimestampMs>(pick(4 * kDay));
      case 5: return now_ - store_.options.retention - static_cast<TimestampMs>(pick(3)) + 1;
      default: return now_ - static_cast<TimestampMs>(pick(20'000));
    }
  }

  double any_value() {
    switch (pick(6)) {
      case 0: return model::stale_marker();
      case 1: return model::normal_nan();
      case 2: return -0.0;
      default: return static_cast<double>(pick(3));
    }
  }

  bool expect_written(ModelSeries& one, TimestampMs t, const std::string& text, bool import) {
    auto& samples = one.samples;
    const auto same = samples.find(t);
    if (!samples.empty() && t == samples.rbegin()->first && same->second == text) return true;
    if (t < now_ - store_.options.retention) return false;
    if (!samples.empty() && t < samples.rbegin()->first && !import &&
        samples.rbegin()->first - t > store_.options.out_of_order_window)
      return false;
    if (same != samples.end()) return same->second == text;
    samples[t] = text;
    if (one.deleted_from && t >= *one.deleted_from) one.deleted_from.reset();
    return true;
  }

  /// Times that are free again may be taken by late samples.
  void remove() {
    const std::string metric = "m" + std::to_string(pick(3));
    model::TimeRange range;
    if (pick(3) > 0) {
      range.first = now_ - static_cast<TimestampMs>(pick(20 * kMinute));
      range.last = range.first + static_cast<TimestampMs>(pick(20 * kMinute));
    }
    must(store_.store().delete_series({{model::Matcher::equal("__name__", metric)}}, range));
    for (ModelSeries& one : series_) {
      if (one.labels.metric_name() != metric || one.samples.empty()) continue;
      const bool newest = range.contains(one.samples.rbegin()->first);
      std::erase_if(one.samples, [&](const auto& sample) { return range.contains(sample.first); });
      if (newest && range.first != model::kMinTimestamp) one.deleted_from = range.first;
      if (range.first == model::kMinTimestamp) one.deleted_from.reset();
    }
  }

  void write() {
    // A seal in the background would meet the failing disk in place of the batch.
    if (!store_.options.background_seal && pick(20) == 0) write_in_vain();
    WriteBatch batch;
    const bool import = pick(3) == 0;
    if (import) batch.late_window = WriteBatch::kBackfill;
    // Rows of one series come in the order of their times, floats before histograms.
    std::map<std::pair<size_t, TimestampMs>, double> floats;
    const uint64_t rows = 1 + pick(30);
    for (uint64_t i = 0; i < rows; ++i) {
      const size_t which = pick(series_.size());
      floats[{which, any_time(series_[which])}] = any_value();
    }
    uint32_t expected = 0;
    for (const auto& [at, value] : floats) {
      ModelSeries& one = series_[at.first];
      batch.floats.push_back(store_.row(one.labels, at.second, value));
      expected += expect_written(one, at.second, print_float(value), import);
    }
    size_t histograms = 0;
    for (size_t which = pick(4) == 0 ? 0 : series_.size(); which < series_.size(); ++which) {
      const auto its_floats = floats.lower_bound({which, INT64_MIN});
      if (its_floats != floats.end() && its_floats->first.first == which) continue;
      ++histograms;
      ModelSeries& one = series_[which];
      const TimestampMs t = any_time(one);
      // Told apart by the sum, which is enough to know which one is read.
      model::NativeHistogram histogram;
      histogram.sum = any_value();
      histogram.count = 1;
      expected += expect_written(one, t, "h" + print_float(histogram.sum), import);
      batch.histograms.push_back({store_.store().resolve(one.labels), t,
                                  std::make_shared<const model::NativeHistogram>(histogram)});
    }
    const WriteOutcome outcome = store_.write(std::move(batch));
    const uint32_t written = outcome.floats_written + outcome.histograms_written;
    if (written != expected || written + outcome.rejected_total() != floats.size() + histograms)
      fail(fmt::format("written {} of {}, expected {}: {}", written, floats.size() + histograms,
                       expected, outcome.first_rejection));
  }

  /// A batch that the disk refuses leaves no trace.
  void write_in_vain() {
    files_.fail_syncs(2);
    WriteBatch batch;
    for (int i = 0; i < 5; ++i) {
      const ModelSeries& one = series_[pick(series_.size())];
      batch.floats.push_back(store_.row(one.labels, any_time(one), 77));
    }
    store_.store().append_and_wait(std::move(batch)).ignore("rows may all be refused");
    files_.fail_syncs(0);
    // What was not acknowledged may survive a power cut until something is written in its
    // place.
    store_.write({{"__name__", "tick"}}, now_, step_);
  }

  void check() {
    const auto selection = must(store_.store().select({}, {}));
    model::SeriesSamples samples;
    std::map<std::string, std::map<TimestampMs, std::string>> got;
    const TimestampMs oldest = now_ - store_.options.retention;
    for (size_t i = 0; i < selection->size(); ++i) {
      must(selection->read(i, {}, samples));
      auto& mine = got[selection->labels(i).to_string()];
      if (!std::is_sorted(samples.timestamps.begin(), samples.timestamps.end()))
        fail("samples are not sorted");
      for (size_t k = 0; k < samples.values.size(); ++k)
        if (samples.timestamps[k] >= oldest &&
            !mine.emplace(samples.timestamps[k], print_float(samples.values[k])).second)
          fail("a timestamp repeats");
      for (const model::HistogramSample& sample : samples.histograms)
        if (sample.t >= oldest &&
            !mine.emplace(sample.t, "h" + print_float(sample.histogram->sum)).second)
          fail("a timestamp repeats");
    }
    for (const ModelSeries& one : series_) {
      const std::string name = one.labels.to_string();
      std::map<TimestampMs, std::string> wanted(one.samples.lower_bound(oldest), one.samples.end());
      if (got[name] == wanted) continue;
      for (const auto& [t, text] : wanted)
        if (!got[name].contains(t) || got[name][t] != text)
          return fail(fmt::format("{} at now-{}: wanted {} got {}", name, now_ - t, text,
                                  got[name].contains(t) ? got[name][t] : "nothing"));
      fail(name + ": something was invented");
    }
  }

  std::mt19937_64 random_;
  FaultFileSystem files_;
  StoreFixture store_;
  std::vector<ModelSeries> series_;
  TimestampMs now_ = kNow;
  int step_ = 0;
  std::string failure_;
};

}  // namespace

TEST_CASE(
    "late, duplicate, stale, NaN and deleted samples, imports and restarts: as plain maps do") {
  const bool replay = std::getenv("AERIE_SEED") != nullptr;
  const uint64_t first = test_seed();
  for (uint64_t seed = first; seed < first + (replay ? 1 : kSeeds); ++seed) {
    const std::string failure = Trial(seed).run();
    INFO("AERIE_SEED=" << seed);
    CHECK(failure == "");
    if (!failure.empty()) break;
  }
}
