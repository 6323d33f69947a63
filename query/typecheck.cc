#include <fmt/core.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "query/functions_table.h"
#include "query/parser_state.h"

namespace aerie::query {
namespace {

/// The type as this one error text of subqueries names it.
std::string_view internal_type_name(ValueType type) {
  switch (type) {
    case ValueType::Vector: return "vector";
    case ValueType::Matrix: return "matrix";
    default: return value_type_name(type);
  }
}

bool is_arithmetic_type(ValueType type) {
  return type == ValueType::Scalar || type == ValueType::Vector;
}

class TypeChecker {
 public:
  explicit TypeChecker(std::string_view query) : query_(query) {}

  ValueType check(Expr& expr) {
    if (error_) return ValueType::None;
    std::visit([&](auto& node) { check_node(node, expr); }, expr.node);
    return value_type(expr);
  }

  std::optional<Error> error() && { return std::move(error_); }

 private:
  void fail(int32_t position, std::string_view message) {
    if (!error_) error_ = parse_error_at(query_, position, message);
  }

  void expect(Expr& expr, ValueType wanted, std::string_view where) {
    const ValueType type = check(expr);
    if (type == wanted) return;
    fail(expr.position.start, fmt::format("expected type {} in {}, got {}", value_type_name(wanted),
                                          where, value_type_name(type)));
  }

  void check_node(NumberLiteral&, Expr&) {}
  void check_node(StringLiteral&, Expr&) {}

  void check_node(VectorSelector& node, Expr& expr) {
    if (!node.metric_name.empty()) {
      for (size_t i = 0; i + 1 < node.matchers.size(); ++i) {
        if (node.matchers[i].name() != model::kMetricName) continue;
        fail(expr.position.start, fmt::format("metric name must not be set twice: {} or {}",
                                              model::go_quote(node.metric_name),
                                              model::go_quote(node.matchers[i].value())));
      }
      return;
    }
    const bool selects_something =
        std::any_of(node.matchers.begin(), node.matchers.end(),
                    [](const model::Matcher& matcher) { return !matcher.matches_empty(); });
    if (!selects_something && !may_select_everything_)
      fail(expr.position.start, "vector selector must contain at least one non-empty matcher");
  }

  void check_node(MatrixSelector& node, Expr&) { check(*node.selector); }
  void check_node(Paren& node, Expr&) { check(*node.expr); }

  void check_node(Subquery& node, Expr& expr) {
    const ValueType type = check(*node.expr);
    if (type == ValueType::Vector) return;
    fail(expr.position.start,
         fmt::format("subquery is only allowed on instant vector, got {} instead",
                     internal_type_name(type)));
  }

  void check_node(Unary& node, Expr& expr) {
    const ValueType type = check(*node.expr);
    if (is_arithmetic_type(type)) return;
    fail(expr.position.start,
         fmt::format("unary expression only allowed on expressions of type scalar or instant "
                     "vector, got \"{}\"",
                     value_type_name(type)));
  }

  void check_node(Aggregate& node, Expr&) {
    expect(*node.expr, ValueType::Vector, "aggregation expression");
    if (!node.parameter) return;
    const bool named = node.op == AggregateOp::CountValues;
    expect(*node.parameter, named ? ValueType::String : ValueType::Scalar, "aggregation parameter");
  }

  void check_node(Binary& node, Expr& expr) {
    const ValueType left = check(*node.left);
    const ValueType right = check(*node.right);
    if (error_) return;
    check_operator(node, left, right);
    for (const Expr* side : {node.left.get(), node.right.get()}) {
      if (!is_arithmetic_type(side == node.left.get() ? left : right))
        fail(side->position.start,
             "binary expression must contain only scalar and instant vector types");
    }
    check_matching(node, left, right, expr.position.start);
    const bool scalar = left == ValueType::Scalar || right == ValueType::Scalar;
    if (scalar && is_set_operator(node.op)) {
      fail(expr.position.start,
           fmt::format("set operator \"{}\" not allowed in binary scalar expression",
                       binary_op_symbol(node.op)));
    }
  }

  /// Where the operator stands.
  int32_t operator_position(const Binary& node) const {
    auto position = static_cast<size_t>(node.left->position.end);
    while (position < query_.size() &&
           std::string_view(" \t\n\r").find(query_[position]) != std::string_view::npos)
      ++position;
    return static_cast<int32_t>(position);
  }

  void check_operator(Binary& node, ValueType left, ValueType right) {
    if (node.return_bool && !is_comparison(node.op)) {
      fail(operator_position(node), "bool modifier can only be used on comparison operators");
    }
    const bool scalars = left == ValueType::Scalar && right == ValueType::Scalar;
    if (is_comparison(node.op) && !node.return_bool && scalars) {
      fail(operator_position(node), "comparisons between scalars must use BOOL modifier");
    }
    if (is_set_operator(node.op) && node.matching->cardinality == Cardinality::OneToOne)
      node.matching->cardinality = Cardinality::ManyToMany;
    if (!node.matching->on) return;
    for (const std::string& label : node.matching->labels) {
      const auto& include = node.matching->include;
      if (std::find(include.begin(), include.end(), label) == include.end()) continue;
      fail(operator_position(node),
           fmt::format("label {} must not occur in ON and GROUP clause at once",
                       model::go_quote(label)));
    }
  }

  void check_matching(Binary& node, ValueType left, ValueType right, int32_t position) {
    const VectorMatching& matching = *node.matching;
    const bool fills = matching.fill_left || matching.fill_right;
    if (left != ValueType::Vector || right != ValueType::Vector) {
      if (!matching.labels.empty())
        fail(position, "vector matching only allowed between instant vectors");
      if (fills) fail(position, "filling in missing series only allowed between instant vectors");
      node.matching.reset();
      return;
    }
    if (!is_set_operator(node.op)) return;
    if (matching.cardinality != Cardinality::ManyToMany) {
      fail(position,
           fmt::format("no grouping allowed for \"{}\" operation", binary_op_symbol(node.op)));
    }
    if (fills) fail(position, "filling in missing series not allowed for set operators");
  }

  void check_node(Call& node, Expr& expr) {
    check_count(node, expr.position.start);
    if (node.function->name == "info" && node.args.size() > 1)
      check_info_labels(*node.args[1], expr.position.start);
    const auto& types = node.function->args;
    for (size_t i = 0; i < node.args.size(); ++i) {
      if (i >= types.size() && node.function->variadic == 0) break;
      const ValueType wanted = types[std::min(i, types.size() - 1)];
      may_select_everything_ = node.function->name == "info" && i == 1;
      expect(*node.args[i], wanted, fmt::format("call to function \"{}\"", node.function->name));
      may_select_everything_ = false;
    }
  }

  void check_count(const Call& node, int32_t position) {
    const FunctionSignature& function = *node.function;
    const auto given = static_cast<int>(node.args.size());
    const auto named = static_cast<int>(function.args.size());
    std::string_view relation;
    int limit = named;
    if (function.variadic == 0) {
      if (given == named) return;
    } else if (given < named - 1) {
      relation = "at least ";
      limit = named - 1;
    } else if (function.variadic > 0 && given > named - 1 + function.variadic) {
      relation = "at most ";
      limit = named - 1 + function.variadic;
    } else {
      return;
    }
    fail(position, fmt::format("expected {}{} argument(s) in call to \"{}\", got {}", relation,
                               limit, function.name, given));
  }

  void check_info_labels(Expr& labels, int32_t position) {
    const ValueType type = value_type(labels);
    if (type != ValueType::Vector) {
      fail(position,
           fmt::format("expected type instant vector in call to function \"info\", got {}",
                       value_type_name(type)));
    }
    const auto* selector = std::get_if<VectorSelector>(&labels.node);
    if (!selector) {
      fail(labels.position.start, "expected label selectors only");
    } else if (!selector->metric_name.empty()) {
      fail(labels.position.start, "expected label selectors only, got vector selector instead");
    }
  }

  const std::string_view query_;
  std::optional<Error> error_;
  bool may_select_everything_ = false;  // the next selector only names labels
};

}  // namespace

std::optional<Error> check_types(std::string_view query, Expr& expr) {
  TypeChecker checker(query);
  checker.check(expr);
  return std::move(checker).error();
}

}  // namespace aerie::query
