#pragma once

#include <functional>

#include "query/query_context.h"
#include "query/steps.h"
#include "query/stream.h"

namespace aerie::query {

/// Changes one series in place, at all steps.
using RowKernel = std::function<Status(Row& row)>;

enum class MetricName : uint8_t { Keep, Drop };

/// `kernel` applied to every series. With `Drop`, series that coincide without their names are an
/// error.
StreamPtr map_series(StreamPtr input, MetricName name, const Steps& steps, QueryContext& context,
                     RowKernel kernel);

/// A stream of series that are already there.
StreamPtr from_rows(std::vector<SeriesInfo> series, std::vector<Row> rows);

/// The one step of `input` at each of `steps`.
StreamPtr repeat(StreamPtr input, const Steps& steps);

}  // namespace aerie::query
