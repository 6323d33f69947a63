#pragma once

#include "query/value.h"

namespace aerie::query {

enum class Trim : uint8_t { Upper, Lower };

/// `histogram </ bound` keeps what was observed at or below the bound, `histogram >/ bound` what
/// above: the bucket that holds the bound is split by interpolation, the sum estimated from the
/// middles of what is left.
HistogramPtr trim_histogram(const model::NativeHistogram& histogram, double bound, Trim trim);

}  // namespace aerie::query
