#include "query/binary_operators.h"

#include "query/binary_kernels.h"
#include "query/histogram_scaling.h"
#include "query/mapped.h"
#include "query/unique_series.h"

namespace aerie::query {
namespace {

/// Trimming changes a histogram, not what it is called; arithmetic makes something new.
bool is_arithmetic(BinaryOp op) { return op <= BinaryOp::Atan2; }

/// A scalar as a series that is present at every step.
Row to_row(const ScalarColumn& scalar, const Steps& steps) {
  Row row;
  row.reset(steps.count);
  mark_all_present(row.present, steps.count);
  for (size_t i = 0; i < steps.count; ++i) row.values[i] = scalar.at(i);
  return row;
}

Result<StreamPtr> with_scalar(const Binary& binary, PositionRange position, const Steps& steps,
                              Planner& planner) {
  const bool scalar_left = value_type(*binary.left) == ValueType::Scalar;
  auto scalar = planner.scalar(scalar_left ? *binary.left : *binary.right, steps);
  if (!scalar) return std::move(scalar).error();
  auto vector = planner.vector(scalar_left ? *binary.right : *binary.left, steps);
  if (!vector) return vector;
  RowOperation operation{
      binary.op, scalar_left && is_comparison(binary.op) ? Yield::Right : Yield::Left, scalar_left};
  if (binary.return_bool) operation.yield = Yield::Bool;
  const MetricName name =
      is_arithmetic(binary.op) || binary.return_bool ? MetricName::Drop : MetricName::Keep;
  QueryContext& context = planner.context();
  const auto notices = std::make_shared<OperatorNotices>(position, context.annotations());
  auto kernel = [operation, notices, other = to_row(*scalar, steps)](Row& row) -> Status {
    combine_rows(operation, row, other.view(), *notices);
    return {};
  };
  return map_series(std::move(vector).value(), name, steps, context, std::move(kernel));
}

}  // namespace

Result<StreamPtr> plan_binary(const Binary& binary, PositionRange position, const Steps& steps,
                              Planner& planner) {
  if (value_type(*binary.left) == ValueType::Scalar ||
      value_type(*binary.right) == ValueType::Scalar)
    return with_scalar(binary, position, steps, planner);
  auto left = planner.vector(*binary.left, steps);
  if (!left) return left;
  auto right = planner.vector(*binary.right, steps);
  if (!right) {
    // The left side is evaluated first: its error is the one that is told.
    if (auto finished = (*left)->finish(); !finished) return std::move(finished).error();
    return right;
  }
  QueryContext& context = planner.context();
  Result<StreamPtr> result = is_set_operator(binary.op)
                                 ? apply_set_operator(binary, std::move(left).value(),
                                                      std::move(right).value(), steps, context)
                                 : match_vectors(binary, position, std::move(left).value(),
                                                 std::move(right).value(), steps, context);
  if (!result) return result;
  return unique_series(std::move(result).value(), EqualSeries::MergeSteps, LabelChange::Any, steps,
                       context);
}

ScalarColumn combine(BinaryOp op, const ScalarColumn& left, const ScalarColumn& right,
                     const Steps& steps) {
  if (left.is_constant() && right.is_constant())
    return ScalarColumn(apply_operator(op, left.at(0), right.at(0)));
  std::vector<double> values(steps.count);
  for (size_t i = 0; i < steps.count; ++i) values[i] = apply_operator(op, left.at(i), right.at(i));
  return ScalarColumn(std::move(values));
}

ScalarColumn negate(const ScalarColumn& operand, const Steps& steps) {
  if (operand.is_constant()) return ScalarColumn(-operand.at(0));
  std::vector<double> values(steps.count);
  for (size_t i = 0; i < steps.count; ++i) values[i] = -operand.at(i);
  return ScalarColumn(std::move(values));
}

StreamPtr negate(StreamPtr operand, const Steps& steps, QueryContext& context) {
  return map_series(std::move(operand), MetricName::Drop, steps, context, [](Row& row) -> Status {
    for (double& value : row.values) value = -value;
    for (HistogramPtr& histogram : row.histograms)
      if (histogram != nullptr) histogram = scale_histogram(*histogram, -1);
    return {};
  });
}

}  // namespace aerie::query
