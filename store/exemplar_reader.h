#pragma once

#include <functional>
#include <map>
#include <vector>

#include "base/result.h"
#include "model/sample_source.h"
#include "store/erasures.h"
#include "store/partition.h"

namespace aerie::store {

using FoundExemplars = std::map<model::Labels, std::vector<model::Exemplar>>;

/// Adds the exemplars of `range` of the series that match one of `selectors`, but for those that
/// `erasures` (may be null) take; the index is not read where there are no exemplars. Errors:
/// Corruption, IoError, naming the partition.
Status find_exemplars(const Partition& partition, const std::vector<model::Matchers>& selectors,
                      model::TimeRange range, const ErasuresPtr& erasures, FoundExemplars& found);

/// What was found, sorted and without repeats; series without any are left out.
std::vector<model::SeriesExemplars> tidy(FoundExemplars found);

}  // namespace aerie::store
