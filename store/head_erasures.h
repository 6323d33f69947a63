#pragma once

#include <utility>

#include "model/labels.h"
#include "model/time.h"
#include "store/erasures.h"
#include "store/head_block.h"

namespace aerie::store {

/// What erasures take from head blocks. Constant, cheap where nothing is erased.
class HeadErasures {
 public:
  HeadErasures() = default;
  /// `range` is what is asked for.
  HeadErasures(ErasuresPtr erasures, model::TimeRange range)
      : erasures_(std::move(erasures)), range_(range) {}

  /// True if nothing of the series can be seen in the block within the range.
  bool hides(const HeadBlock& block, const model::Labels& labels) const;
  /// What is erased of a series, within the span of the block.
  TimeRanges ranges(const HeadBlock& block, const model::Labels& labels) const;
  /// Adds what is left of the samples of one series, of `range`, to `out`, which must end before
  /// the block's extent; `column` is that of `slot`.
  void read(const HeadBlock& block, uint32_t slot, const Column& column,
            const model::Labels& labels, model::TimeRange range, model::SeriesSamples& out) const;

 private:
  ErasuresPtr erasures_;
  model::TimeRange range_;
};

}  // namespace aerie::store
