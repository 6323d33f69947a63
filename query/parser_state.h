#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "query/ast.h"
#include "query/lexer.h"

namespace aerie::query {

/// Renders an error as Prometheus does: `1:5: parse error: …`.
Error parse_error_at(std::string_view query, int32_t position, std::string_view message);

/// Checks types and what else the grammar leaves open; completes vector matching. Nothing, or the
/// first error in Prometheus's order.
std::optional<Error> check_types(std::string_view query, Expr& expr);

/// One parse of one text: recursive descent, operators by precedence. Tokens are read as late as
/// possible, because an error of the lexer counts from the moment its token is looked at, and only
/// the first error is reported. Functions answer null after an error.
class ParserState {
 public:
  ParserState(std::string_view text, const LanguageFeatures& features)
      : text_(text), features_(features), lexer_(text) {}

  Result<ExprPtr> whole_expression();
  Result<model::Matchers> whole_selector();

 private:
  // Deep trees are walked by recursion here and in the engine: both limits keep that inside a
  // thread's stack.
  static constexpr int kMaxNesting = 400;
  static constexpr int kMaxChained = 4000;

  struct Context {  // what "unexpected" says when nothing nearer has an opinion
    std::string_view where;
    std::string_view expected;
  };

  const Token& peek();
  Token take();
  bool at(TokenKind kind) { return peek().kind == kind; }
  bool take_if(TokenKind kind);
  std::nullptr_t error(int32_t position, std::string message);
  std::nullptr_t unexpected(std::string_view where, std::string_view expected);
  std::nullptr_t unexpected() { return unexpected(context_.where, context_.expected); }
  bool failed() const { return error_.has_value(); }
  bool enter();
  bool chain();

  ExprPtr binary(int least_precedence);
  bool binary_modifiers(Binary& node);
  bool fill_modifiers(VectorMatching& matching);
  std::optional<double> fill_value();
  ExprPtr unary();
  ExprPtr primary();
  ExprPtr paren();
  ExprPtr number();
  ExprPtr aggregation(const Token& name);
  bool aggregation_modifier(Aggregate& node);
  bool complete_aggregation(Aggregate& node, PositionRange position, std::vector<ExprPtr> args);
  ExprPtr call(const Token& name);
  bool arguments(std::vector<ExprPtr>& args, int32_t& end);
  bool starts_expression();
  std::optional<std::vector<std::string>> grouping_labels();
  bool grouping_label(std::vector<std::string>& labels);

  ExprPtr postfix(ExprPtr expr);
  ExprPtr selector(const Token& name);
  bool label_matchers(VectorSelector& selector, int32_t& end);
  bool label_matcher(model::Matchers& matchers);
  bool add_matcher(model::Matchers& matchers, std::string name, int32_t position);
  ExprPtr bracketed(ExprPtr expr);
  ExprPtr range_selector(ExprPtr expr, const Token& left, DurationExprPtr range, int32_t end);
  bool offset_modifier(Expr& expr);
  bool set_offset(Expr& expr, DurationExprPtr duration, int32_t end);
  bool at_modifier(Expr& expr);
  bool set_at(Expr& expr, AtModifier at, int32_t end);
  bool range_mode(Expr& expr, RangeMode mode);

  DurationExprPtr positive_duration();
  DurationExprPtr offset_duration();
  DurationExprPtr duration(int least_precedence);
  DurationExprPtr duration_operand();
  DurationExprPtr duration_literal();
  DurationExprPtr duration_call(const Token& name);
  DurationExprPtr duration_paren();
  DurationExprPtr negated(DurationExprPtr operand, const Token& sign);
  std::optional<double> number_value(const Token& token);

  const std::string_view text_;
  const LanguageFeatures features_;
  Lexer lexer_;
  std::optional<Token> ahead_;
  std::optional<Error> error_;
  Context context_;
  int32_t last_end_ = 0;  // of the newest bracket, number or duration taken
  int nesting_ = 0;
  int chained_ = 0;
};

}  // namespace aerie::query
