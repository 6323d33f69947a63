#include "store/head_erasures.h"

#include <algorithm>

namespace aerie::store {

TimeRanges HeadErasures::ranges(const HeadBlock& block, const model::Labels& labels) const {
  if (!erasures_) return {};
  return erasures_->ranges(labels, block.erasures(), block.span());
}

bool HeadErasures::hides(const HeadBlock& block, const model::Labels& labels) const {
  const TimeRanges erased = ranges(block, labels);
  const model::TimeRange extent = block.extent();
  return !erased.empty() &&
         covers(erased, {std::max(extent.first, range_.first), std::min(extent.last, range_.last)});
}

void HeadErasures::read(const HeadBlock& block, uint32_t slot, const Column& column,
                        const model::Labels& labels, model::TimeRange range,
                        model::SeriesSamples& out) const {
  const TimeRanges erased = ranges(block, labels);
  if (erased.empty()) return block.read(slot, column, range, out);
  model::SeriesSamples some;
  block.read(slot, column, range, some);
  erase_samples(some, erased);
  model::merge_samples(out, std::move(some));
}

}  // namespace aerie::store
