#include "query/planner.h"

#include <algorithm>
#include <array>

#include "query/aggregate.h"
#include "query/binary_operators.h"
#include "query/duration_evaluation.h"
#include "query/explain.h"
#include "query/extended_windows.h"
#include "query/functions_table.h"
#include "query/mapped.h"
#include "query/shared_parts.h"
#include "query/unique_series.h"
#include "query/window_functions.h"

namespace aerie::query {
namespace {

/// Functions whose value depends on the step even where their arguments do not.
constexpr std::array<std::string_view, 12> kStepDependent = {
    "days_in_month",  "day_of_month", "day_of_week", "day_of_year",
    "hour",           "minute",       "month",       "year",
    "predict_linear", "time",         "timestamp",   "start_timestamp"};

bool call_is_step_invariant(const Call& call) {
  const auto invariant = [](const ExprPtr& argument) { return is_step_invariant(*argument); };
  if (!std::all_of(call.args.begin(), call.args.end(), invariant)) return false;
  const std::string_view name = call.function->name;
  if (std::find(kStepDependent.begin(), kStepDependent.end(), name) == kStepDependent.end())
    return true;
  // timestamp(metric @ 1) yields the sample's own time, timestamp(abs(metric @ 1)) that of the
  // step.
  return (name == "timestamp" || name == "start_timestamp") &&
         std::holds_alternative<VectorSelector>(unwrap(*call.args[0]).node);
}

Error not_a(std::string_view expected) {
  return {ErrorCode::Internal,
          "query plan: expected an expression of type " + std::string(expected)};
}

/// Where notices about the samples of a window function point to: its first argument, but the start
/// of the query where that is a subquery, as in Prometheus.
PositionRange notice_position(const Call& call) {
  const Expr& first = *call.args.front();
  return std::holds_alternative<Subquery>(unwrap(first).node) ? PositionRange{} : first.position;
}

/// The first multiple of `interval` strictly after `t`.
model::TimestampMs first_multiple_after(model::TimestampMs t, model::DurationMs interval) {
  const model::TimestampMs multiple = interval * (t / interval);
  return multiple <= t ? multiple + interval : multiple;
}

}  // namespace

const Expr& unwrap(const Expr& expr) {
  const Expr* inner = &expr;
  while (const auto* paren = std::get_if<Paren>(&inner->node)) inner = paren->expr.get();
  return *inner;
}

const std::string& text_argument(const Expr& expr) {
  static const std::string kEmpty;
  const auto* literal = std::get_if<StringLiteral>(&unwrap(expr).node);
  return literal == nullptr ? kEmpty : literal->value;
}

bool is_step_invariant(const Expr& expr) {
  struct Visitor {
    bool operator()(const NumberLiteral&) const { return true; }
    bool operator()(const StringLiteral&) const { return true; }
    bool operator()(const VectorSelector& selector) const { return selector.at.has_value(); }
    bool operator()(const MatrixSelector& selector) const {
      return is_step_invariant(*selector.selector);
    }
    bool operator()(const Subquery& subquery) const { return subquery.at.has_value(); }
    bool operator()(const Unary& unary) const { return is_step_invariant(*unary.expr); }
    bool operator()(const Paren& paren) const { return is_step_invariant(*paren.expr); }
    bool operator()(const Binary& binary) const {
      return is_step_invariant(*binary.left) && is_step_invariant(*binary.right);
    }
    bool operator()(const Aggregate& aggregate) const {
      return is_step_invariant(*aggregate.expr) &&
             (aggregate.parameter == nullptr || is_step_invariant(*aggregate.parameter));
    }
    bool operator()(const Call& call) const { return call_is_step_invariant(call); }
  };
  return std::visit(Visitor(), expr.node);
}

Result<StreamPtr> Planner::vector(const Expr& expr, const Steps& steps) {
  if (auto alive = context_.check(); !alive) return std::move(alive).error();
  PlanRecorder::Part part(context_, expr, steps);
  if (steps.count == 1 || !is_step_invariant(expr))
    return part.measured(vector_at_every_step(expr, steps));
  const QueryContext::Counted counted(context_, steps.count);
  auto once = part.measured(vector_at_every_step(expr, steps.first_only()));
  if (!once) return once;
  return repeat(std::move(once).value(), steps);
}

Result<StreamPtr> Planner::vector_at_every_step(const Expr& expr, const Steps& steps) {
  const Expr& inner = unwrap(expr);
  if (shared_ != nullptr && shared_->repeated(inner)) return shared_->stream(inner, steps, *this);
  return vector_alone(inner, steps);
}

Result<StreamPtr> Planner::vector_alone(const Expr& inner, const Steps& steps) {
  if (const auto* selector = std::get_if<VectorSelector>(&inner.node))
    return open_instant_selector(*selector, inner.position, steps, SelectorYields::Values,
                                 context_);
  if (const auto* called = std::get_if<Call>(&inner.node))
    return call(*called, inner.position, steps);
  if (const auto* aggregate = std::get_if<Aggregate>(&inner.node))
    return plan_aggregate(*aggregate, inner.position, steps, *this);
  if (const auto* binary = std::get_if<Binary>(&inner.node))
    return plan_binary(*binary, inner.position, steps, *this);
  if (const auto* unary = std::get_if<Unary>(&inner.node)) {
    auto operand = vector(*unary->expr, steps);
    if (!operand || !unary->negative) return operand;
    return negate(std::move(operand).value(), steps, context_);
  }
  return not_a("instant vector");
}

Result<ScalarColumn> Planner::scalar(const Expr& expr, const Steps& steps) {
  PlanRecorder::Part part(context_, expr, steps);
  if (!is_step_invariant(expr)) return part.measured(scalar_at_every_step(expr, steps));
  const QueryContext::Counted counted(context_, steps.count);
  return part.measured(scalar_at_every_step(expr, steps.first_only()));
}

Result<ScalarColumn> Planner::scalar_at_every_step(const Expr& expr, const Steps& steps) {
  const Expr& inner = unwrap(expr);
  if (const auto* number = std::get_if<NumberLiteral>(&inner.node))
    return ScalarColumn(number->value);
  if (const auto* unary = std::get_if<Unary>(&inner.node)) {
    auto operand = scalar(*unary->expr, steps);
    if (!operand || !unary->negative) return operand;
    return negate(*operand, steps);
  }
  if (const auto* binary = std::get_if<Binary>(&inner.node)) {
    auto left = scalar(*binary->left, steps);
    if (!left) return left;
    auto right = scalar(*binary->right, steps);
    if (!right) return right;
    return combine(binary->op, *left, *right, steps);
  }
  if (const auto* called = std::get_if<Call>(&inner.node)) {
    const FunctionImplementation* function = find_implementation(called->function->name);
    if (function != nullptr && function->scalar != nullptr)
      return function->scalar({*this, *called, inner.position, steps});
  }
  return not_a("scalar");
}

Result<RangePtr> Planner::range(const Expr& expr, const Steps& steps) {
  const Expr& inner = unwrap(expr);
  PlanRecorder::Part part(context_, expr, steps);
  if (const auto* selector = std::get_if<MatrixSelector>(&inner.node))
    return part.measured(open_range_selector(*selector, steps, context_));
  if (const auto* nested = std::get_if<Subquery>(&inner.node))
    return part.measured(subquery(*nested, steps));
  return not_a("range vector");
}

Result<RangePtr> Planner::subquery(const Subquery& subquery, const Steps& steps) {
  const auto lengths = evaluate_durations(subquery, context_);
  if (!lengths) return lengths.error();
  const WindowGrid grid{steps, lengths->range, lengths->offset, fixed_time(subquery.at, context_)};
  const model::DurationMs interval =
      lengths->step != 0 ? lengths->step : context_.options().default_subquery_step;
  const model::TimestampMs first = first_multiple_after(grid.start_of(0), interval);
  const model::TimestampMs last = grid.end_of(steps.count - 1);
  if (first > last) return open_subquery(from_rows({}, {}), {first, interval, 1}, grid, context_);
  const Steps inner{first, interval, static_cast<size_t>((last - first) / interval) + 1};
  if (auto fits = context_.check_steps(inner.count); !fits) return std::move(fits).error();
  // Its samples count where the windows over it are.
  const QueryContext::Counted counted(context_, 0);
  auto evaluated = vector(*subquery.expr, inner);
  if (!evaluated) return std::move(evaluated).error();
  return open_subquery(std::move(evaluated).value(), inner, grid, context_);
}

Result<StreamPtr> Planner::call(const Call& call, PositionRange position, const Steps& steps) {
  if (const WindowFunction* window = find_window_function(call.function->name))
    return window_call(*window, call, steps);
  const FunctionImplementation* function = find_implementation(call.function->name);
  if (function == nullptr || function->vector == nullptr)
    return Error(ErrorCode::Execution,
                 "function " + std::string(call.function->name) + " is not implemented");
  return function->vector({*this, call, position, steps});
}

Result<StreamPtr> Planner::window_call(const WindowFunction& function, const Call& call,
                                       const Steps& steps) {
  RangePtr input;
  std::vector<ScalarColumn> parameters;
  std::vector<PositionRange> positions;
  for (const ExprPtr& argument : call.args) {
    positions.push_back(argument->position);
    if (value_type(*argument) == ValueType::Matrix) {
      auto opened = range(*argument, steps);
      if (!opened) return std::move(opened).error();
      input = std::move(opened).value();
    } else {
      auto parameter = scalar(*argument, steps);
      if (!parameter) return std::move(parameter).error();
      parameters.push_back(std::move(parameter).value());
    }
  }
  if (input == nullptr) return not_a("range vector");
  if (auto fits = check_range_mode(input->grid().mode, function.name); !fits)
    return std::move(fits).error();
  StreamPtr applied = apply_window_function(function, std::move(input), std::move(parameters),
                                            std::move(positions), notice_position(call), context_);
  return unique_series(std::move(applied), EqualSeries::Refuse, LabelChange::NameOnly, steps,
                       context_);
}

const FunctionImplementation* find_implementation(std::string_view name) {
  for (const auto table : {math_functions(), date_functions(), label_functions(),
                           vector_functions(), histogram_functions()}) {
    const auto found =
        std::find_if(table.begin(), table.end(),
                     [&](const FunctionImplementation& f) { return f.name == name; });
    if (found != table.end()) return &*found;
  }
  return nullptr;
}

}  // namespace aerie::query
