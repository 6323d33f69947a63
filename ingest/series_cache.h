#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <shared_mutex>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "store/write_batch.h"

namespace aerie::ingest {

/// A series as one sender encodes it. 128 bits are taken as identity: two of 10^9 series collide
/// with probability 10^-21.
struct SeriesKey {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const SeriesKey&) const = default;
};

/// XXH3-128 of the label bytes as sent. `seed` holds what else decides which series the bytes mean
/// (the sender's binding), and is random per process, so that nobody can construct collisions. A
/// sender encodes a series the same way every time.
SeriesKey series_key(std::string_view label_records, uint64_t seed);

/// What a key stands for.
struct CachedSeries {
  static constexpr uint32_t kUnknown = UINT32_MAX;
  static constexpr uint32_t kDropped = UINT32_MAX - 1;  ///< relabelling drops it
  store::SeriesHandle handle;
  uint32_t sender = kUnknown;  ///< id in the SenderTable; kUnknown: not in the cache
  bool resolved = false;  ///< false: labels are good, but the store was not asked for a handle yet
};

/// From label bytes to series without parsing them. One open-addressed table (32 bytes an entry)
/// behind one reader-writer lock that is taken once per request, not once per series. Thread-safe,
/// lock rank 20. Entries not used for an hour are dropped when the table would have to grow.
class SeriesCache {
 public:
  SeriesCache(size_t max_entries, const Clock& clock);  // `clock` outlives the cache
  SeriesCache(const SeriesCache&) = delete;
  SeriesCache& operator=(const SeriesCache&) = delete;

  /// Looks up all keys; `found` has the same length and receives the answers.
  void find(std::span<const SeriesKey> keys, std::span<CachedSeries> found) const;

  struct Entry {
    SeriesKey key;
    CachedSeries series;
  };
  /// Adds or replaces.
  void insert(std::span<const Entry> entries);
  size_t size() const;
  /// How many series each sender has had a sample of in the last `minutes`; series that several
  /// keys stand for count once. Walks the whole table (20 ms per million) under the reader lock.
  std::map<uint32_t, uint64_t> count_active(uint32_t minutes) const;

 private:
  struct Slot {
    SeriesKey key;  // both halves zero: free
    store::SeriesHandle handle;
    uint32_t sender = 0;
    uint32_t used_and_resolved =
        0;  // minutes << 1 | resolved; written under the shared lock through atomic_ref
  };
  static_assert(sizeof(Slot) == 32);

  uint32_t now_minutes() const;
  void insert_locked(const Entry& entry, uint32_t minutes);
  void grow_locked(uint32_t minutes);
  Slot& slot_of(const SeriesKey& key);

  const size_t max_entries_;
  const Clock& clock_;
  mutable std::shared_mutex mutex_;
  mutable std::vector<Slot> slots_;  // size is a power of two; mutable for the time of last use
  size_t used_ = 0;
};

}  // namespace aerie::ingest
