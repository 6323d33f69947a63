#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "query/annotations.h"
#include "query/query_context.h"
#include "query/selector.h"
#include "query/sliding.h"
#include "query/stream.h"
#include "query/windows.h"

namespace aerie::query {

/// What a window function sees of one series: all of its samples and where each step's window lies
/// in them.
struct WindowCall {
  const model::SeriesSamples& samples;
  const Windows& windows;
  const WindowGrid& grid;
  std::span<const ScalarColumn> parameters;           ///< the scalar arguments, in their order
  std::span<const PositionRange> argument_positions;  ///< of all arguments
  const SeriesInfo& series;
  QueryContext& context;
  PositionRange range_position;  ///< where notices about samples point to
  WindowScratch& scratch;

  /// Empty once an inner function has dropped it.
  std::string_view metric_name() const {
    if (series.drop_name && !context.features().delayed_name_removal) return {};
    return series.labels.metric_name();
  }
  size_t steps() const { return grid.steps.count; }
};

/// Evaluates one series at every step into `out`, which comes absent everywhere. Errors: Execution.
using WindowKernel = Status (*)(const WindowCall& call, Row& out);

struct WindowFunction {
  std::string_view name;
  WindowKernel kernel = nullptr;
  bool keeps_name = false;  ///< the result is a sample of the input, which keeps its metric name
};

/// Null if no window function has this name. absent_over_time is made of present_over_time
/// elsewhere.
const WindowFunction* find_window_function(std::string_view name);

/// Tables of the files that implement them.
std::span<const WindowFunction> rate_functions();
std::span<const WindowFunction> over_time_functions();
std::span<const WindowFunction> trend_functions();

/// The function over every series of the range vector.
StreamPtr apply_window_function(const WindowFunction& function, RangePtr range,
                                std::vector<ScalarColumn> parameters,
                                std::vector<PositionRange> argument_positions,
                                PositionRange range_position, QueryContext& context);

/// The φ-quantile by linear interpolation between ranks; NaN sorts first. Reorders `values`.
double quantile_of(double quantile, std::vector<double>& values);
/// The same of values that are sorted already, NaN first.
double quantile_of_sorted(double quantile, std::span<const double> values);

/// Milliseconds as Go's Duration.Seconds() rounds them.
double seconds_of(model::DurationMs duration);

}  // namespace aerie::query
