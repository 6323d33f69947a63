#include "query/duration_evaluation.h"

#include <fmt/format.h>

#include <cmath>

namespace aerie::query {
namespace {

enum class Sign : uint8_t { Positive, Any };

Error at(const DurationExpr& expr, std::string_view what) {
  return {ErrorCode::Execution,
          fmt::format("{}:{}: {}", expr.position.start, expr.position.end, what)};
}

double query_step_seconds(const QueryContext& context) {
  return static_cast<double>(context.request().step) / 1000;
}
double query_range_seconds(const QueryContext& context) {
  return static_cast<double>(context.request().end - context.request().start) / 1000;
}

Result<double> seconds(const DurationExpr& expr, const QueryContext& context) {
  double left = 0;
  double right = 0;
  if (expr.left != nullptr) {
    auto value = seconds(*expr.left, context);
    if (!value) return value;
    left = *value;
  }
  if (expr.right != nullptr) {
    auto value = seconds(*expr.right, context);
    if (!value) return value;
    right = *value;
  }
  // Unary nodes hold their operand on either side.
  const double operand = expr.left != nullptr ? left : right;
  switch (expr.kind) {
    case DurationExpr::Kind::Literal: return expr.seconds;
    case DurationExpr::Kind::Add: return left + right;
    case DurationExpr::Kind::Sub: return left - right;
    case DurationExpr::Kind::Mul: return left * right;
    case DurationExpr::Kind::Div:
      if (right == 0) return at(expr, "division by zero");
      return left / right;
    case DurationExpr::Kind::Mod:
      if (right == 0) return at(expr, "modulo by zero");
      return std::fmod(left, right);
    case DurationExpr::Kind::Pow: return std::pow(left, right);
    case DurationExpr::Kind::Negate: return -operand;
    case DurationExpr::Kind::Paren:
    case DurationExpr::Kind::Plus: return operand;
    case DurationExpr::Kind::Step: return query_step_seconds(context);
    case DurationExpr::Kind::Range: return query_range_seconds(context);
    case DurationExpr::Kind::MinOf: return std::fmin(left, right);
    case DurationExpr::Kind::MaxOf: return std::fmax(left, right);
  }
  return Error(ErrorCode::Internal, "unknown duration expression");
}

Result<model::DurationMs> milliseconds(const DurationExprPtr& expr, model::DurationMs literal,
                                       Sign sign, const QueryContext& context) {
  if (expr == nullptr) return literal;
  auto value = seconds(*expr, context);
  if (!value) return std::move(value).error();
  if (!std::isfinite(*value)) return at(*expr, "duration is NaN or infinite");
  if (sign == Sign::Positive && *value <= 0) return at(*expr, "duration must be greater than 0");
  constexpr double kLimitSeconds = 9223372036.854775807;  // int64 nanoseconds, as in Prometheus
  if (std::fabs(*value) > kLimitSeconds) return at(*expr, "duration is out of range");
  return static_cast<model::DurationMs>(*value * 1000);
}

}  // namespace

Result<Durations> evaluate_durations(const Subquery& subquery, const QueryContext& context) {
  const auto offset = milliseconds(subquery.offset_expr, subquery.offset, Sign::Any, context);
  if (!offset) return offset.error();
  const auto step = milliseconds(subquery.step_expr, subquery.step, Sign::Positive, context);
  if (!step) return step.error();
  const auto range = milliseconds(subquery.range_expr, subquery.range, Sign::Positive, context);
  if (!range) return range.error();
  return Durations{*range, *step, *offset};
}

Result<Durations> evaluate_durations(const MatrixSelector& selector, const QueryContext& context) {
  const auto& vector = std::get<VectorSelector>(selector.selector->node);
  const auto offset = milliseconds(vector.offset_expr, vector.offset, Sign::Any, context);
  if (!offset) return offset.error();
  const auto range = milliseconds(selector.range_expr, selector.range, Sign::Positive, context);
  if (!range) return range.error();
  return Durations{*range, 0, *offset};
}

Result<Durations> evaluate_durations(const VectorSelector& selector, const QueryContext& context) {
  const auto offset = milliseconds(selector.offset_expr, selector.offset, Sign::Any, context);
  if (!offset) return offset.error();
  return Durations{0, 0, *offset};
}

}  // namespace aerie::query
