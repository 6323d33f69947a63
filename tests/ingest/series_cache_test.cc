#include "ingest/series_cache.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <string>

using namespace aerie::ingest;

namespace {

SeriesKey key_of(uint32_t number) { return series_key("series " + std::to_string(number), 7); }

}  // namespace

TEST_CASE("keys depend on the bytes and on the seed") {
  CHECK(series_key("a", 1) == series_key("a", 1));
  CHECK(!(series_key("a", 1) == series_key("b", 1)));
  CHECK(!(series_key("a", 1) == series_key("a", 2)));
}

TEST_CASE("what was inserted is found while the table grows") {
  aerie::ManualClock clock(0);
  SeriesCache cache(1 << 20, clock);
  constexpr uint32_t kSeries = 50'000;
  std::vector<SeriesKey> keys;
  std::vector<SeriesCache::Entry> entries;
  for (uint32_t i = 0; i < kSeries; ++i) {
    keys.push_back(key_of(i));
    entries.push_back({keys.back(), {{i, i + 1}, i % 3, i % 2 == 0}});
  }
  cache.insert(entries);
  CHECK(cache.size() == kSeries);
  cache.insert(entries);
  CHECK(cache.size() == kSeries);
  std::vector<CachedSeries> found(kSeries);
  cache.find(keys, found);
  size_t wrong = 0;
  for (uint32_t i = 0; i < kSeries; ++i) {
    const bool right = found[i].handle.slot == i && found[i].handle.generation == i + 1 &&
                       found[i].sender == i % 3 && found[i].resolved == (i % 2 == 0);
    wrong += right ? 0 : 1;
  }
  CHECK(wrong == 0);
  const std::vector<SeriesKey> unknown = {key_of(kSeries)};
  found.resize(1);
  cache.find(unknown, found);
  CHECK(found[0].sender == CachedSeries::kUnknown);
}

TEST_CASE("a replaced entry has the new handle") {
  aerie::ManualClock clock(0);
  SeriesCache cache(100, clock);
  const SeriesCache::Entry before[] = {{key_of(1), {{1, 1}, 0, false}}};
  const SeriesCache::Entry after[] = {{key_of(1), {{5, 2}, 0, true}}};
  cache.insert(before);
  cache.insert(after);
  CHECK(cache.size() == 1);
  const SeriesKey keys[] = {key_of(1)};
  CachedSeries found[1];
  cache.find(keys, found);
  CHECK(found[0].handle == aerie::store::SeriesHandle{5, 2});
  CHECK(found[0].resolved);
}

TEST_CASE("series not seen for an hour make room, the others stay") {
  aerie::ManualClock clock(0);
  SeriesCache cache(1 << 20, clock);
  const auto insert = [&](uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; ++i) {
      const SeriesCache::Entry entry[] = {{key_of(i), {{i, 1}, 0, true}}};
      cache.insert(entry);
    }
  };
  insert(0, 3000);
  clock.advance(std::chrono::minutes(50));
  const SeriesKey used[] = {key_of(1), key_of(2)};
  CachedSeries found[2];
  cache.find(used, found);
  clock.advance(std::chrono::minutes(20));
  insert(10'000, 2000);  // has to make room
  CHECK(cache.size() < 3000);
  cache.find(used, found);
  CHECK(found[0].handle.slot == 1);
  CHECK(found[1].handle.slot == 2);
}

TEST_CASE("past the limit it starts again") {
  aerie::ManualClock clock(0);
  SeriesCache cache(4096, clock);
  for (uint32_t i = 0; i < 20'000; ++i) {
    const SeriesCache::Entry entry[] = {{key_of(i), {{i, 1}, 0, true}}};
    cache.insert(entry);
  }
  CHECK(cache.size() <= 8192);
  const SeriesKey last[] = {key_of(19'999)};
  CachedSeries found[1];
  cache.find(last, found);
  CHECK(found[0].handle.slot == 19'999);
}
