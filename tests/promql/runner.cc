#include "tests/promql/runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "query/functions_table.h"
#include "query/parser.h"
#include "tests/promql/comparison.h"

namespace aerie::promqltest {
namespace {

constexpr model::DurationMs kMinute = 60'000;

bool depends_on_evaluation_time(std::string_view function) {
  static constexpr std::array<std::string_view, 15> kNames = {
      "days_in_month", "day_of_month", "day_of_week", "day_of_year", "end",
      "hour",          "minute",       "month",       "year",        "predict_linear",
      "range",         "start",        "step",        "time",        "timestamp"};
  return std::find(kNames.begin(), kNames.end(), function) != kNames.end();
}

bool names_query_context(const std::string& expr) {
  static constexpr std::array<std::string_view, 4> kCalls = {"start()", "end()", "range()",
                                                             "step()"};
  return std::any_of(kCalls.begin(), kCalls.end(),
                     [&](std::string_view call) { return expr.find(call) != std::string::npos; });
}

/// Writes `@ t` into a tree.
class Pinner {
 public:
  explicit Pinner(model::TimestampMs t) : t_(t) {}

  void pin(query::Expr& expr) {
    std::visit([&](auto& node) { visit(node); }, expr.node);
  }
  bool unsafe() const { return unsafe_; }

 private:
  void pin(std::optional<query::AtModifier>& at) const {
    if (inside_subquery_) return;
    if (!at || at->kind != query::AtModifier::Kind::Timestamp)
      at = query::AtModifier{query::AtModifier::Kind::Timestamp, t_};
  }

  void visit(query::NumberLiteral&) {}
  void visit(query::StringLiteral&) {}
  void visit(query::VectorSelector& node) { pin(node.at); }
  void visit(query::MatrixSelector& node) { pin(*node.selector); }
  void visit(query::Subquery& node) {
    pin(node.at);
    const bool outer = std::exchange(inside_subquery_, true);
    pin(*node.expr);
    inside_subquery_ = outer;
  }
  void visit(query::Unary& node) { pin(*node.expr); }
  void visit(query::Paren& node) { pin(*node.expr); }
  void visit(query::Binary& node) {
    pin(*node.left);
    pin(*node.right);
  }
  void visit(query::Aggregate& node) {
    pin(*node.expr);
    if (node.parameter) pin(*node.parameter);
  }
  void visit(query::Call& node) {
    if (!inside_subquery_ && depends_on_evaluation_time(node.function->name)) unsafe_ = true;
    for (auto& arg : node.args) pin(*arg);
  }

  const model::TimestampMs t_;
  bool inside_subquery_ = false;
  bool unsafe_ = false;
};

std::vector<model::TimestampMs> other_times(model::TimestampMs t) {
  if (t == 0) return {-1000, 0, 1000};
  return {-10 * t, 0, t / 5, t, 10 * t};
}

}  // namespace

query::EngineOptions suite_options() {
  query::EngineOptions options;
  options.max_samples = 10'000;
  options.timeout = std::chrono::seconds(100);
  auto& features = options.features;
  features.experimental_functions = true;
  features.extended_range_selectors = true;
  features.binop_fill_modifiers = true;
  features.delayed_name_removal = true;
  features.use_start_timestamps = true;
  features.type_and_unit_labels = false;  // off in the original as well
  return options;
}

std::optional<std::string> pinned_at(const std::string& expr, model::TimestampMs t) {
  auto parsed = query::parse_expr(expr, suite_options().features);
  if (!parsed) return std::nullopt;
  Pinner pinner(t);
  pinner.pin(**parsed);
  if (pinner.unsafe()) return std::nullopt;
  return query::to_string(**parsed);
}

Status Runner::clear() {
  engine_.reset();
  storage_.reset();
  auto storage = make_storage_();
  if (!storage) return std::move(storage).error();
  storage_ = std::move(storage).value();
  engine_ = std::make_unique<query::Engine>(suite_options(), storage_->source(), clock_);
  return {};
}

Status Runner::run(const Eval& eval) {
  if (eval.is_range) return run_range(eval);
  if (auto status = run_instant(eval, eval.expr, eval.at); !status) return status;
  const auto pinned = pinned_at(eval.expr, eval.at);
  if (!pinned) return {};
  for (const model::TimestampMs t : other_times(eval.at)) {
    ++reruns_;
    if (auto status = run_instant(eval, *pinned, t); !status)
      return std::move(status).error().with(fmt::format("as {} at {}", *pinned, t));
  }
  return {};
}

Status Runner::run_range(const Eval& eval) {
  const auto result = engine_->range(eval.expr, eval.start, eval.end, eval.step);
  if (!result) return compare_failure(eval, result.error().message());
  if (eval.conditions.count(Expectation::Fail))
    return Error(ErrorCode::Execution, "expected a failure but got an answer");
  if (auto status = compare_annotations(eval, result->annotations); !status) return status;
  return compare_value(eval, result->value);
}

Status Runner::run_instant(const Eval& eval, const std::string& expr, model::TimestampMs t) {
  const auto result = engine_->instant(expr, t);
  if (!result) return compare_failure(eval, result.error().message());
  if (eval.conditions.count(Expectation::Fail))
    return Error(ErrorCode::Execution, "expected a failure but got an answer");
  if (auto status = compare_annotations(eval, result->annotations); !status) return status;
  if (auto status = compare_value(eval, result->value); !status) return status;
  if (eval.expects_range_vector || eval.text || names_query_context(expr)) return {};
  return run_as_range(eval, expr, t, std::holds_alternative<query::ScalarValue>(result->value));
}

Status Runner::run_as_range(const Eval& eval, const std::string& expr, model::TimestampMs t,
                            bool is_scalar) {
  ++reruns_;
  const auto result = engine_->range(expr, t - kMinute, t + kMinute, kMinute);
  const auto context = [&] { return fmt::format("{} around {}", expr, t); };
  if (!result) return Error(result.error()).with(context());
  if (eval.ordered) return {};  // a range has no order but that of its labels
  auto slice = slice_at(std::get<query::MatrixValue>(result->value), t);
  if (!slice) return std::move(slice).error().with(context());
  query::Value value = *slice;
  if (is_scalar) {
    if (slice->empty()) return Error(ErrorCode::Execution, "no value").with(context());
    value = query::ScalarValue{t, slice->front().value};
  }
  if (auto status = compare_value(eval, value); !status)
    return std::move(status).error().with(context());
  return {};
}

}  // namespace aerie::promqltest
