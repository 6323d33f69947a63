#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/guarded.h"
#include "base/result.h"
#include "model/sample.h"
#include "model/time.h"
#include "store/bucket_chain.h"
#include "store/partition.h"
#include "store/read_cache.h"

namespace aerie::store {

/// Reads series of a fixed list of partitions and remembers recently used groups and clocks: for
/// series that are read in the order in which they lie. Thread-safe; loading happens outside the
/// locks.
class SeriesReader {
 public:
  SeriesReader() = default;  ///< for one pass over everything: leaves no trace in a shared cache
  /// What `shared` (outlives the reader) knows is not loaded again, what is loaded is left there.
  explicit SeriesReader(ReadCache& shared) : shared_(&shared) {}

  /// Appends the samples of `range` (both ends inclusive) of series number `series`. `place` is the
  /// partition's number in the list. Errors: Corruption, IoError, naming partition and series.
  Status read(const Partition& partition, uint32_t place, uint32_t series, model::TimeRange range,
              model::SeriesSamples& out);

 private:
  using GroupPtr = std::shared_ptr<const ColumnGroup>;
  using ClockPtr = std::shared_ptr<const Partition::Clock>;
  using ChainPtr = std::shared_ptr<const BucketChain>;
  static constexpr size_t kMaxGroups = 512;        // of 32 KiB, rarely more
  static constexpr size_t kMaxRows = 4u << 20;     // 32 MiB of timestamps
  static constexpr size_t kMaxChained = 4u << 20;  // 32 MiB of values
  struct Clocks {
    std::unordered_map<uint64_t, ClockPtr> by_key;
    size_t rows = 0;
  };
  // A series is read from all its partitions before the next: a table in which groups of two
  // partitions displace each other would decompress a group for every series.
  using Groups = std::unordered_map<uint64_t, GroupPtr>;

  struct Chains {
    std::unordered_map<uint64_t, ChainPtr> by_series;
    size_t values = 0;
  };

  Result<ChainPtr> chain(const ColumnGroup& group, uint32_t place, uint32_t series, size_t rows);
  Result<GroupPtr> group(const Partition& partition, uint32_t place, uint32_t number);
  Result<ClockPtr> clock(const Partition& partition, uint32_t place, uint32_t number);

  ReadCache* const shared_ = nullptr;
  Guarded<Groups> groups_;
  Guarded<Clocks> clocks_;
  Guarded<Chains> chains_;
};

/// Of the newest and the oldest sample; the end of time that is far from any if there is none.
model::TimestampMs last_time(const model::SeriesSamples& samples);
model::TimestampMs first_time(const model::SeriesSamples& samples);

}  // namespace aerie::store
