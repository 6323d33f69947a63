#pragma once

#include "query/value.h"

namespace aerie::query {

/// Every count and the sum times a factor. A negative factor makes a gauge.
HistogramPtr scale_histogram(const model::NativeHistogram& histogram, double factor);
/// Every count and the sum divided; by zero the buckets go.
HistogramPtr divide_histogram(const model::NativeHistogram& histogram, double divisor);

}  // namespace aerie::query
