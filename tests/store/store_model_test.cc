#include <catch2/catch.hpp>

#include <atomic>
#include <bit>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <fmt/core.h>

#include "tests/store/support/columns.h"
#include "tests/store/support/fault_file_system.h"
#include "tests/store/support/stores.h"

/// The real store against plain maps: random batches, flushes, merges, deletions, restarts, power
/// cuts, retention, also of single clusters, idle series, selections that outlive what they read. A
/// failure prints its seed; AERIE_SEED=… replays that seed alone.

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using model::Labels;
using model::Matcher;
using model::TimestampMs;

namespace {

constexpr int kSeeds = 50;
constexpr int kSteps = 30;

/// Series to samples, each printed with all bits.
using Contents = std::map<std::string, std::map<TimestampMs, std::string>>;

std::string print_float(double value) {
  return fmt::format("{:016x}", std::bit_cast<uint64_t>(value));
}

/// Of hints only what is not decided by the neighbours.
std::string print_histogram(const model::NativeHistogram& h) {
  std::string out = fmt::format(
      "h {} {} {} {} {} {} {:016x}", h.schema, h.reset_hint == model::ResetHint::Gauge, h.is_float,
      h.zero_threshold, h.zero_count, h.count, std::bit_cast<uint64_t>(h.sum));
  for (const auto* spans : {&h.positive_spans, &h.negative_spans})
    for (const model::BucketSpan& span : *spans)
      out += fmt::format(" [{} {}]", span.offset, span.length);
  for (const auto* numbers : {&h.positive_buckets, &h.negative_buckets, &h.custom_values})
    for (const double number : *numbers) out += fmt::format(" {}", number);
  return out;
}

/// What the store should hold.
struct ModelSeries {
  Labels labels;
  std::map<TimestampMs, std::string> samples;
  bool any = false;
  TimestampMs newest = 0;
  bool deleted = false;  // all of it, and not mentioned since: it must be listed nowhere
  bool reset = false;    // its newest sample was deleted: rows before that are left out of the test
};

class Trial {
 public:
  explicit Trial(uint64_t seed) : random_(seed), fixture_(files_) {
    fixture_.options.partition_span = 60'000;
    fixture_.options.retention = kRetention;
    fixture_.options.background_seal = pick(4) == 0;
    short_retention_ = pick(2) == 0 ? 3'600'000 : 0;
    reopen();
    for (uint64_t i = 0; i < 24; ++i) {
      const std::string metric = "m" + std::to_string(i % 4);
      const std::string instance = "host-" + std::to_string(i / 4);
      series_.push_back({Labels{{"__name__", metric},
                                {"cluster", i % 3 == 0 ? "" : "c" + std::to_string(i % 3)},
                                {"instance", instance},
                                {"le", i % 4 == 3 ? std::to_string(i) : ""}},
                         {},
                         false,
                         0,
                         false,
                         false});
    }
  }

  /// Empty, or what differs.
  std::string run() {
    for (step_ = 0; step_ < kSteps && failure_.empty(); ++step_) {
      now_ += static_cast<TimestampMs>(pick(25'000));
      // Idle long enough to leave the head, and sometimes to fall out of the retention.
      if (pick(25) == 0) now_ += 2 * 3600 * 1000;
      fixture_.clock.set_ms(now_);
      write();
      const uint64_t what = pick(30);
      if (what < 4) must(fixture_.store().flush());
      if (what == 4 || what == 5) held_.reset();  // a selection keeps the folder locked
      if (what == 4) reopen();
      if (what == 5) {
        must(fixture_.reopen_after([&] { files_.crash(pick(3) * pick(400)); }));
        shorten_retention();
      }
      if (what == 6) hold();
      if (what == 7 || what == 8) remove();
      if (what == 9 || what == 10) must(fixture_.store().merge());
      if (what == 11) must(fixture_.store().clean_tombstones());
      if (what >= 20) check_random();
      if (held_ && pick(6) == 0) check_held();
    }
    if (failure_.empty()) check({}, {});
    held_.reset();
    reopen();
    if (failure_.empty()) check({}, {});
    return failure_;
  }

 private:
  static constexpr model::DurationMs kRetention = 5LL * 3600 * 1000;

  void reopen() {
    fixture_.reopen();
    shorten_retention();
  }
  void shorten_retention() {
    if (short_retention_ > 0)
      fixture_.store().set_cluster_retention({{Matcher::equal("cluster", "c2"), short_retention_}});
  }
  /// Samples expire in steps: within `slack` they may be seen or not.
  bool expired(const ModelSeries& one, TimestampMs t, model::DurationMs slack) const {
    return short_retention_ > 0 && one.labels.get("cluster") == "c2" &&
           t < now_ - short_retention_ - slack;
  }

  void remove() {
    const model::Matchers matchers = random_matchers();
    model::TimeRange range;
    if (pick(3) > 0) {
      range.first = now_ - static_cast<TimestampMs>(pick(400'000));
      range.last = range.first + static_cast<TimestampMs>(pick(400'000));
    }
    must(fixture_.store().delete_series({matchers}, range));
    for (ModelSeries& one : series_) {
      if (!matches_all(matchers, one.labels)) continue;
      std::erase_if(one.samples, [&](const auto& sample) { return range.contains(sample.first); });
      if (one.any && range.contains(one.newest)) {
        one.any = one.reset = !one.samples.empty();
        one.newest = range.first - (one.any ? 1 : 0);
        one.deleted = !one.any;
      }
    }
  }

  uint64_t pick(uint64_t n) { return random_() % n; }
  TimestampMs oldest_kept() const { return now_ - kRetention; }

  double any_value() {
    switch (pick(8)) {
      case 0: return model::stale_marker();
      case 1: return std::bit_cast<double>(random_());
      case 2: return -0.0;
      case 3: return static_cast<double>(pick(1000)) / 1000;
      case 4: return static_cast<double>(pick(1000)) * 0.001;
      default: return static_cast<double>(pick(100));
    }
  }

  /// What the store must do with a row, applied to the model.
  bool expect_kept(ModelSeries& one, TimestampMs t, const std::string& text) {
    if (one.any && t == one.newest && one.samples[t] == text) return true;  // an exact repeat
    if (t < oldest_kept() || t > now_ + fixture_.options.future_limit) return false;
    if (one.any && t <= one.newest) return false;
    one.any = true;
    one.reset = false;
    one.newest = t;
    one.samples[t] = text;
    // A selection may see it even when it is deleted before the selection is read.
    if (held_) held_allowed_[one.labels.to_string()][t] = text;
    return true;
  }
  /// What the store remembers of the order of a series that was partly deleted depends on what is
  /// sealed and dropped.
  static bool ambiguous(const ModelSeries& one, TimestampMs t) {
    return one.reset && t <= one.newest;
  }

  void write() {
    WriteBatch batch;
    struct Row {
      ModelSeries* one;
      TimestampMs t;
      std::string text;
      bool done = false;
    };
    std::vector<Row> floats;
    std::vector<Row> histograms;
    uint32_t rows = 0;
    for (uint64_t i = pick(30); i > 0; --i, ++rows) {
      ModelSeries& one = series_[pick(series_.size())];
      TimestampMs t = now_ - static_cast<TimestampMs>(pick(20'000));
      if (pick(40) == 0) t = now_ + fixture_.options.future_limit + 1;
      if (pick(40) == 0) t = oldest_kept() - 1;
      // A series that was idle for an hour has left the head, and with it the memory of its newest
      // sample.
      if (pick(10) == 0 && one.any && one.newest > now_ - 3'600'000) t = one.newest;
      if (ambiguous(one, t)) {
        --rows;
        continue;
      }
      one.deleted = false;
      const double value = any_value();
      batch.floats.push_back(fixture_.row(one.labels, t, value));
      floats.push_back({&one, t, print_float(value)});
    }
    for (uint64_t i = pick(4) == 0 ? pick(5) : 0; i > 0; --i, ++rows) {
      ModelSeries& one = series_[pick(series_.size())];
      const TimestampMs t = now_ - static_cast<TimestampMs>(pick(5'000));
      if (ambiguous(one, t)) {
        --rows;
        continue;
      }
      one.deleted = false;
      auto histogram = std::make_shared<const model::NativeHistogram>(random_histogram(random_));
      batch.histograms.push_back({fixture_.store().resolve(one.labels), t, histogram});
      histograms.push_back({&one, t, print_histogram(*histogram)});
    }
    if (rows == 0) return;
    // The order in which the store applies: histograms before later floats of their series.
    uint32_t kept = 0;
    for (const Row& row : floats) {
      for (Row& histogram : histograms) {
        if (histogram.one != row.one || histogram.done) continue;
        if (histogram.t >= row.t) break;
        kept += expect_kept(*histogram.one, histogram.t, histogram.text);
        histogram.done = true;
      }
      kept += expect_kept(*row.one, row.t, row.text);
    }
    for (const Row& row : histograms) {
      if (!row.done) kept += expect_kept(*row.one, row.t, row.text);
    }
    const WriteOutcome outcome = fixture_.write(std::move(batch));
    const uint32_t written = outcome.floats_written + outcome.histograms_written;
    if (!outcome.stale_handles.empty()) fail("fresh handles were called stale");
    if (written != kept || written + outcome.rejected_total() != rows)
      fail(fmt::format("written {} of {} rows, expected {}: {}", written, rows, kept,
                       outcome.first_rejection));
  }

  model::Matchers random_matchers() {
    using model::MatchType;
    const auto make = [](MatchType type, const char* name, const char* value) {
      return must(Matcher::make(type, name, value));
    };
    const std::vector<Matcher> choices = {make(MatchType::Equal, "__name__", "m1"),
                                          make(MatchType::Regex, "__name__", "m[02]"),
                                          make(MatchType::NotEqual, "cluster", "c1"),
                                          make(MatchType::Equal, "cluster", ""),
                                          make(MatchType::Regex, "instance", "host-.*"),
                                          make(MatchType::Regex, "instance", "host-[1-3]|host-5"),
                                          make(MatchType::NotRegex, "le", ".+"),
                                          make(MatchType::Regex, "cluster", "c1|c2|c7"),
                                          make(MatchType::NotRegex, "instance", "host-0|")};
    model::Matchers out;
    for (uint64_t i = pick(3); i > 0; --i) out.push_back(choices[pick(choices.size())]);
    return out;
  }

  Contents expected(const model::Matchers& matchers, model::TimeRange range,
                    model::DurationMs slack = 0) const {
    Contents out;
    for (const ModelSeries& one : series_) {
      if (!matches_all(matchers, one.labels)) continue;
      for (const auto& [t, text] : one.samples)
        if (range.contains(t) && !expired(one, t, slack)) out[one.labels.to_string()][t] = text;
    }
    return out;
  }

  /// "No reset" must be true of the sample before.
  void check_hints(const model::SeriesSamples& samples) {
    for (size_t i = 1; i < samples.histograms.size(); ++i) {
      const model::NativeHistogram& now = *samples.histograms[i].histogram;
      const model::NativeHistogram& before = *samples.histograms[i - 1].histogram;
      if (now.reset_hint == model::ResetHint::Yes) fail("a reset is claimed");
      if (now.reset_hint == model::ResetHint::No &&
          model::hint_after(&before, now) != model::ResetHint::No)
        fail("a reset is denied");
    }
  }

  Contents read(const model::Selection& selection, model::TimeRange range) {
    Contents out;
    model::SeriesSamples samples;
    for (size_t i = 0; i < selection.size(); ++i) {
      if (i > 0 && !(selection.labels(i - 1) < selection.labels(i)))
        fail("selection is not sorted");
      if (Status status = selection.read(i, range, samples); !status)
        fail(status.error().message());
      auto& mine = out[selection.labels(i).to_string()];
      for (size_t k = 0; k < samples.timestamps.size(); ++k)
        if (!mine.emplace(samples.timestamps[k], print_float(samples.values[k])).second)
          fail("a timestamp repeats");
      for (const model::HistogramSample& sample : samples.histograms)
        if (!mine.emplace(sample.t, print_histogram(*sample.histogram)).second)
          fail("a timestamp repeats");
      check_hints(samples);
    }
    return out;
  }

  /// Everything wanted from `from` on must be there, and nothing that was never written.
  void compare(const Contents& got, const Contents& wanted, const Contents& allowed,
               TimestampMs from) {
    for (const auto& [labels, samples] : wanted)
      for (const auto& [t, text] : samples) {
        if (t < from) continue;
        const auto series = got.find(labels);
        const auto sample = series == got.end() ? samples.end() : series->second.find(t);
        if (series == got.end() || sample == series->second.end())
          return fail(fmt::format("lost: {} at {}", labels, t));
        if (sample->second != text)
          return fail(fmt::format("changed: {} at {}: {} to {}", labels, t, text, sample->second));
      }
    for (const auto& [labels, samples] : got)
      for (const auto& [t, text] : samples) {
        const auto series = allowed.find(labels);
        if (series == allowed.end() || !series->second.contains(t) || series->second.at(t) != text)
          return fail(fmt::format("invented: {} at {}: {}", labels, t, text));
      }
  }

  void check(const model::Matchers& matchers, model::TimeRange range) {
    const auto selection = must(fixture_.store().select(matchers, range));
    const Contents got = read(*selection, range);
    compare(got, expected(matchers, range), expected(matchers, range, ErasedNow::kExpiryStep),
            oldest_kept());
    for (const ModelSeries& one : series_)
      if (one.deleted && got.contains(one.labels.to_string()))
        fail("a deleted series came back: " + one.labels.to_string());
    check_values("instance", matchers, range);
    check_values("cluster", matchers, range);
  }

  void check_values(const std::string& name, const model::Matchers& matchers,
                    model::TimeRange range) {
    std::set<std::string> least;
    std::set<std::string> most;
    for (const ModelSeries& one : series_) {
      // A series all of whose rows were refused may show its labels.
      if (!one.labels.has(name) || !matches_all(matchers, one.labels)) continue;
      if (!one.deleted) most.emplace(one.labels.get(name));
      for (const auto& [t, text] : one.samples)
        if (range.contains(t) && t >= oldest_kept() && !expired(one, t, 0))
          least.emplace(one.labels.get(name));
    }
    const auto values = must(fixture_.store().label_values(name, matchers, range));
    const std::set<std::string> got(values.begin(), values.end());
    if (got.size() != values.size() || !std::is_sorted(values.begin(), values.end()))
      fail("label values are not a sorted set");
    if (!std::includes(got.begin(), got.end(), least.begin(), least.end()))
      fail("a label value is missing");
    if (!std::includes(most.begin(), most.end(), got.begin(), got.end()))
      fail("a label value was invented");
  }

  void check_random() {
    model::TimeRange range;
    if (pick(2) == 0) {
      range.first = now_ - static_cast<TimestampMs>(pick(600'000));
      range.last = range.first + static_cast<TimestampMs>(pick(300'000));
    }
    check(random_matchers(), range);
  }

  /// A selection that lives on while the store changes under it.
  void hold() {
    held_matchers_ = random_matchers();
    held_ = must(fixture_.store().select(held_matchers_, {}));
    held_contents_ = expected(held_matchers_, {});
    held_allowed_ = expected(held_matchers_, {}, ErasedNow::kExpiryStep);
    held_from_ = oldest_kept();
  }

  void check_held() {
    // What was written since, it may show or not, whatever became of it.
    Contents allowed = expected(held_matchers_, {}, ErasedNow::kExpiryStep);
    for (const auto& [labels, samples] : held_allowed_)
      allowed[labels].insert(samples.begin(), samples.end());
    compare(read(*held_, {}), held_contents_, allowed, held_from_);
    if (pick(2) == 0) held_.reset();
  }

  void fail(const std::string& what) {
    if (failure_.empty()) failure_ = fmt::format("step {}: {}", step_, what);
  }

  Random random_;
  FaultFileSystem files_;
  StoreFixture fixture_;
  std::vector<ModelSeries> series_;
  TimestampMs now_ = kNow;
  model::DurationMs short_retention_ = 0;
  int step_ = 0;
  std::string failure_;
  std::unique_ptr<model::Selection> held_;
  model::Matchers held_matchers_;
  Contents held_contents_;
  Contents held_allowed_;
  TimestampMs held_from_ = 0;
};

}  // namespace

TEST_CASE("the store behaves as plain maps do") {
  const bool replay = std::getenv("AERIE_SEED") != nullptr;
  const uint64_t first = test_seed();
  for (uint64_t seed = first; seed < first + (replay ? 1 : kSeeds); ++seed) {
    const std::string failure = Trial(seed).run();
    INFO("AERIE_SEED=" << seed);
    CHECK(failure == "");
    if (!failure.empty()) break;
  }
}

TEST_CASE(
    "readers beside a writer and seals see every acknowledged sample, and only whole histories") {
  StoreFixture fixture;
  fixture.options.partition_span = 2'000;
  fixture.options.future_limit = 0;
  fixture.reopen();
  constexpr int kSeries = 8;
  constexpr int kScrapes = 300;
  std::atomic<int> acknowledged{0};
  std::atomic<bool> done{false};
  std::atomic<int> failures{0};
  const auto labels_of = [](int i) { return Labels{{"__name__", "m"}, {"i", std::to_string(i)}}; };
  const auto read_loop = [&] {
    model::SeriesSamples samples;
    while (!done) {
      const int least = acknowledged;
      const auto selection = fixture.store().select({}, {});
      if (!selection || (least > 0 && (*selection)->size() != kSeries)) {
        ++failures;
        return;
      }
      for (size_t i = 0; i < (*selection)->size(); ++i) {
        bool good = (*selection)->read(i, {}, samples).ok() &&
                    samples.values.size() >= static_cast<size_t>(least);
        for (size_t k = 0; good && k < samples.values.size(); ++k)
          good = samples.values[k] == static_cast<double>(k) &&
                 samples.timestamps[k] == kNow + static_cast<TimestampMs>(k) * 100;
        if (!good) {
          ++failures;
          return;
        }
      }
    }
  };
  std::thread reader(read_loop);
  std::thread second_reader(read_loop);
  for (int scrape = 0; scrape < kScrapes; ++scrape) {
    WriteBatch batch;
    for (int i = 0; i < kSeries; ++i)
      batch.floats.push_back(fixture.row(labels_of(i), kNow + scrape * 100, scrape));
    fixture.write(std::move(batch));
    acknowledged = scrape + 1;
    if (scrape % 30 == 29) must(fixture.store().flush());
  }
  done = true;
  reader.join();
  second_reader.join();
  CHECK(failures == 0);
}
