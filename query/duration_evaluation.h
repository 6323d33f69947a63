#pragma once

#include "base/result.h"
#include "query/ast.h"
#include "query/query_context.h"

namespace aerie::query {

struct Durations {
  model::DurationMs range = 0;
  model::DurationMs step = 0;
  model::DurationMs offset = 0;
};

/// The lengths written in a selector or subquery, duration expressions worked out against the
/// query's step and range. Errors: Execution, `1:5: duration must be greater than 0` and the like.
Result<Durations> evaluate_durations(const Subquery& subquery, const QueryContext& context);
Result<Durations> evaluate_durations(const MatrixSelector& selector, const QueryContext& context);
Result<Durations> evaluate_durations(const VectorSelector& selector, const QueryContext& context);

}  // namespace aerie::query
