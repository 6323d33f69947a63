#include "tests/query/support/ast_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>

namespace aerie::query {
namespace {

std::string bits(double value) {
  return value != value ? "nan" : fmt::format("{:x}", std::bit_cast<uint64_t>(value));
}

std::string bits(const std::optional<double>& value) { return value ? bits(*value) : "-"; }

std::string show(const DurationExprPtr& duration) {
  if (!duration) return "-";
  return fmt::format("<{} {} {} {} {}>", static_cast<int>(duration->kind), bits(duration->seconds),
                     duration->written_as_duration, show(duration->left), show(duration->right));
}

std::string show(const std::optional<AtModifier>& at) {
  return at ? fmt::format("@{}:{}", static_cast<int>(at->kind), at->timestamp) : "-";
}

std::string show(const std::vector<std::string>& list) {
  std::string out = "(";
  for (const auto& item : list) out += fmt::format("{}:{},", item.size(), item);
  return out + ")";
}

std::string show(const ExprPtr& expr) { return expr ? ast_text(*expr) : "-"; }

std::string show(const NumberLiteral& node) {
  return fmt::format("number {} {}", bits(node.value), node.written_as_duration);
}
std::string show(const StringLiteral& node) { return "string " + node.value; }
std::string show(const VectorSelector& node) {
  std::vector<std::string> matchers;
  for (const auto& matcher : node.matchers) {
    matchers.push_back(
        fmt::format("{} {} {}", matcher.name(), static_cast<int>(matcher.type()), matcher.value()));
  }
  std::sort(matchers.begin(), matchers.end());
  return fmt::format("vector {} {} {} {} {} {}", node.metric_name, show(matchers), node.offset,
                     show(node.offset_expr), show(node.at), static_cast<int>(node.mode));
}
std::string show(const MatrixSelector& node) {
  return fmt::format("matrix {} {} {}", show(node.selector), node.range, show(node.range_expr));
}
std::string show(const Subquery& node) {
  return fmt::format("subquery {} {} {} {} {} {} {} {}", show(node.expr), node.range,
                     show(node.range_expr), node.step, show(node.step_expr), node.offset,
                     show(node.offset_expr), show(node.at));
}
std::string show(const Unary& node) {
  return fmt::format("unary {} {}", node.negative, show(node.expr));
}
std::string show(const Binary& node) {
  std::string matching = "-";
  if (node.matching) {
    // `ignoring ()` without a group is the default and is not printed.
    matching =
        fmt::format("{} {} {} {} {} {}", static_cast<int>(node.matching->cardinality),
                    node.matching->on, show(node.matching->labels), show(node.matching->include),
                    bits(node.matching->fill_left), bits(node.matching->fill_right));
  }
  return fmt::format("binary {} {} {} {} {}", static_cast<int>(node.op), node.return_bool, matching,
                     show(node.left), show(node.right));
}
std::string show(const Aggregate& node) {
  return fmt::format("aggregate {} {} {} {} {}", static_cast<int>(node.op), node.without,
                     show(node.grouping), show(node.parameter), show(node.expr));
}
std::string show(const Call& node) {
  std::string out = fmt::format("call {}", node.function->name);
  for (const auto& arg : node.args) out += " " + show(arg);
  return out;
}
std::string show(const Paren& node) { return "paren " + show(node.expr); }

}  // namespace

std::string ast_text(const Expr& expr) {
  return "[" + std::visit([](const auto& node) { return show(node); }, expr.node) + "]";
}

}  // namespace aerie::query
