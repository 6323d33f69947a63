#pragma once

#include <memory>
#include <vector>

#include "store/partition.h"

namespace aerie::store {

/// Orders partitions so that what they hold of a series can be put together by appending: those
/// that overlap in time by their commits, because of two samples of one time the later commit's
/// counts; groups that overlap nobody else by time. What is imported is committed last and lies
/// first.
void into_reading_order(std::vector<std::shared_ptr<const Partition>>& partitions);

}  // namespace aerie::store
