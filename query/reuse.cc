#include "query/reuse.h"

#include <algorithm>
#include <limits>
#include <string>

namespace aerie::query {
namespace {

constexpr std::string_view kCluster = "cluster";

int64_t plus(int64_t a, int64_t b) {
  int64_t out = 0;
  if (!__builtin_add_overflow(a, b, &out)) return out;
  return b > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

bool names_the_range(const DurationExprPtr& expr) {
  return expr != nullptr && (expr->kind == DurationExpr::Kind::Range ||
                             names_the_range(expr->left) || names_the_range(expr->right));
}

/// What is known of the series that an expression yields.
struct Yield {
  /// The metric name that all of them have, empty: none has one; not set: several names.
  std::optional<std::string> name;
  /// Which of two series comes first does not depend on the others.
  bool ordered = true;
};

/// The later samples of the same moment are looked at: steps are `end` (with `fixed`: at all steps)
/// or t + `end`.
struct Moment {
  bool fixed = false;
  int64_t end = 0;
};

bool adds_in_order(AggregateOp op) {
  switch (op) {
    case AggregateOp::Sum:
    case AggregateOp::Avg:
    case AggregateOp::Stddev:
    case AggregateOp::Stdvar:
    case AggregateOp::TopK:
    case AggregateOp::BottomK:
    case AggregateOp::LimitK: return true;
    default: return false;
  }
}

bool keeps_series(AggregateOp op) {
  return op == AggregateOp::TopK || op == AggregateOp::BottomK || op == AggregateOp::LimitK ||
         op == AggregateOp::LimitRatio;
}

/// Walks down with the moment that is looked at, comes back with what the series are like; not set
/// where reuse is ruled out.
class Walk {
 public:
  explicit Walk(model::DurationMs lookback) : lookback_(lookback) {}

  std::optional<Yield> operator()(const Expr& expr, Moment moment) {
    return std::visit([&](const auto& node) { return visit(node, moment); }, expr.node);
  }
  Dependence take() { return std::move(found_); }

 private:
  static std::optional<Moment> moved(const std::optional<AtModifier>& at, model::DurationMs offset,
                                     Moment moment) {
    if (at && at->kind != AtModifier::Kind::Timestamp) return std::nullopt;
    if (at) moment = {true, at->timestamp};
    moment.end = plus(moment.end, -offset);
    return moment;
  }

  std::optional<Yield> visit(const NumberLiteral&, Moment) { return Yield{"", true}; }
  std::optional<Yield> visit(const StringLiteral&, Moment) { return Yield{"", true}; }
  std::optional<Yield> visit(const Paren& node, Moment moment) {
    return (*this)(*node.expr, moment);
  }
  std::optional<Yield> visit(const MatrixSelector& node, Moment moment) {
    if (names_the_range(node.range_expr)) return std::nullopt;
    return (*this)(*node.selector, moment);
  }

  std::optional<Yield> visit(const VectorSelector& node, Moment moment) {
    if (node.offset_expr != nullptr) return std::nullopt;
    const auto end = moved(node.at, node.offset, moment);
    if (!end) return std::nullopt;
    // Those look past their end, at most so far.
    const int64_t last = node.mode == RangeMode::Plain ? end->end : plus(end->end, lookback_);
    if (end->fixed) {
      found_.fixed = std::max(found_.fixed, last);
    } else {
      ahead_ = std::max(ahead_.value_or(last), last);
      found_.ahead = *ahead_;
    }
    Yield yield;
    model::Matchers of_cluster;
    for (const model::Matcher& matcher : node.matchers) {
      if (matcher.name() == kCluster) of_cluster.push_back(matcher);
      if (matcher.name() == model::kMetricName && matcher.type() == model::MatchType::Equal)
        yield.name = matcher.value();
    }
    found_.clusters.push_back(std::move(of_cluster));
    return yield;
  }

  std::optional<Yield> visit(const Subquery& node, Moment moment) {
    if (node.offset_expr != nullptr || names_the_range(node.range_expr) ||
        names_the_range(node.step_expr))
      return std::nullopt;
    const auto end = moved(node.at, node.offset, moment);
    if (!end) return std::nullopt;
    return (*this)(*node.expr, *end);
  }

  std::optional<Yield> visit(const Unary& node, Moment moment) {
    auto yield = (*this)(*node.expr, moment);
    return node.negative ? nameless(std::move(yield)) : yield;
  }

  /// Without their names series stay different only if they all had the same.
  static std::optional<Yield> nameless(std::optional<Yield> yield) {
    if (!yield || !yield->name) return std::nullopt;
    yield->name = "";
    return yield;
  }

  std::optional<Yield> visit(const Aggregate& node, Moment moment) {
    if (node.parameter != nullptr && !(*this)(*node.parameter, moment)) return std::nullopt;
    auto yield = (*this)(*node.expr, moment);
    if (!yield) return yield;
    if (adds_in_order(node.op) && !yield->ordered) return std::nullopt;
    if (keeps_series(node.op)) return yield;
    const bool one_group = !node.without && node.grouping.empty();
    const bool keeps_name = !node.without && std::any_of(node.grouping.begin(), node.grouping.end(),
                                                         [](const std::string& label) {
                                                           return label.starts_with("__");
                                                         });
    Yield out{std::nullopt, one_group && node.op != AggregateOp::CountValues};
    if (!keeps_name) out.name = "";
    return out;
  }

  std::optional<Yield> visit(const Binary& node, Moment moment) {
    auto left = (*this)(*node.left, moment);
    auto right = (*this)(*node.right, moment);
    if (!left || !right) return std::nullopt;
    if (!node.matching) {
      const bool on_left = value_type(*node.left) == ValueType::Vector;
      if (!on_left && value_type(*node.right) != ValueType::Vector) return left;
      auto& vector = on_left ? left : right;
      return is_comparison(node.op) && !node.return_bool ? vector : nameless(std::move(vector));
    }
    if (node.op == BinaryOp::And || node.op == BinaryOp::Unless) return left;
    const bool same_name = left->name && right->name && *left->name == *right->name;
    if (node.op == BinaryOp::Or) {
      if (!same_name) left->name.reset();
      return Yield{left->name, false};
    }
    const bool filters = is_comparison(node.op) && !node.return_bool;
    Yield out{same_name ? left->name : std::nullopt, false};
    if (!filters) out.name = "";
    if (node.matching->cardinality == Cardinality::ManyToOne) out.ordered = left->ordered;
    if (node.matching->cardinality == Cardinality::OneToMany) out.ordered = right->ordered;
    return out;
  }

  std::optional<Yield> visit(const Call& node, Moment moment) {
    const std::string_view name = node.function->name;
    if (name == "info" || name == "start" || name == "end" || name == "range") return std::nullopt;
    std::optional<Yield> out = Yield{"", true};
    for (const ExprPtr& argument : node.args) {
      auto yield = (*this)(*argument, moment);
      if (!yield) return yield;
      const ValueType type = value_type(*argument);
      if (type == ValueType::Vector || type == ValueType::Matrix) out = std::move(yield);
    }
    if (name == "scalar" || name == "absent" || name == "absent_over_time" || name == "vector")
      return Yield{"", true};
    if (name.starts_with("sort")) return out;
    if (name == "label_replace" || name == "label_join") return Yield{std::nullopt, false};
    if (name == "last_over_time" || name == "first_over_time") return out;
    if (name.starts_with("histogram_")) out->ordered = false;
    return nameless(std::move(out));
  }

  const model::DurationMs lookback_;
  std::optional<int64_t> ahead_;
  Dependence found_;
};

}  // namespace

bool Dependence::selects(std::string_view cluster) const {
  return std::any_of(clusters.begin(), clusters.end(), [&](const model::Matchers& matchers) {
    return std::all_of(matchers.begin(), matchers.end(),
                       [&](const model::Matcher& matcher) { return matcher.matches(cluster); });
  });
}

bool Dependence::holds(model::TimestampMs t, model::TimestampMs oldest) const {
  return fixed < oldest && plus(t, ahead) < oldest;
}

std::optional<Dependence> dependence_of(const Expr& expr, model::DurationMs lookback,
                                        const LanguageFeatures& features) {
  // Its errors are those of the whole result.
  if (features.delayed_name_removal) return std::nullopt;
  Walk walk(lookback);
  if (!walk(expr, {false, 0})) return std::nullopt;
  return walk.take();
}

}  // namespace aerie::query
