#pragma once

#include <cstdint>
#include <string>

#include "bench/load/simulated_series.h"

namespace aerie::bench {

/// Appends one TimeSeries with one sample to an encoded prometheus.WriteRequest.
void add_series(std::string& request, const std::string& label_records, int64_t t, double value);

}  // namespace aerie::bench
