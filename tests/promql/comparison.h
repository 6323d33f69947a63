#pragma once

#include "query/value.h"
#include "tests/promql/script.h"

namespace aerie::promqltest {

/// Equal up to 1e-6 of their sum; zero equals only zero, NaN any NaN, the stale marker only itself.
bool almost_equal(double a, double b);

/// Whether an answer is what the case expects. The error says what differs.
Status compare_value(const Eval& eval, const query::Value& value);
Status compare_annotations(const Eval& eval, const query::Annotations& annotations);
Status compare_failure(const Eval& eval, const std::string& message);

/// The points of a range answer at one time, as an instant answer. Errors: the series are not
/// sorted.
Result<query::VectorValue> slice_at(const query::MatrixValue& matrix, model::TimestampMs t);

}  // namespace aerie::promqltest
