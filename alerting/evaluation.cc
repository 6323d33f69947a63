#include "alerting/evaluation.h"

namespace aerie::alerting {

Result<query::VectorValue> evaluate_expression(const RuleSpec& rule, const Evaluation& evaluation) {
  query::QueryLimits limits;
  limits.cancelled = evaluation.environment.cancelled;
  auto result = evaluation.environment.engine.instant(*rule.expr, evaluation.sample_time(), limits);
  if (!result) return std::move(result).error();
  if (auto* vector = std::get_if<query::VectorValue>(&result->value)) return std::move(*vector);
  if (const auto* scalar = std::get_if<query::ScalarValue>(&result->value)) {
    return query::VectorValue{{model::Labels(), scalar->t, scalar->value, nullptr}};
  }
  return Error(ErrorCode::Execution, "rule result is not a vector or scalar");
}

}  // namespace aerie::alerting
