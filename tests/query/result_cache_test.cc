// What the cache answers is what the engine answers, to the bit.
#include "query/result_cache.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>

#include "query/parser.h"
#include "query/result_json.h"
#include "store/file_system.h"
#include "store/store.h"
#include "tests/query/support/memory_source.h"

namespace aerie::query {
namespace {

constexpr model::TimestampMs kBegin = 1'700'000'000'000;
constexpr model::DurationMs kScrape = 15'000;

const char* const kQueries[] = {
    "m",
    "m{cluster=\"gondor\"}",
    "rate(m[1m])",
    "sum by (cluster) (rate(m[1m]))",
    "sum(m) + on () count(n)",
    "avg by (pod) (m) > 50",
    "topk(2, m)",
    "m * on (cluster, pod) group_left (node) n",
    "sum by (node) (rate(m[1m]) * on (cluster, pod) group_left (node) n)",
    "max_over_time(sum by (cluster) (m)[2m:30s])",
    "m offset 1m - m",
    "m{cluster=\"rohan\"} offset -45s",
    "absent(m{cluster=\"rohan\", pod=\"p1\"})",
    "sum(m) or vector(0)",
    "m - m @ 1700000100",
    "stddev_over_time(m[2m])",
    "quantile by (cluster) (0.9, m)",
    "count_values(\"v\", round(m, 20))",
    "label_replace(m, \"q\", \"$1\", \"pod\", \"p(.*)\")",
    "{__name__=~\"m|n\"}",
    "rate({__name__=~\"m|n\"}[1m])",
    "m @ end()",
    "m + on (pod) n",
    "time()",
    "sum(sum by (pod) (m))",
};

std::string text_of(const Result<QueryResult>& result) {
  if (!result) return "error: " + result.error().message();
  std::string out;
  append_result(out, result->value, 0);
  for (const auto& text : result->annotations.warnings) out += "\nwarning " + text;
  for (const auto& text : result->annotations.infos) out += "\ninfo " + text;
  return out;
}

/// Bits, not digits: what JSON writes alike may differ in NaN payloads.
std::string bits_of(const Result<QueryResult>& result) {
  std::string out = text_of(result);
  if (!result) return out;
  for (const MatrixSeries& series : std::get<MatrixValue>(result->value))
    out.append(reinterpret_cast<const char*>(series.values.data()),
               series.values.size() * sizeof(double));
  return out;
}

model::Labels labels_of(const char* name, const char* cluster, const char* pod,
                        const char* node = "") {
  return model::Labels({{"__name__", name}, {"cluster", cluster}, {"pod", pod}, {"node", node}});
}

uint64_t seed_of_test() {
  const char* text = std::getenv("AERIE_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

/// Asks the cache and the engine the same, again and again at a `now` that moves.
class Asker {
 public:
  Asker(const Engine& engine, const store::Changes* changes)
      : engine_(engine), cache_({8u << 20, nullptr}, engine, changes) {}

  /// Empty if both agree.
  std::string ask(std::mt19937_64& random, model::TimestampMs now,
                  const model::SampleSource* source) {
    const char* query = kQueries[random() % std::size(kQueries)];
    const model::DurationMs step = random() % 2 == 0 ? 15'000 : 60'000;
    ResultCache::Range range;
    range.step = step;
    range.end = now - now % step + (random() % 8 == 0 ? 7'000 : 0);
    range.start = range.end - static_cast<int64_t>(1 + random() % 20) * step;
    QueryLimits limits;
    limits.source = source;
    CacheUse use;
    const auto expr = parse_expr(query);
    REQUIRE(expr.ok());
    limits.text = query;
    const auto cached = cache_.range(**expr, range, "", limits, use);
    const auto plain = engine_.range(query, range.start, range.end, range.step, limits);
    reused_ += use.reused_steps;
    if (bits_of(cached) == bits_of(plain)) return {};
    return std::string(query) + " " + std::to_string(range.start) + "-" +
           std::to_string(range.end) + "\ncached " + text_of(cached) + "\nplain  " + text_of(plain);
  }
  size_t reused() const { return reused_; }

 private:
  const Engine& engine_;
  ResultCache cache_;
  size_t reused_ = 0;
};

/// Series in memory, changed at random, with deletions.
class MemoryTrial {
 public:
  explicit MemoryTrial(uint64_t seed) : random_(seed) {}

  std::string run() {
    const ManualClock clock(kBegin);
    const MemorySource nothing;
    const Engine engine({}, nothing, clock);
    Asker asker(engine, &changes_);
    for (int round = 0; round < 150; ++round) {
      now_ += static_cast<int64_t>(random_() % 20'000);
      for (int i = 0; i < 4; ++i) change();
      const MemorySource source = snapshot();
      for (int i = 0; i < 3; ++i)
        if (auto failure = asker.ask(random_, now_, &source); !failure.empty()) return failure;
    }
    if (asker.reused() == 0) return "nothing was ever reused";
    return {};
  }

 private:
  const char* pick(std::initializer_list<const char*> words) {
    return *(words.begin() + random_() % words.size());
  }

  void change() {
    const char* cluster = pick({"gondor", "rohan", ""});
    const bool info = random_() % 5 == 0;
    const model::Labels labels = info
                                     ? labels_of("n", cluster, pick({"p1", "p2"}), pick({"x", "y"}))
                                     : labels_of("m", cluster, pick({"p1", "p2", "p3"}));
    auto& samples = data_[labels];
    const uint64_t kind = random_() % 40;
    if (kind == 0) {  // deletion
      const model::TimestampMs from = now_ - static_cast<int64_t>(random_() % 600'000);
      samples.erase(samples.lower_bound(from), samples.end());
      if (random_() % 2 == 0) {
        changes_.note(cluster, from);
      } else {
        changes_.note_everything();
      }
      return;
    }
    model::TimestampMs t = now_ - static_cast<int64_t>(random_() % 5'000);
    if (kind == 1) t = now_ - static_cast<int64_t>(random_() % 900'000);  // late
    if (kind == 2) t = now_ + static_cast<int64_t>(random_() % 60'000);   // ahead
    samples.insert({t, static_cast<double>(random_() % 1000) / 7});
    changes_.note(cluster, t);
  }

  MemorySource snapshot() const {
    MemorySource out;
    for (const auto& [labels, samples] : data_) {
      model::SeriesSamples columns;
      for (const auto& [t, value] : samples) {
        columns.timestamps.push_back(t);
        columns.values.push_back(value);
      }
      if (!samples.empty()) out.add(labels, std::move(columns));
    }
    return out;
  }

  struct ByLabels {
    bool operator()(const model::Labels& a, const model::Labels& b) const { return (a <=> b) < 0; }
  };
  std::mt19937_64 random_;
  model::TimestampMs now_ = kBegin;
  store::Changes changes_;
  std::map<model::Labels, std::map<model::TimestampMs, double>, ByLabels> data_;
};

TEST_CASE("cached answers are the engine's while samples come late, ahead and go") {
  const uint64_t first = seed_of_test();
  for (uint64_t seed = first; seed < first + (std::getenv("AERIE_SEED") != nullptr ? 1 : 12);
       ++seed) {
    INFO("AERIE_SEED=" << seed);
    CHECK(MemoryTrial(seed).run() == "");
  }
}

/// A real store: live samples, late ones, imports, sealing in between.
class StoreTrial {
 public:
  explicit StoreTrial(uint64_t seed) : random_(seed) {
    std::string pattern = (std::filesystem::temp_directory_path() / "result-cache-XXXXXX").string();
    AERIE_CHECK(mkdtemp(pattern.data()), "no temporary folder");
    folder_ = pattern;
    store::StoreOptions options;
    options.path = folder_ + "/data";
    options.sync = store::SyncMode::Off;
    options.background_seal = false;
    auto opened = store::Store::open(std::move(options), clock_, files_, metrics_);
    AERIE_CHECK(opened.ok(), opened.ok() ? "" : opened.error().message());
    store_ = std::move(*opened);
  }
  ~StoreTrial() {
    store_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  StoreTrial(const StoreTrial&) = delete;
  StoreTrial& operator=(const StoreTrial&) = delete;

  std::string run() {
    const Engine engine({}, *store_, clock_);
    Asker asker(engine, store_->changes());
    for (int round = 0; round < 120; ++round) {
      clock_.advance(std::chrono::milliseconds(kScrape));
      scrape();
      if (random_() % 10 == 0) write_late(store::WriteBatch::kStoresWindow, 1'800'000);
      if (random_() % 20 == 0) write_late(store::WriteBatch::kBackfill, 7'200'000);
      if (random_() % 25 == 0 && !store_->flush()) return "flush failed";
      for (int i = 0; i < 3; ++i)
        if (auto failure = asker.ask(random_, clock_.now_ms(), store_.get()); !failure.empty())
          return failure;
    }
    if (asker.reused() == 0) return "nothing was ever reused";
    return {};
  }

 private:
  void append(store::WriteBatch batch) {
    const auto outcome = store_->append_and_wait(std::move(batch));
    AERIE_CHECK(outcome.ok(), outcome.ok() ? "" : outcome.error().message());
  }
  void scrape() {
    for (const char* cluster : {"gondor", "rohan"}) {
      store::WriteBatch batch;
      const model::TimestampMs t = clock_.now_ms() - static_cast<int64_t>(random_() % 3'000);
      for (const char* pod : {"p1", "p2", "p3"}) {
        if (random_() % 10 == 0) continue;
        batch.floats.push_back({store_->resolve(labels_of("m", cluster, pod)), t,
                                static_cast<double>(random_() % 1000) / 7});
        batch.floats.push_back({store_->resolve(labels_of("n", cluster, pod, "x")), t, 1});
      }
      append(std::move(batch));
    }
  }
  void write_late(model::DurationMs window, int64_t most) {
    store::WriteBatch batch;
    batch.late_window = window;
    const char* cluster = random_() % 2 == 0 ? "gondor" : "rohan";
    batch.floats.push_back({store_->resolve(labels_of("m", cluster, "p1")),
                            clock_.now_ms() - static_cast<int64_t>(random_() % most), 1.5});
    append(std::move(batch));
  }

  std::mt19937_64 random_;
  ManualClock clock_{kBegin};
  store::PosixFileSystem files_;
  MetricRegistry metrics_;
  std::string folder_;
  std::unique_ptr<store::Store> store_;
};

TEST_CASE("cached answers are the engine's over a store with late samples and imports") {
  const uint64_t first = seed_of_test();
  for (uint64_t seed = first; seed < first + (std::getenv("AERIE_SEED") != nullptr ? 1 : 4);
       ++seed) {
    INFO("AERIE_SEED=" << seed);
    CHECK(StoreTrial(seed).run() == "");
  }
}

struct Fixture {
  ManualClock clock{kBegin};
  MemorySource source;
  store::Changes changes;
  Engine engine{{}, source, clock};
  ResultCache cache{{1u << 20, nullptr}, engine, &changes};

  Fixture() {
    for (const char* cluster : {"gondor", "rohan"})
      source.add(labels_of("m", cluster, "p"), kBegin, 60'000, std::vector<double>(30, 1.0));
  }
  CacheUse ask(std::string_view query, model::TimestampMs first_step, model::TimestampMs last_step,
               std::string_view scope = "") {
    CacheUse use;
    const ResultCache::Range range{kBegin + first_step * 60'000, kBegin + last_step * 60'000,
                                   60'000};
    const auto expr = parse_expr(query);
    REQUIRE(expr.ok());
    const CacheUse looked = cache.look(**expr, range, scope, {});
    CHECK(cache.range(**expr, range, scope, {}, use).ok());
    if (use.state != "unusable") CHECK(looked.reused_steps == use.reused_steps);
    return use;
  }
};

TEST_CASE("a window that moves is evaluated at its end only") {
  Fixture f;
  CHECK(f.ask("m", 0, 9).state == "miss");
  CHECK(f.ask("m", 0, 9).state == "hit");
  const CacheUse moved = f.ask(" m ", 2, 11);
  CHECK(moved.state == "partial");
  CHECK(moved.reused_steps == 8);
  CHECK(moved.evaluated_steps == 2);
  CHECK(f.ask("m", 4, 8).state == "hit");
  CHECK(f.ask("m", 2, 11).state == "hit");   // the shorter one did not shorten it
  CHECK(f.ask("m", 0, 11).state == "miss");  // the beginning is gone
  CHECK(f.ask("m", 0, 9, "tenant").state == "miss");
}

TEST_CASE("a change counts for the clusters that a query selects, from its time on") {
  Fixture f;
  f.ask("m{cluster=\"gondor\"}", 0, 9);
  f.ask("m{cluster=\"rohan\"}", 0, 9);
  f.ask("m{cluster=\"rohan\"} offset 2m", 0, 9);
  f.changes.note("rohan", kBegin + 6 * 60'000);
  CHECK(f.ask("m{cluster=\"gondor\"}", 0, 9).state == "hit");
  CHECK(f.ask("m{cluster=\"rohan\"}", 0, 9).reused_steps == 6);
  CHECK(f.ask("m{cluster=\"rohan\"} offset 2m", 0, 9).reused_steps == 8);
  f.changes.note_everything();
  CHECK(f.ask("m{cluster=\"gondor\"}", 0, 9).state == "miss");
}

TEST_CASE("notices, histograms and errors are never put together") {
  Fixture f;
  CHECK(f.ask("rate(m[5m])", 0, 9).state == "unusable");  // may not be a counter
  CHECK(f.ask("m @ end()", 0, 9).state == "bypass");
  CacheUse use;
  const auto series = parse_expr("m");
  REQUIRE(series.ok());
  const auto broken = f.cache.range(**series, {kBegin, kBegin - 1, 60'000}, "", {}, use);
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.error().code() == ErrorCode::InvalidArgument);
  ResultCache off({0, nullptr}, f.engine, &f.changes);
  CHECK(off.range(**series, {kBegin, kBegin, 60'000}, "", {}, use).ok());
  CHECK(use.state == "bypass");
}

TEST_CASE("the cache stays within its bytes") {
  Fixture f;
  for (int i = 0; i < 3000; ++i) f.ask("m + " + std::to_string(i), 0, 9);
  CHECK(f.cache.bytes() <= 1u << 20);
  CHECK(f.cache.bytes() > 1u << 19);
}

}  // namespace
}  // namespace aerie::query
