#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/matcher.h"
#include "model/time.h"

namespace aerie::query {

/// Byte offsets into the query text: [start, end).
struct PositionRange {
  int32_t start = 0;
  int32_t end = 0;
};

enum class ValueType : uint8_t { None, Scalar, Vector, Matrix, String };
/// `scalar`, `instant vector`, `range vector`, `string`: as error texts say it.
std::string_view value_type_name(ValueType type);

enum class BinaryOp : uint8_t {
  Add,
  Sub,
  Mul,
  Div,
  Mod,
  Pow,
  Atan2,
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  TrimUpper,
  TrimLower,  // `</` and `>/`
  And,
  Or,
  Unless
};
std::string_view binary_op_symbol(BinaryOp op);
inline bool is_comparison(BinaryOp op) { return op >= BinaryOp::Eq && op <= BinaryOp::Ge; }
inline bool is_set_operator(BinaryOp op) { return op >= BinaryOp::And; }

enum class AggregateOp : uint8_t {
  Sum,
  Avg,
  Min,
  Max,
  Count,
  Group,
  Stddev,
  Stdvar,
  TopK,
  BottomK,
  Quantile,
  CountValues,
  LimitK,
  LimitRatio
};
std::string_view aggregate_op_name(AggregateOp op);

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

/// A duration as written: a literal, or an expression evaluated before execution (`5m*2`,
/// `step()`).
struct DurationExpr;
using DurationExprPtr = std::unique_ptr<DurationExpr>;
struct DurationExpr {
  enum class Kind : uint8_t {
    Literal,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Negate,
    Step,
    Range,
    MinOf,
    MaxOf,
    Paren,
    Plus
  };
  Kind kind = Kind::Literal;
  double seconds = 0;               ///< of a literal
  bool written_as_duration = true;  ///< `5m` rather than `300`
  DurationExprPtr left;
  DurationExprPtr right;
  PositionRange position;
};

struct NumberLiteral {
  double value = 0;
  bool written_as_duration = false;
};
struct StringLiteral {
  std::string value;
};

/// `@ 12.5`, `@ start()`, `@ end()`.
struct AtModifier {
  enum class Kind : uint8_t { Timestamp, Start, End } kind = Kind::Timestamp;
  model::TimestampMs timestamp = 0;
};

enum class RangeMode : uint8_t { Plain, Anchored, Smoothed };

struct VectorSelector {
  std::string metric_name;  ///< as written before the braces; also among `matchers`
  model::Matchers matchers;
  model::DurationMs offset = 0;  ///< after evaluation of `offset_expr`; positive looks back
  DurationExprPtr offset_expr;   ///< null for a plain literal
  std::optional<AtModifier> at;
  RangeMode mode = RangeMode::Plain;
  bool histogram_counts_only = false;  ///< set by mark_count_only()
};
struct MatrixSelector {
  ExprPtr selector;  ///< always a VectorSelector, which holds offset and @
  model::DurationMs range = 0;
  DurationExprPtr range_expr;  ///< null for a plain literal
};
struct Subquery {
  ExprPtr expr;
  model::DurationMs range = 0;
  DurationExprPtr range_expr;
  model::DurationMs step = 0;  ///< 0: the default resolution
  DurationExprPtr step_expr;
  model::DurationMs offset = 0;
  DurationExprPtr offset_expr;
  std::optional<AtModifier> at;
};
struct Unary {
  bool negative = false;
  ExprPtr expr;
};

enum class Cardinality : uint8_t { OneToOne, ManyToOne, OneToMany, ManyToMany };
struct VectorMatching {
  Cardinality cardinality = Cardinality::OneToOne;
  bool on = false;  ///< `on(…)` rather than `ignoring(…)`
  std::vector<std::string> labels;
  std::vector<std::string> include;  ///< of group_left / group_right
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};
struct Binary {
  BinaryOp op = BinaryOp::Add;
  ExprPtr left;
  ExprPtr right;
  bool return_bool = false;
  std::optional<VectorMatching> matching;  ///< present iff both sides are vectors
};
struct Aggregate {
  AggregateOp op = AggregateOp::Sum;
  ExprPtr expr;
  ExprPtr parameter;  ///< of topk, bottomk, quantile, count_values, limitk, limit_ratio; else null
  std::vector<std::string> grouping;
  bool without = false;
};

struct FunctionSignature;
struct Call {
  const FunctionSignature* function = nullptr;  ///< never null; from functions_table.h
  std::vector<ExprPtr> args;
};
struct Paren {
  ExprPtr expr;
};

/// One node of a parsed and type-checked query. Immutable after parsing.
struct Expr {
  std::variant<NumberLiteral, StringLiteral, VectorSelector, MatrixSelector, Subquery, Unary,
               Binary, Aggregate, Call, Paren>
      node;
  PositionRange position;
};

struct FunctionSignature {
  std::string_view name;
  std::vector<ValueType> args;
  int variadic = 0;  ///< 0: exactly args; n > 0: up to n optional ones at the end; -1: the last any
                     ///< number of times
  ValueType returns = ValueType::Vector;
  bool experimental = false;
};

/// Names of Prometheus's --enable-feature that change the language.
struct LanguageFeatures {
  bool experimental_functions = false;
  bool extended_range_selectors = false;
  bool binop_fill_modifiers = false;
  bool delayed_name_removal = false;
  bool type_and_unit_labels = false;
  bool use_start_timestamps = false;
};

ValueType value_type(const Expr& expr);
/// A deep copy.
ExprPtr clone(const Expr& expr);

}  // namespace aerie::query
