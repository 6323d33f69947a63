#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "model/matcher.h"
#include "store/byte_cache.h"
#include "store/column_group.h"
#include "store/partition.h"
#include "store/series_table.h"

namespace aerie::store {

/// What reading the partitions of one set leaves behind for the next query: which series met which
/// matchers, unpacked column groups, decoded clocks. Keys name immutable things by the ids of their
/// partitions, so nothing in here is ever out of date. Bounded; thread-safe.
/// docs/decisions/0140.
class ReadCache {
 public:
  using Partitions = std::vector<std::shared_ptr<const Partition>>;

  /// The series of `partitions` that meet all matchers; places count in `partitions`.
  /// Errors: Corruption, IoError.
  Result<std::shared_ptr<const SeriesTable>> table(const model::Matchers& matchers,
                                                   const Partitions& partitions);
  Result<std::shared_ptr<const ColumnGroup>> group(const Partition& partition, uint32_t number);
  Result<std::shared_ptr<const Partition::Clock>> clock(const Partition& partition,
                                                        uint32_t number);
  size_t bytes() const { return tables_.bytes() + groups_.bytes() + clocks_.bytes(); }

 private:
  static constexpr size_t kTableBytes = 32u << 20;
  static constexpr size_t kGroupBytes = 32u << 20;
  static constexpr size_t kClockBytes = 8u << 20;

  ByteCache<std::string, SeriesTable> tables_{kTableBytes};
  ByteCache<uint64_t, ColumnGroup> groups_{kGroupBytes};
  ByteCache<uint64_t, Partition::Clock> clocks_{kClockBytes};
};

}  // namespace aerie::store
