#include "ingest/series_cache.h"

#include <xxhash.h>

#include <algorithm>
#include <mutex>

namespace aerie::ingest {
namespace {

constexpr size_t kFirstSlots = 4096;
constexpr uint32_t kIdleMinutes = 60;
constexpr size_t kPrefetchAhead = 8;

}  // namespace

SeriesKey series_key(std::string_view label_records, uint64_t seed) {
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(label_records.data(), label_records.size(), seed);
  // The all-zero key marks a free slot.
  return {hash.low64 | static_cast<uint64_t>(hash.low64 == 0 && hash.high64 == 0), hash.high64};
}

SeriesCache::SeriesCache(size_t max_entries, const Clock& clock)
    : max_entries_(std::max(max_entries, kFirstSlots)), clock_(clock), slots_(kFirstSlots) {}

uint32_t SeriesCache::now_minutes() const {
  return static_cast<uint32_t>(clock_.monotonic_ns() / 60'000'000'000);
}

void SeriesCache::find(std::span<const SeriesKey> keys, std::span<CachedSeries> found) const {
  const uint32_t minutes = now_minutes();
  const std::shared_lock lock(mutex_);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < std::min(kPrefetchAhead, keys.size()); ++i)
    __builtin_prefetch(&slots_[keys[i].low & mask]);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i + kPrefetchAhead < keys.size())
      __builtin_prefetch(&slots_[keys[i + kPrefetchAhead].low & mask]);
    found[i] = {};
    for (size_t at = keys[i].low & mask;; at = (at + 1) & mask) {
      Slot& slot = slots_[at];
      if (slot.key == SeriesKey{}) break;
      if (slot.key != keys[i]) continue;
      // Readers race only with each other here, and only to store the same minute.
      std::atomic_ref<uint32_t> used(slot.used_and_resolved);
      const uint32_t before = used.load(std::memory_order_relaxed);
      if (before >> 1 != minutes)
        used.store(minutes << 1 | (before & 1), std::memory_order_relaxed);
      found[i] = {slot.handle, slot.sender, (before & 1) != 0};
      break;
    }
  }
}

void SeriesCache::insert(std::span<const Entry> entries) {
  const uint32_t minutes = now_minutes();
  const std::unique_lock lock(mutex_);
  for (const Entry& entry : entries) insert_locked(entry, minutes);
}

void SeriesCache::insert_locked(const Entry& entry, uint32_t minutes) {
  if ((used_ + 1) * 4 > slots_.size() * 3) grow_locked(minutes);
  Slot& slot = slot_of(entry.key);
  if (slot.key == SeriesKey{}) ++used_;
  slot = {entry.key, entry.series.handle, entry.series.sender,
          minutes << 1 | (entry.series.resolved ? 1u : 0u)};
}

SeriesCache::Slot& SeriesCache::slot_of(const SeriesKey& key) {
  const size_t mask = slots_.size() - 1;
  size_t at = key.low & mask;
  while (slots_[at].key != SeriesKey{} && slots_[at].key != key) at = (at + 1) & mask;
  return slots_[at];
}

void SeriesCache::grow_locked(uint32_t minutes) {
  std::vector<Slot> old = std::move(slots_);
  const auto lives = [minutes](const Slot& slot) {
    return slot.key != SeriesKey{} && minutes - (slot.used_and_resolved >> 1) < kIdleMinutes;
  };
  auto living = static_cast<size_t>(std::count_if(old.begin(), old.end(), lives));
  // Past the limit everything is forgotten: the next requests parse their labels once more, and
  // what is in use comes back.
  if (living >= max_entries_) living = 0;
  size_t size = kFirstSlots;
  while (living * 2 >= size) size *= 2;
  slots_ = std::vector<Slot>(size);
  used_ = living;
  if (living == 0) return;
  for (const Slot& slot : old) {
    if (lives(slot)) slot_of(slot.key) = slot;
  }
}

std::map<uint32_t, uint64_t> SeriesCache::count_active(uint32_t window) const {
  const uint32_t minutes = now_minutes();
  std::vector<bool> counted;
  std::vector<uint64_t> of_sender;
  {
    const std::shared_lock lock(mutex_);
    for (Slot& slot : slots_) {
      if (slot.key == SeriesKey{} || slot.sender >= CachedSeries::kDropped) continue;
      const uint32_t used =
          std::atomic_ref<uint32_t>(slot.used_and_resolved).load(std::memory_order_relaxed);
      if ((used & 1) == 0 || minutes - (used >> 1) > window) continue;
      const size_t index = slot.handle.slot;
      if (index >= counted.size()) counted.resize(std::max(index + 1, 2 * counted.size()));
      if (counted[index]) continue;
      counted[index] = true;
      if (slot.sender >= of_sender.size()) of_sender.resize(slot.sender + 1);
      ++of_sender[slot.sender];
    }
  }
  std::map<uint32_t, uint64_t> counts;
  for (uint32_t sender = 0; sender < of_sender.size(); ++sender) {
    if (of_sender[sender] > 0) counts.emplace(sender, of_sender[sender]);
  }
  return counts;
}

size_t SeriesCache::size() const {
  const std::shared_lock lock(mutex_);
  return used_;
}

}  // namespace aerie::ingest
