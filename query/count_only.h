#pragma once

#include "query/ast.h"

namespace aerie::query {

/// Marks the selectors below histogram_count, histogram_sum and histogram_avg of whose histograms
/// nothing but count and sum is looked at (VectorSelector::histogram_counts_only):
/// promql/engine.go detectHistogramStatsDecoding.
void mark_count_only(Expr& expr);

}  // namespace aerie::query
