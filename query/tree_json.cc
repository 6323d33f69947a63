#include "query/tree_json.h"

#include <string_view>

#include "http/json_writer.h"
#include "query/literals.h"

namespace aerie::query {
namespace {

std::string_view short_type_name(ValueType type) {
  switch (type) {
    case ValueType::Vector: return "vector";
    case ValueType::Matrix: return "matrix";
    default: return value_type_name(type);
  }
}

std::string_view cardinality_name(Cardinality cardinality) {
  switch (cardinality) {
    case Cardinality::OneToOne: return "one-to-one";
    case Cardinality::ManyToOne: return "many-to-one";
    case Cardinality::OneToMany: return "one-to-many";
    case Cardinality::ManyToMany: return "many-to-many";
  }
  return "";
}

/// One call per kind of node; each writes its keys in alphabetical order, `type` among them.
class TreeWriter {
 public:
  explicit TreeWriter(std::string& out) : json_(out) {}

  void write(const Expr& expr) {
    json_.begin_object();
    std::visit([&](const auto& node) { members(node); }, expr.node);
    json_.end_object();
  }

 private:
  void child(std::string_view key, const ExprPtr& expr) {
    json_.key(key);
    if (expr) {
      write(*expr);
    } else {
      json_.null();
    }
  }

  void strings(std::string_view key, const std::vector<std::string>& list) {
    json_.key(key).begin_array();
    for (const auto& text : list) json_.string(text);
    json_.end_array();
  }

  void flag(std::string_view key, bool value) { json_.key(key).boolean(value); }

  void number_or_null(std::string_view key, const std::optional<double>& value) {
    json_.key(key);
    if (value) {
      json_.number(*value);
    } else {
      json_.null();
    }
  }

  void matchers(const model::Matchers& list) {
    json_.key("matchers").begin_array();
    for (const auto& matcher : list) {
      json_.begin_object()
          .field("name", matcher.name())
          .field("type", model::match_type_symbol(matcher.type()))
          .field("value", matcher.value())
          .end_object();
    }
    json_.end_array();
  }

  void at(const std::optional<AtModifier>& modifier) {
    json_.key("startOrEnd");
    if (modifier && modifier->kind != AtModifier::Kind::Timestamp) {
      json_.string(modifier->kind == AtModifier::Kind::Start ? "start" : "end");
    } else {
      json_.null();
    }
  }

  void timestamp(const std::optional<AtModifier>& modifier) {
    json_.key("timestamp");
    if (modifier && modifier->kind == AtModifier::Kind::Timestamp) {
      json_.integer(modifier->timestamp);
    } else {
      json_.null();
    }
  }

  void duration(std::string_view key, model::DurationMs value, std::string_view expr_key,
                const DurationExprPtr& expr) {
    json_.field(key, value).key(expr_key);
    duration_or_null(expr);
  }

  void duration_or_null(const DurationExprPtr& expr) {
    if (expr) {
      duration_tree(*expr, false);
    } else {
      json_.null();
    }
  }

  static std::string_view operator_of(DurationExpr::Kind kind) {
    using Kind = DurationExpr::Kind;
    switch (kind) {
      case Kind::Sub:
      case Kind::Negate: return "-";
      case Kind::Mul: return "*";
      case Kind::Div: return "/";
      case Kind::Mod: return "%";
      case Kind::Pow: return "^";
      case Kind::Step: return "step";
      case Kind::Range: return "range";
      case Kind::MinOf: return "min_of";
      case Kind::MaxOf: return "max_of";
      default: return "+";
    }
  }

  /// Parentheses are a property of what is in them; around a literal Prometheus puts a unary plus.
  void duration_tree(const DurationExpr& expr, bool wrapped) {
    using Kind = DurationExpr::Kind;
    if (expr.kind == Kind::Literal) {
      json_.begin_object();
      flag("duration", expr.written_as_duration);
      json_.field("type", "numberLiteral").field("val", format_float(expr.seconds)).end_object();
      return;
    }
    const bool around_tree = expr.kind == Kind::Paren && expr.left->kind != Kind::Literal;
    if (around_tree) return duration_tree(*expr.left, true);
    const bool unary =
        expr.kind == Kind::Paren || expr.kind == Kind::Plus || expr.kind == Kind::Negate;
    json_.begin_object().key("lhs");
    if (unary) {
      json_.null();
    } else {
      duration_or_null(expr.left);
    }
    json_.field("op", operator_of(expr.kind)).key("rhs");
    duration_or_null(unary ? expr.left : expr.right);
    json_.field("type", "durationExpr");
    flag("wrapped", wrapped || expr.kind == Kind::Paren);
    json_.end_object();
  }

  void members(const NumberLiteral& node) {
    json_.field("type", "numberLiteral").field("val", format_float(node.value));
  }
  void members(const StringLiteral& node) {
    json_.field("type", "stringLiteral").field("val", node.value);
  }
  void members(const VectorSelector& node) {
    flag("anchored", node.mode == RangeMode::Anchored);
    matchers(node.matchers);
    json_.field("name", node.metric_name);
    duration("offset", node.offset, "offsetExpr", node.offset_expr);
    flag("smoothed", node.mode == RangeMode::Smoothed);
    at(node.at);
    timestamp(node.at);
    json_.field("type", "vectorSelector");
  }
  void members(const MatrixSelector& node) {
    const auto& selector = std::get<VectorSelector>(node.selector->node);
    flag("anchored", selector.mode == RangeMode::Anchored);
    matchers(selector.matchers);
    json_.field("name", selector.metric_name);
    duration("offset", selector.offset, "offsetExpr", selector.offset_expr);
    duration("range", node.range, "rangeExpr", node.range_expr);
    flag("smoothed", selector.mode == RangeMode::Smoothed);
    at(selector.at);
    timestamp(selector.at);
    json_.field("type", "matrixSelector");
  }
  void members(const Subquery& node) {
    child("expr", node.expr);
    duration("offset", node.offset, "offsetExpr", node.offset_expr);
    duration("range", node.range, "rangeExpr", node.range_expr);
    at(node.at);
    duration("step", node.step, "stepExpr", node.step_expr);
    timestamp(node.at);
    json_.field("type", "subquery");
  }
  void members(const Unary& node) {
    child("expr", node.expr);
    json_.field("op", node.negative ? "-" : "+").field("type", "unaryExpr");
  }
  void members(const Binary& node) {
    flag("bool", node.return_bool);
    child("lhs", node.left);
    json_.key("matching");
    if (node.matching) {
      matching(*node.matching);
    } else {
      json_.null();
    }
    json_.field("op", binary_op_symbol(node.op));
    child("rhs", node.right);
    json_.field("type", "binaryExpr");
  }
  void matching(const VectorMatching& matching) {
    json_.begin_object().field("card", cardinality_name(matching.cardinality));
    json_.key("fillValues").begin_object();
    number_or_null("lhs", matching.fill_left);
    number_or_null("rhs", matching.fill_right);
    json_.end_object();
    strings("include", matching.include);
    strings("labels", matching.labels);
    flag("on", matching.on);
    json_.end_object();
  }
  void members(const Aggregate& node) {
    child("expr", node.expr);
    strings("grouping", node.grouping);
    json_.field("op", aggregate_op_name(node.op));
    child("param", node.parameter);
    json_.field("type", "aggregation");
    flag("without", node.without);
  }
  void members(const Call& node) {
    json_.key("args").begin_array();
    for (const auto& arg : node.args) write(*arg);
    json_.end_array().key("func").begin_object().key("argTypes").begin_array();
    for (const ValueType type : node.function->args) json_.string(short_type_name(type));
    json_.end_array()
        .field("name", node.function->name)
        .field("returnType", short_type_name(node.function->returns))
        .field("variadic", node.function->variadic)
        .end_object()
        .field("type", "call");
  }
  void members(const Paren& node) {
    child("expr", node.expr);
    json_.field("type", "parenExpr");
  }

  http::JsonWriter json_;
};

}  // namespace

void append_tree(std::string& out, const Expr& expr) { TreeWriter(out).write(expr); }

}  // namespace aerie::query
