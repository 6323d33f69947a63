#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "query/ast.h"
#include "query/query_context.h"
#include "query/selector.h"
#include "query/steps.h"
#include "query/stream.h"

namespace aerie::query {

class SharedParts;

/// Turns a syntax tree into streams, from the leaves up. Whatever does not depend on the step is
/// evaluated at one step only and repeated; scalar expressions are evaluated while planning.
/// Belongs to one query; tree and context outlive the streams.
class Planner {
 public:
  /// `shared` (may be null) outlives the planner.
  explicit Planner(QueryContext& context, SharedParts* shared = nullptr)
      : context_(context), shared_(shared) {}

  /// `expr` is of type instant vector.
  Result<StreamPtr> vector(const Expr& expr, const Steps& steps);
  /// `expr` is of type scalar.
  Result<ScalarColumn> scalar(const Expr& expr, const Steps& steps);
  /// `expr` is a range selector or a subquery.
  Result<RangePtr> range(const Expr& expr, const Steps& steps);

  /// As vector(), without parentheses around `expr`, for itself: at every step, even if it stands
  /// in the query more than once.
  Result<StreamPtr> vector_alone(const Expr& expr, const Steps& steps);

  QueryContext& context() { return context_; }

 private:
  Result<StreamPtr> vector_at_every_step(const Expr& expr, const Steps& steps);
  Result<ScalarColumn> scalar_at_every_step(const Expr& expr, const Steps& steps);
  Result<StreamPtr> call(const Call& call, PositionRange position, const Steps& steps);
  Result<StreamPtr> window_call(const struct WindowFunction& function, const Call& call,
                                const Steps& steps);
  Result<RangePtr> subquery(const Subquery& subquery, const Steps& steps);

  QueryContext& context_;
  SharedParts* const shared_;
};

/// Strips parentheses.
const Expr& unwrap(const Expr& expr);
/// The text of a string argument.
const std::string& text_argument(const Expr& expr);
/// True if the value is the same whatever the step: literals, and selectors fixed by @.
bool is_step_invariant(const Expr& expr);
/// Covers parentheses too: where an annotation about `expr` points to.
inline PositionRange position_of(const Expr& expr) { return expr.position; }

/// Where a function is called.
struct CallSite {
  Planner& planner;
  const Call& call;
  PositionRange position;
  const Steps& steps;

  const Expr& argument(size_t index) const { return *call.args[index]; }
  QueryContext& context() const { return planner.context(); }
};

/// How one function is evaluated: exactly one of the two is set.
struct FunctionImplementation {
  std::string_view name;
  Result<StreamPtr> (*vector)(const CallSite& site) = nullptr;
  Result<ScalarColumn> (*scalar)(const CallSite& site) = nullptr;
};

/// Null if unknown; window functions have a table of their own.
const FunctionImplementation* find_implementation(std::string_view name);

/// Tables of the files that implement them.
std::span<const FunctionImplementation> math_functions();
std::span<const FunctionImplementation> date_functions();
std::span<const FunctionImplementation> label_functions();
std::span<const FunctionImplementation> vector_functions();
std::span<const FunctionImplementation> histogram_functions();

}  // namespace aerie::query
