#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "store/write_batch.h"

namespace aerie::store {

/// A batch has its floats and its histograms apart; a series that changes its kind within the batch
/// has rows in both, which must be applied in the order of their times. Hands out the histograms:
/// those that come before a float of the same series with it, the rest at the end. Costs the floats
/// of batches without histograms nothing.
class HistogramTurns {
 public:
  explicit HistogramTurns(const WriteBatch& batch);  // outlives it

  /// Calls `apply(row)` for the histograms of its series that are older than `row`, in the order of
  /// the batch up to the first that is not, once each.
  template <class Apply>
  void before(const FloatRow& row, Apply apply) {
    if (by_series_.empty() || !may_hold(row.series.slot)) return;
    for (size_t i = first_of(row.series.slot); i < by_series_.size(); ++i) {
      const HistogramRow& histogram = rows_[by_series_[i].second];
      if (by_series_[i].first != row.series.slot || histogram.t >= row.t) return;
      if (applied_[by_series_[i].second]) continue;
      applied_[by_series_[i].second] = true;
      apply(histogram);
    }
  }
  /// Calls `apply(row)` for all others, in the order of the batch.
  template <class Apply>
  void rest(Apply apply) {
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (applied_.empty() || !applied_[i]) apply(rows_[i]);
    }
  }

 private:
  bool may_hold(uint32_t slot) const { return (slots_[slot / 64 % 64] >> (slot % 64) & 1) != 0; }
  size_t first_of(uint32_t slot) const;

  const std::vector<HistogramRow>& rows_;
  std::array<uint64_t, 64> slots_{};                    // a bit for every slot, modulo 4096
  std::vector<std::pair<uint32_t, size_t>> by_series_;  // slot, index; empty without floats
  std::vector<bool> applied_;
};

}  // namespace aerie::store
