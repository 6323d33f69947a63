#pragma once

#include "query/window_functions.h"

namespace aerie::query {

enum class Series : uint8_t { Gauge, Counter };

/// The value at `t` on the line between two samples; a counter that fell starts again from zero.
double interpolate(const model::Sample& before, const model::Sample& after, model::TimestampMs t,
                   Series series);

/// rate, increase and delta of `anchored` and `smoothed` windows: between the values at the
/// window's very edges (the last sample before it, or interpolated), without extrapolation. The
/// change is divided by `seconds`.
Status extended_change(const WindowCall& call, Row& out, Series series, double seconds);

/// The samples of an `anchored` or `smoothed` range selector by itself: with one at each edge. The
/// grid has one step. Errors: Execution for histograms.
Status extend_to_edges(const WindowGrid& grid, model::SeriesSamples& samples);

/// Errors: Execution if the function cannot work on windows of this mode.
Status check_range_mode(RangeMode mode, std::string_view function);

}  // namespace aerie::query
