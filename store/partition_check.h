#pragma once

#include "store/check.h"
#include "store/partition.h"

namespace aerie::store {

/// Reads all of one partition: its files past the cache, counts against the commit record, order
/// and labels of series, postings both ways, clocks, every column. Adds to `report`; a partition
/// with a problem is marked as damaged. False when `pace` said stop.
bool check_partition(const Partition& partition, const RocksDatabase& database,
                     const CheckPace& pace, CheckReport& report);

}  // namespace aerie::store
