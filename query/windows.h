#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
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

/// What rate() needs to know of the windows, the same for all series with the same timestamps.
struct WindowGeometry {
  std::vector<uint32_t> first_index;  ///< of the first and last sample; 0 where there is none
  std::vector<uint32_t> last_index;
  std::vector<double> to_start;  ///< seconds to extrapolate to the window's edges, before the
                                 ///< counter's zero point is known
  std::vector<double> to_end;
  std::vector<double>
      sampled;  ///< seconds between the first and the last sample; 1 where there are not enough
  std::vector<uint64_t> enough;  ///< steps with at least two samples
};

/// What the instant selector needs to know.
struct NewestSamples {
  std::vector<uint32_t> index;     ///< of the last sample in each window; 0 where there is none
  std::vector<uint64_t> occupied;  ///< steps that have one
};

/// Index ranges [first, last) of the samples in each window (with what is wanted before and after
/// it), for floats and for histograms. Series of one scrape share their timestamps, so what was
/// found for one is kept for the next ones, for as many different clocks as fit into a few
/// megabytes. Of each clock only what somebody asks for is computed. One owner, one grid.
class Windows {
 public:
  std::span<const uint32_t> first;
  std::span<const uint32_t> last;
  std::vector<uint32_t> histogram_first;  ///< empty when the series has no histograms
  std::vector<uint32_t> histogram_last;

  explicit Windows(const WindowGrid& grid) : grid_(grid) {}
  Windows(const Windows&) = delete;
  Windows& operator=(const Windows&) = delete;

  /// Fills the four above. Two cursors that only move forward: O(samples + steps).
  void locate(const model::SeriesSamples& samples);
  /// Of the floats of the series located last.
  const WindowGeometry& geometry() const;
  /// Steps whose window has a float of that series.
  std::vector<uint64_t> occupied() const;
  /// Instead of locate(): of floats alone. Valid until the next call.
  const NewestSamples& newest(const model::SeriesSamples& samples);
  bool has_histograms(size_t step) const {
    return !histogram_first.empty() && histogram_last[step] > histogram_first[step];
  }

 private:
  struct Clock {
    std::vector<model::TimestampMs> timestamps;
    std::vector<uint32_t> first;
    std::vector<uint32_t> last;
    WindowGeometry geometry;  // this and the next are empty until they are asked for
    NewestSamples newest;
  };
  Clock& clock_of(const std::vector<model::TimestampMs>& timestamps);

  const WindowGrid grid_;
  Clock* current_ = nullptr;
  std::unordered_map<uint64_t, Clock> clocks_;  // by a hash of the timestamps
  Clock overflow_;                              // the latest of those that did not fit
};

/// Removes stale markers, in place.
void remove_stale(model::SeriesSamples& samples);

}  // namespace aerie::query
