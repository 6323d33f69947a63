#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/sample.h"
#include "query/steps.h"

namespace aerie::query {

/// Where the windows of a range selector lie: at step i the window is (end_of(i) - range,
/// end_of(i)], both in milliseconds.
struct WindowGrid {
  Steps steps;
  model::DurationMs range = 0;
  model::DurationMs offset = 0;
  std::optional<model::TimestampMs> at;  ///< of the @ modifier: all windows are the same

  model::TimestampMs end_of(size_t step) const { return (at ? *at : steps.at(step)) - offset; }
  model::TimestampMs start_of(size_t step) const { return end_of(step) - range; }
  /// All windows together, both ends inclusive.
  model::TimeRange extent() const { return {start_of(0) + 1, end_of(steps.count - 1)}; }
};

/// Index ranges [first, last) of the samples in each window, for floats and for histograms. Reused
/// from series to series.
struct Windows {
  std::vector<uint32_t> first;
  std::vector<uint32_t> last;
  std::vector<uint32_t> histogram_first;  ///< empty when the series has no histograms
  std::vector<uint32_t> histogram_last;

  /// Two cursors that only move forward: O(samples + steps).
  void locate(const model::SeriesSamples& samples, const WindowGrid& grid);
  bool has_histograms(size_t step) const {
    return !histogram_first.empty() && histogram_last[step] > histogram_first[step];
  }

 private:
  std::vector<model::TimestampMs> located_;  // timestamps that `first` and `last` belong to
};

/// Removes stale markers, in place.
void remove_stale(model::SeriesSamples& samples);

}  // namespace aerie::query
