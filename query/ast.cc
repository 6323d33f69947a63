#include "query/ast.h"

#include <array>
#include <string_view>
#include <type_traits>

namespace aerie::query {
namespace {

DurationExprPtr clone(const DurationExprPtr& duration) {
  if (!duration) return nullptr;
  auto copy = std::make_unique<DurationExpr>();
  copy->kind = duration->kind;
  copy->seconds = duration->seconds;
  copy->written_as_duration = duration->written_as_duration;
  copy->left = clone(duration->left);
  copy->right = clone(duration->right);
  copy->position = duration->position;
  return copy;
}

ExprPtr clone_ptr(const ExprPtr& expr) { return expr ? query::clone(*expr) : nullptr; }

NumberLiteral clone_node(const NumberLiteral& node) { return node; }
StringLiteral clone_node(const StringLiteral& node) { return node; }

VectorSelector clone_node(const VectorSelector& node) {
  VectorSelector copy;
  copy.metric_name = node.metric_name;
  copy.matchers = node.matchers;
  copy.offset = node.offset;
  copy.offset_expr = clone(node.offset_expr);
  copy.at = node.at;
  copy.mode = node.mode;
  return copy;
}

MatrixSelector clone_node(const MatrixSelector& node) {
  return {clone_ptr(node.selector), node.range, clone(node.range_expr)};
}

Subquery clone_node(const Subquery& node) {
  Subquery copy;
  copy.expr = clone_ptr(node.expr);
  copy.range = node.range;
  copy.range_expr = clone(node.range_expr);
  copy.step = node.step;
  copy.step_expr = clone(node.step_expr);
  copy.offset = node.offset;
  copy.offset_expr = clone(node.offset_expr);
  copy.at = node.at;
  return copy;
}

Unary clone_node(const Unary& node) { return {node.negative, clone_ptr(node.expr)}; }

Binary clone_node(const Binary& node) {
  return {node.op, clone_ptr(node.left), clone_ptr(node.right), node.return_bool, node.matching};
}

Aggregate clone_node(const Aggregate& node) {
  return {node.op, clone_ptr(node.expr), clone_ptr(node.parameter), node.grouping, node.without};
}

Call clone_node(const Call& node) {
  Call copy;
  copy.function = node.function;
  for (const auto& arg : node.args) copy.args.push_back(clone_ptr(arg));
  return copy;
}

Paren clone_node(const Paren& node) { return {clone_ptr(node.expr)}; }

}  // namespace

std::string_view value_type_name(ValueType type) {
  switch (type) {
    case ValueType::None: return "none";
    case ValueType::Scalar: return "scalar";
    case ValueType::Vector: return "instant vector";
    case ValueType::Matrix: return "range vector";
    case ValueType::String: return "string";
  }
  return "none";
}

std::string_view binary_op_symbol(BinaryOp op) {
  static constexpr std::array<std::string_view, 18> kSymbols = {"+",   "-",     "*",     "/",  "%",
                                                                "^",   "atan2", "==",    "!=", "<",
                                                                "<=",  ">",     ">=",    "</", ">/",
                                                                "and", "or",    "unless"};
  return kSymbols[static_cast<size_t>(op)];
}

std::string_view aggregate_op_name(AggregateOp op) {
  static constexpr std::array<std::string_view, 14> kNames = {
      "sum",    "avg",  "min",     "max",      "count",        "group",  "stddev",
      "stdvar", "topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio"};
  return kNames[static_cast<size_t>(op)];
}

ValueType value_type(const Expr& expr) {
  return std::visit(
      [](const auto& node) {
        using Node = std::decay_t<decltype(node)>;
        if constexpr (std::is_same_v<Node, NumberLiteral>) {
          return ValueType::Scalar;
        } else if constexpr (std::is_same_v<Node, StringLiteral>) {
          return ValueType::String;
        } else if constexpr (std::is_same_v<Node, VectorSelector> ||
                             std::is_same_v<Node, Aggregate>) {
          return ValueType::Vector;
        } else if constexpr (std::is_same_v<Node, MatrixSelector> ||
                             std::is_same_v<Node, Subquery>) {
          return ValueType::Matrix;
        } else if constexpr (std::is_same_v<Node, Call>) {
          return node.function->returns;
        } else if constexpr (std::is_same_v<Node, Binary>) {
          const bool scalars = value_type(*node.left) == ValueType::Scalar &&
                               value_type(*node.right) == ValueType::Scalar;
          return scalars ? ValueType::Scalar : ValueType::Vector;
        } else {
          return value_type(*node.expr);  // Unary, Paren
        }
      },
      expr.node);
}

ExprPtr clone(const Expr& expr) {
  auto copy = std::make_unique<Expr>();
  copy->position = expr.position;
  std::visit([&](const auto& node) { copy->node = clone_node(node); }, expr.node);
  return copy;
}

}  // namespace aerie::query
