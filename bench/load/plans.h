#pragma once

#include <vector>

#include "bench/load/simulated_series.h"

namespace aerie::bench {

/// What one target of each workload exposes; plans_of() keeps them.
std::vector<SeriesPlan> node_plans();
std::vector<SeriesPlan> kubernetes_plans();
std::vector<SeriesPlan> histogram_plans();
std::vector<SeriesPlan> dashboard_plans();

/// Upper bounds of the buckets of histogram_plans(), without +Inf.
const std::vector<double>& bucket_bounds();

}  // namespace aerie::bench
