#pragma once

#include <memory>
#include <vector>

#include "model/sample_source.h"
#include "query/query_context.h"
#include "query/steps.h"
#include "query/stream.h"
#include "query/windows.h"

namespace aerie::query {

/// A range vector over all steps: every series once, with all samples that any window may need, in
/// one go.
class RangeStream {
 public:
  RangeStream(WindowGrid grid, std::vector<SeriesInfo> series)
      : grid_(grid), size_(series.size()), series_(std::move(series)) {}
  virtual ~RangeStream() = default;
  RangeStream(const RangeStream&) = delete;
  RangeStream& operator=(const RangeStream&) = delete;

  const WindowGrid& grid() const { return grid_; }
  size_t size() const { return size_; }
  const std::vector<SeriesInfo>& series() const { return series_; }
  std::vector<SeriesInfo> take_series() { return std::move(series_); }

  /// Replaces `samples` by those of the next series, stale markers removed; called at most size()
  /// times.
  virtual Status next(model::SeriesSamples& samples) = 0;

 private:
  const WindowGrid grid_;
  const size_t size_;
  std::vector<SeriesInfo> series_;
};
using RangePtr = std::unique_ptr<RangeStream>;

enum class SelectorYields : uint8_t { Values, Timestamps, FloatTimestamps, Starts };

/// The newest sample in (t - lookback, t] at every step, absent where that is a stale marker. With
/// `Timestamps` the value is the sample's own time in seconds; with `FloatTimestamps` histograms
/// stay what they are; with `Starts` it is when the sample's counter began, in seconds, 0 if that
/// is not said. `position` is for notices. `selector` and `context` outlive the stream.
Result<StreamPtr> open_instant_selector(const VectorSelector& selector, PositionRange position,
                                        const Steps& steps, SelectorYields yields,
                                        QueryContext& context);
/// Samples of a range selector, `anchored` and `smoothed` ones included.
Result<RangePtr> open_range_selector(const MatrixSelector& selector, const Steps& steps,
                                     QueryContext& context);
/// An instant vector evaluated on its own steps, seen as a range vector by windows on `grid`.
RangePtr open_subquery(StreamPtr inner, const Steps& inner_steps, const WindowGrid& grid,
                       QueryContext& context);

/// The evaluation time that an @ modifier fixes.
std::optional<model::TimestampMs> fixed_time(const std::optional<AtModifier>& at,
                                             const QueryContext& context);

}  // namespace aerie::query
