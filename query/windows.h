#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/sample.h"
#include "query/ast.h"
#include "query/steps.h"

namespace aerie::query {

/// Where the windows of a range selector lie: at step i the window is (end_of(i) - range,
/// end_of(i)], both in milliseconds.
struct WindowGrid {
  Steps steps;
  model::DurationMs range = 0;
  model::DurationMs offset = 0;
  std::optional<model::TimestampMs> at;  ///< of the @ modifier: all windows are the same
  RangeMode mode = RangeMode::Plain;
  model::DurationMs before = 0;  ///< how far before and after the window samples are wanted too:
  model::DurationMs after = 0;   ///< of anchored and smoothed selectors, else 0

  model::TimestampMs end_of(size_t step) const { return (at ? *at : steps.at(step)) - offset; }
  model::TimestampMs start_of(size_t step) const { return end_of(step) - range; }
  /// All samples that may be wanted, both ends inclusive.
  model::TimeRange extent() const {
    return {start_of(0) - before + 1, end_of(steps.count - 1) + after};
  }
};

/// Index ranges [first, last) of the samples in each window (with what is wanted before and after
/// it), for floats and for histograms. Reused from series to series.
struct Windows {
  std::vector<uint32_t> first;
  std::vector<uint32_t> last;
  std::vector<uint32_t> histogram_first;  ///< empty when the series has no histograms
  std::vector<uint32_t> histogram_last;

  /// Two cursors that only move forward: O(samples + steps).
  void locate(const model::SeriesSamples& samples, const WindowGrid& grid);
  /// Changes whenever `first` and `last` do: what was derived from them may be kept while it stays.
  uint64_t version() const { return version_; }
  bool has_histograms(size_t step) const {
    return !histogram_first.empty() && histogram_last[step] > histogram_first[step];
  }

 private:
  uint64_t version_ = 0;
  std::vector<model::TimestampMs> located_;  // timestamps that `first` and `last` belong to
};

/// Removes stale markers, in place.
void remove_stale(model::SeriesSamples& samples);

}  // namespace aerie::query
