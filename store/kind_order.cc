#include "store/kind_order.h"

#include <algorithm>

namespace aerie::store {

HistogramTurns::HistogramTurns(const WriteBatch& batch) : rows_(batch.histograms) {
  if (batch.floats.empty() || rows_.empty()) return;
  applied_.resize(rows_.size());
  by_series_.reserve(rows_.size());
  for (size_t i = 0; i < rows_.size(); ++i) {
    const uint32_t slot = rows_[i].series.slot;
    slots_[slot / 64 % 64] |= uint64_t{1} << (slot % 64);
    by_series_.emplace_back(slot, i);
  }
  std::sort(by_series_.begin(), by_series_.end());
}

size_t HistogramTurns::first_of(uint32_t slot) const {
  const auto found =
      std::lower_bound(by_series_.begin(), by_series_.end(), std::pair{slot, size_t{0}});
  return static_cast<size_t>(found - by_series_.begin());
}

}  // namespace aerie::store
