#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/time.h"
#include "query/literals.h"
#include "query/parser.h"

namespace aerie::query {
namespace {

constexpr size_t kMaxLine = 100;  // longer ones are split by pretty()

std::string join_labels(const std::vector<std::string>& labels) {
  std::string out;
  for (const auto& label : labels) {
    if (!out.empty()) out += ", ";
    out += model::is_legacy_label_name(label) ? label : model::go_quote(label);
  }
  return out;
}

std::string seconds_as_duration(double seconds) {
  const std::string shown = model::format_duration(
      static_cast<model::DurationMs>(std::llround(std::fabs(seconds) * 1e3)));
  return seconds < 0 ? "-" + shown : shown;
}

std::string duration_text(const DurationExpr& duration) {
  using Kind = DurationExpr::Kind;
  const auto joined = [&](std::string_view symbol) {
    return fmt::format("{} {} {}", duration_text(*duration.left), symbol,
                       duration_text(*duration.right));
  };
  const auto called = [&](std::string_view name) {
    return fmt::format("{}({}, {})", name, duration_text(*duration.left),
                       duration_text(*duration.right));
  };
  switch (duration.kind) {
    case Kind::Literal:
      return duration.written_as_duration ? seconds_as_duration(duration.seconds)
                                          : format_float(duration.seconds);
    case Kind::Add: return joined("+");
    case Kind::Sub: return joined("-");
    case Kind::Mul: return joined("*");
    case Kind::Div: return joined("/");
    case Kind::Mod: return joined("%");
    case Kind::Pow: return joined("^");
    case Kind::Negate: return "-" + duration_text(*duration.left);
    case Kind::Plus: return duration_text(*duration.left);
    case Kind::Paren: return "(" + duration_text(*duration.left) + ")";
    case Kind::Step: return "step()";
    case Kind::Range: return "range()";
    case Kind::MinOf: return called("min_of");
    case Kind::MaxOf: return called("max_of");
  }
  return {};
}

std::string duration_text(model::DurationMs milliseconds, const DurationExprPtr& expr) {
  return expr ? duration_text(*expr) : model::format_duration(milliseconds);
}

std::string at_text(const std::optional<AtModifier>& at) {
  if (!at) return {};
  switch (at->kind) {
    case AtModifier::Kind::Start: return " @ start()";
    case AtModifier::Kind::End: return " @ end()";
    case AtModifier::Kind::Timestamp: break;
  }
  const model::TimestampMs t = at->timestamp;
  const uint64_t size = t < 0 ? 0 - static_cast<uint64_t>(t) : static_cast<uint64_t>(t);
  return fmt::format(" @ {}{}.{:03}", t < 0 ? "-" : "", size / 1000, size % 1000);
}

std::string offset_text(model::DurationMs offset, const DurationExprPtr& expr) {
  if (offset == 0 && !expr) return {};
  return " offset " + duration_text(offset, expr);
}

std::string mode_text(RangeMode mode) {
  switch (mode) {
    case RangeMode::Anchored: return " anchored";
    case RangeMode::Smoothed: return " smoothed";
    case RangeMode::Plain: break;
  }
  return {};
}

std::string selector_head(const VectorSelector& node) {
  std::vector<std::string> shown;
  for (const auto& matcher : node.matchers) {
    const bool is_name = !node.metric_name.empty() && matcher.name() == model::kMetricName &&
                         matcher.type() == model::MatchType::Equal &&
                         matcher.value() == node.metric_name;
    if (!is_name) shown.push_back(matcher.to_string());
  }
  std::sort(shown.begin(), shown.end());
  std::string out = node.metric_name;
  if (shown.empty() && !out.empty()) return out;
  out += '{';
  for (size_t i = 0; i < shown.size(); ++i) {
    if (i > 0) out += ',';
    out += shown[i];
  }
  return out + '}';
}

std::string matching_text(const Binary& node) {
  if (!node.matching) return {};
  const VectorMatching& matching = *node.matching;
  const bool many_to_one = matching.cardinality == Cardinality::ManyToOne;
  const bool grouped = many_to_one || matching.cardinality == Cardinality::OneToMany;
  std::string out;
  if (!matching.labels.empty() || matching.on || grouped)
    out += fmt::format(" {} ({})", matching.on ? "on" : "ignoring", join_labels(matching.labels));
  if (grouped) {
    out += fmt::format(" group_{} ({})", many_to_one ? "left" : "right",
                       join_labels(matching.include));
  }
  const auto& left = matching.fill_left;
  const auto& right = matching.fill_right;
  if (left && right && *left == *right)
    return out + fmt::format(" fill ({})", format_float_short(*left));
  if (left) out += fmt::format(" fill_left ({})", format_float_short(*left));
  if (right) out += fmt::format(" fill_right ({})", format_float_short(*right));
  return out;
}

std::string operator_text(const Binary& node) {
  return fmt::format("{}{}{}", binary_op_symbol(node.op), node.return_bool ? " bool" : "",
                     matching_text(node));
}

std::string aggregate_head(const Aggregate& node) {
  std::string out(aggregate_op_name(node.op));
  if (node.without) return out + " without (" + join_labels(node.grouping) + ") ";
  if (!node.grouping.empty()) return out + " by (" + join_labels(node.grouping) + ") ";
  return out;
}

std::string subquery_suffix(const Subquery& node) {
  const std::string step =
      node.step != 0 || node.step_expr ? duration_text(node.step, node.step_expr) : std::string();
  return fmt::format("[{}:{}]{}{}", duration_text(node.range, node.range_expr), step,
                     at_text(node.at), offset_text(node.offset, node.offset_expr));
}

std::string text(const NumberLiteral& node) {
  return node.written_as_duration ? seconds_as_duration(node.value) : format_float(node.value);
}
std::string text(const StringLiteral& node) { return model::go_quote(node.value); }
std::string text(const VectorSelector& node) {
  return selector_head(node) + at_text(node.at) + mode_text(node.mode) +
         offset_text(node.offset, node.offset_expr);
}
std::string text(const MatrixSelector& node) {
  const auto& selector = std::get<VectorSelector>(node.selector->node);
  return fmt::format("{}[{}]{}{}{}", selector_head(selector),
                     duration_text(node.range, node.range_expr), mode_text(selector.mode),
                     at_text(selector.at), offset_text(selector.offset, selector.offset_expr));
}
std::string text(const Subquery& node) { return to_string(*node.expr) + subquery_suffix(node); }
std::string text(const Unary& node) { return (node.negative ? "-" : "+") + to_string(*node.expr); }
/// A sign binds weaker than ^: `+Inf ^ x` would come back as `+(Inf ^ x)`.
std::string left_operand(const Binary& node, std::string printed) {
  const size_t start = printed.find_first_not_of(' ');
  if (node.op == BinaryOp::Pow && printed.compare(start, std::string::npos, "+Inf") == 0)
    printed.erase(start, 1);
  return printed;
}
std::string text(const Binary& node) {
  return fmt::format("{} {} {}", left_operand(node, to_string(*node.left)), operator_text(node),
                     to_string(*node.right));
}
std::string text(const Aggregate& node) {
  std::string out = aggregate_head(node) + '(';
  if (node.parameter) out += to_string(*node.parameter) + ", ";
  return out + to_string(*node.expr) + ')';
}
std::string text(const Call& node) {
  std::string out(node.function->name);
  out += '(';
  for (size_t i = 0; i < node.args.size(); ++i) {
    if (i > 0) out += ", ";
    out += to_string(*node.args[i]);
  }
  return out + ')';
}
std::string text(const Paren& node) { return '(' + to_string(*node.expr) + ')'; }

std::string indent(size_t level) { return std::string(2 * level, ' '); }

std::string pretty_at(const Expr& expr, size_t level);

/// The split forms; whoever calls them knows that one line is too short.
std::string split(const Aggregate& node, size_t level) {
  std::string out = indent(level) + aggregate_head(node) + "(\n";
  if (node.parameter) out += pretty_at(*node.parameter, level + 1) + ",\n";
  return out + pretty_at(*node.expr, level + 1) + '\n' + indent(level) + ')';
}
std::string split(const Binary& node, size_t level) {
  return fmt::format("{}\n{}{}\n{}", left_operand(node, pretty_at(*node.left, level + 1)),
                     indent(level), operator_text(node), pretty_at(*node.right, level + 1));
}
std::string split(const Call& node, size_t level) {
  std::string out = fmt::format("{}{}(\n", indent(level), node.function->name);
  for (size_t i = 0; i < node.args.size(); ++i) {
    if (i > 0) out += ",\n";
    out += pretty_at(*node.args[i], level + 1);
  }
  return out + '\n' + indent(level) + ')';
}
std::string split(const Paren& node, size_t level) {
  return fmt::format("{}(\n{}\n{})", indent(level), pretty_at(*node.expr, level + 1),
                     indent(level));
}
std::string split(const Subquery& node, size_t level) {
  return pretty_at(*node.expr, level) + subquery_suffix(node);
}
std::string split(const Unary& node, size_t level) {
  const std::string operand = pretty_at(*node.expr, level);
  return indent(level) + (node.negative ? '-' : '+') +
         operand.substr(operand.find_first_not_of(' '));
}
template <class Leaf>
std::string split(const Leaf& node, size_t level) {
  return indent(level) + text(node);
}

std::string pretty_at(const Expr& expr, size_t level) {
  const bool always_split = std::holds_alternative<Unary>(expr.node);
  std::string line = to_string(expr);
  if (line.size() > kMaxLine || always_split)
    return std::visit([&](const auto& node) { return split(node, level); }, expr.node);
  // Prometheus does not indent a subquery that fits, and answers of format_query are compared.
  return std::holds_alternative<Subquery>(expr.node) ? line : indent(level) + line;
}

}  // namespace

std::string to_string(const Expr& expr) {
  return std::visit([](const auto& node) { return text(node); }, expr.node);
}

std::string pretty(const Expr& expr) { return pretty_at(expr, 0); }

}  // namespace aerie::query
