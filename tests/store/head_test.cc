#include "store/head.h"

#include <atomic>
#include <bit>
#include <map>
#include <random>
#include <thread>

#include "tests/store/support/partitions.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

constexpr model::DurationMs kSpan = 1'800'000;

struct HeadFixture {
  Head head{Head::Options{kSpan}};
  LogPosition position = 0;

  SeriesHandle series(int n) {
    return head.index().resolve({{"__name__", "m"}, {"n", std::to_string(n)}});
  }
  void write(std::vector<FloatRow> rows) {
    WriteBatch batch;
    batch.floats = std::move(rows);
    WriteOutcome outcome;
    head.apply(position++, 0, batch, nullptr, outcome);
    REQUIRE(outcome.rejected_total() == 0);
  }
  model::SeriesSamples read(SeriesHandle handle, model::TimeRange range = {}) {
    model::SeriesSamples out;
    const auto blocks = head.blocks();
    for (const auto& block : *blocks) {
      if (const Column* column = block->find(handle.slot))
        block->read(handle.slot, *column, range, out);
    }
    return out;
  }
};

/// A plausible walk of one kind of metric.
double next_value(int kind, double value, std::mt19937_64& random) {
  switch (kind % 6) {
    case 0: return 1;                                                 // constant
    case 1: return value + static_cast<double>(random() % 1000);      // counter
    case 2: return random() % 20 == 0 ? value + 1 : value;            // rarely changes
    case 3: return static_cast<double>(random() % 10'000) / 100;      // decimals
    case 4: return std::bit_cast<double>(random());                   // anything
    default: return random() % 3 == 0 ? value * 1e6 + 1 : value + 1;  // outgrows its width
  }
}

}  // namespace

TEST_CASE("random series are read back bit for bit, in any range") {
  const uint64_t seed = test_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  HeadFixture fixture;
  constexpr int kSeries = 60;
  std::map<int, std::vector<std::pair<int64_t, uint64_t>>> expected;
  std::vector<double> values(kSeries, 0);
  int64_t t = -3 * kSpan;
  for (int scrape = 0; scrape < 300; ++scrape) {
    t += random() % 40 == 0 ? static_cast<int64_t>(random() % (2 * kSpan)) : 15'000;
    std::vector<FloatRow> rows;
    for (int n = 0; n < kSeries; ++n) {
      if (random() % 50 == 0) continue;  // missed the scrape
      const int64_t mine =
          n % 10 == 9 ? t + static_cast<int64_t>(random() % 100) : t;  // a time of its own
      values[static_cast<size_t>(n)] = next_value(n, values[static_cast<size_t>(n)], random);
      rows.push_back({fixture.series(n), mine, values[static_cast<size_t>(n)]});
      expected[n].emplace_back(mine, std::bit_cast<uint64_t>(values[static_cast<size_t>(n)]));
    }
    std::shuffle(rows.begin(), rows.end(), random);
    fixture.write(std::move(rows));
  }
  for (int n = 0; n < kSeries; ++n) {
    for (int tries = 0; tries < 20; ++tries) {
      model::TimeRange range;
      if (tries > 0) {
        const auto& some = expected[n];
        range.first = some[random() % some.size()].first + static_cast<int64_t>(random() % 3) - 1;
        range.last = some[random() % some.size()].first + static_cast<int64_t>(random() % 3) - 1;
      }
      const model::SeriesSamples got = fixture.read(fixture.series(n), range);
      std::vector<std::pair<int64_t, uint64_t>> samples;
      for (size_t i = 0; i < got.values.size(); ++i) {
        samples.emplace_back(got.timestamps[i], std::bit_cast<uint64_t>(got.values[i]));
      }
      std::vector<std::pair<int64_t, uint64_t>> want;
      for (const auto& one : expected[n]) {
        if (range.contains(one.first)) want.push_back(one);
      }
      REQUIRE(samples == want);
    }
  }
}

TEST_CASE("series that share timestamps share a clock: a constant series costs next to nothing") {
  HeadFixture fixture;
  constexpr int kSeries = 2000;
  for (int scrape = 0; scrape < 100; ++scrape) {
    std::vector<FloatRow> rows;
    for (int n = 0; n < kSeries; ++n) rows.push_back({fixture.series(n), scrape * 15'000, 7.5});
    fixture.write(std::move(rows));
  }
  size_t bytes = 0;
  const auto blocks = fixture.head.blocks();
  for (const auto& block : *blocks) bytes += block->bytes();
  CHECK(fixture.head.samples() == 100 * kSeries);
  CHECK(bytes / kSeries < 100);
}

TEST_CASE("readers see a growing prefix while the writer appends") {
  HeadFixture fixture;
  std::vector<SeriesHandle> handles;
  for (int n = 0; n < 12; ++n) handles.push_back(fixture.series(n));
  const auto value_of = [](size_t n, int64_t i) {
    return n % 3 == 0   ? 1.0
           : n % 3 == 1 ? static_cast<double>(i * 1000)
                        : static_cast<double>(i) / 7;
  };
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      std::vector<size_t> seen(handles.size());
      while (!stop) {
        for (size_t n = 0; n < handles.size(); ++n) {
          const auto got = fixture.read(handles[n]);
          if (got.values.size() < seen[n] || got.values.size() != got.timestamps.size()) ++wrong;
          seen[n] = got.values.size();
          for (size_t i = 0; i < got.values.size(); ++i) {
            const auto at = static_cast<int64_t>(i);
            if (got.timestamps[i] != at * 10 || got.values[i] != value_of(n, at)) ++wrong;
          }
        }
      }
    });
  }
  for (int64_t i = 0; i < 3000; ++i) {
    std::vector<FloatRow> rows;
    for (size_t n = 0; n < handles.size(); ++n)
      rows.push_back({handles[n], i * 10, value_of(n, i)});
    fixture.write(std::move(rows));
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(wrong == 0);
}

TEST_CASE("a series may change kind between floats and histograms") {
  HeadFixture fixture;
  const SeriesHandle handle = fixture.series(1);
  auto histogram = std::make_shared<model::NativeHistogram>();
  histogram->count = 3;
  for (int i = 0; i < 30; ++i) {
    if (i % 5 < 2) {
      WriteBatch batch;
      batch.histograms.push_back({handle, i * 10, histogram});
      WriteOutcome outcome;
      fixture.head.apply(fixture.position++, 0, batch, nullptr, outcome);
      CHECK(outcome.histograms_written == 1);
    } else {
      fixture.write({{handle, i * 10, 1.5}});
    }
  }
  const auto got = fixture.read(handle);
  CHECK(got.values.size() == 18);
  REQUIRE(got.histograms.size() == 12);
  CHECK(got.histograms[11].t == 260);
  CHECK(got.histograms[10].histogram->reset_hint == model::ResetHint::Unknown);
  histogram->reset_hint = model::ResetHint::No;  // it follows one of its kind
  CHECK(*got.histograms[11].histogram == *histogram);
}

TEST_CASE("detached blocks stay readable and later samples go to new ones") {
  HeadFixture fixture;
  const SeriesHandle handle = fixture.series(1);
  fixture.write({{handle, 0, 1}, {handle, 10, 2}});
  const auto cut = fixture.head.detach([](const HeadBlock&) { return true; });
  REQUIRE(cut.size() == 1);
  fixture.write({{handle, 20, 3}});
  CHECK(fixture.read(handle).values == std::vector<double>{1, 2, 3});
  CHECK(fixture.head.first_unsealed(99) == 0);
  fixture.head.drop(cut[0]);
  CHECK(fixture.read(handle).values == std::vector<double>{3});
  CHECK(fixture.head.first_unsealed(99) == 1);
  const auto rest = fixture.head.detach([](const HeadBlock&) { return true; });
  fixture.head.drop(rest[0]);
  CHECK(fixture.head.first_unsealed(99) == 99);
  CHECK(fixture.head.samples() == 0);
}

TEST_CASE("the index frees what nobody carries any more") {
  HeadFixture fixture;
  for (int n = 0; n < 500; ++n) fixture.write({{fixture.series(n), 0, 1}});
  for (const auto& block : fixture.head.detach([](const HeadBlock&) { return true; }))
    fixture.head.drop(block);
  fixture.write({{fixture.series(7), kSpan * 2, 1}});
  CHECK(fixture.head.sweep(kSpan) == 499);
  CHECK(fixture.head.index().size() == 1);
  CHECK(fixture.head.index().label_values("n", {}) == std::vector<std::string>{"7"});
  CHECK(fixture.head.index().slot_limit() == 500);
  fixture.head.index().reuse_removed();
  for (int n = 1000; n < 1400; ++n) fixture.series(n);
  CHECK(fixture.head.index().slot_limit() == 500);  // slots are used again
  CHECK(fixture.head.index().handles({model::Matcher::equal("n", "1399")}).size() == 1);
  CHECK(fixture.head.index().handles({model::Matcher::equal("n", "6")}).empty());
}

TEST_CASE("a snapshot restored into another head decides the same") {
  HeadFixture fixture;
  fixture.write({{fixture.series(1), 100, 1}, {fixture.series(2), 200, 2}});
  for (int n = 1; n <= 2; ++n) fixture.head.index().state(fixture.series(n).slot)->defined = true;
  uint32_t from = 0;
  HeadFixture other;
  for (const SeriesSnapshot& one : fixture.head.snapshot(from, 10)) other.head.restore(one);
  WriteBatch batch;
  batch.floats = {{other.series(1), 100, 1}, {other.series(1), 99, 1}, {other.series(2), 200, 3}};
  WriteOutcome outcome;
  other.head.apply(0, 0, batch, nullptr, outcome);
  CHECK(outcome.floats_written == 1);
  CHECK(outcome.rejected_total() == 2);
  CHECK(other.head.samples() == 0);
}
