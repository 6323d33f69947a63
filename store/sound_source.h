#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "model/sample_source.h"
#include "store/damage.h"
#include "store/partition.h"

namespace aerie::store {

/// A source over those of `partitions` that can be read: one that turns out to be damaged while an
/// answer is prepared is left out of it. `left_out` were so before. Selections say what is missing.
std::shared_ptr<const model::SampleSource> make_sound_source(
    std::vector<std::shared_ptr<const Partition>> partitions, std::shared_ptr<ReadCache> cache,
    std::shared_ptr<const Erasures> erasures, std::vector<DamagedPartition> left_out);

}  // namespace aerie::store
