#pragma once

#include "query/extended_windows.h"
#include "query/histogram_windows.h"

namespace aerie::query {

/// As interpolate() for floats. Nothing, with a notice, if the two do not fit.
HistogramPtr interpolate_histograms(const model::HistogramSample& before,
                                    const model::HistogramSample& after, model::TimestampMs t,
                                    Series series, const HistogramNotices& notices);

/// As extended_change() for floats, at one step whose window holds histograms alone.
void extended_histogram_change(const WindowCall& call, size_t step, Series series, double seconds,
                               Row& out);

}  // namespace aerie::query
