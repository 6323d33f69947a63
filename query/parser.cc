#include "query/parser.h"

#include <fmt/core.h>

#include <utility>

#include "query/count_only.h"
#include "query/functions_table.h"
#include "query/literals.h"
#include "query/parser_state.h"

namespace aerie::query {
namespace {

struct Operator {
  BinaryOp op;
  int precedence;
};
constexpr int kLowest = 1;
constexpr int kPower = 6;

std::optional<Operator> operator_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::Or: return Operator{BinaryOp::Or, 1};
    case TokenKind::And: return Operator{BinaryOp::And, 2};
    case TokenKind::Unless: return Operator{BinaryOp::Unless, 2};
    case TokenKind::EqualEqual: return Operator{BinaryOp::Eq, 3};
    case TokenKind::NotEqual: return Operator{BinaryOp::Ne, 3};
    case TokenKind::Less: return Operator{BinaryOp::Lt, 3};
    case TokenKind::LessEqual: return Operator{BinaryOp::Le, 3};
    case TokenKind::Greater: return Operator{BinaryOp::Gt, 3};
    case TokenKind::GreaterEqual: return Operator{BinaryOp::Ge, 3};
    case TokenKind::TrimUpper: return Operator{BinaryOp::TrimUpper, 3};
    case TokenKind::TrimLower: return Operator{BinaryOp::TrimLower, 3};
    case TokenKind::Add: return Operator{BinaryOp::Add, 4};
    case TokenKind::Sub: return Operator{BinaryOp::Sub, 4};
    case TokenKind::Mul: return Operator{BinaryOp::Mul, 5};
    case TokenKind::Div: return Operator{BinaryOp::Div, 5};
    case TokenKind::Mod: return Operator{BinaryOp::Mod, 5};
    case TokenKind::Atan2: return Operator{BinaryOp::Atan2, 5};
    case TokenKind::Pow: return Operator{BinaryOp::Pow, kPower};
    default: return std::nullopt;
  }
}

AggregateOp aggregate_of(TokenKind kind) {
  return static_cast<AggregateOp>(static_cast<int>(kind) - static_cast<int>(TokenKind::Sum));
}

bool takes_parameter(AggregateOp op) { return op >= AggregateOp::TopK; }

/// Keywords that name a metric where an expression begins.
bool is_metric_keyword(TokenKind kind) {
  switch (kind) {
    case TokenKind::By:
    case TokenKind::Without:
    case TokenKind::And:
    case TokenKind::Or:
    case TokenKind::Unless:
    case TokenKind::Offset:
    case TokenKind::Fill:
    case TokenKind::FillLeft:
    case TokenKind::FillRight:
    case TokenKind::Anchored:
    case TokenKind::Smoothed: return true;
    default: return kind >= TokenKind::Start;
  }
}

/// What may stand in by(…), on(…) and the like.
bool is_label_token(TokenKind kind) {
  return kind == TokenKind::Identifier || kind == TokenKind::MetricIdentifier ||
         is_aggregation(kind) || is_keyword(kind) || kind >= TokenKind::Start ||
         kind == TokenKind::And || kind == TokenKind::Or || kind == TokenKind::Unless ||
         kind == TokenKind::Atan2;
}

template <class Node>
ExprPtr make_expr(Node node, int32_t start, int32_t end) {
  auto expr = std::make_unique<Expr>();
  expr->node = std::move(node);
  expr->position = {start, end};
  return expr;
}

}  // namespace

Error parse_error_at(std::string_view query, int32_t position, std::string_view message) {
  std::string where = "unknown position";
  if (!query.empty()) {
    int32_t line = 1;
    int32_t line_start = 0;
    for (int32_t i = 0; i < position && i < static_cast<int32_t>(query.size()); ++i) {
      if (query[static_cast<size_t>(i)] != '\n') continue;
      ++line;
      line_start = i + 1;
    }
    where = fmt::format("{}:{}", line, position - line_start + 1);
  }
  return {ErrorCode::InvalidArgument, fmt::format("{}: parse error: {}", where, message)};
}

Result<ExprPtr> parse_expr(std::string_view text, const LanguageFeatures& features) {
  auto expr = ParserState(text, features).whole_expression();
  if (expr) mark_count_only(**expr);
  return expr;
}

Result<model::Matchers> parse_selector(std::string_view text) {
  return ParserState(text, {}).whole_selector();
}

const Token& ParserState::peek() {
  if (!ahead_) {
    ahead_ = lexer_.next();
    if (ahead_->kind == TokenKind::Error) error(ahead_->start, ahead_->error);
  }
  return *ahead_;
}

Token ParserState::take() {
  Token token = peek();
  ahead_.reset();
  switch (token.kind) {
    case TokenKind::RightBrace:
    case TokenKind::RightParen:
    case TokenKind::RightBracket:
    case TokenKind::Duration:
    case TokenKind::Number: last_end_ = token.end(); break;
    case TokenKind::End:
    case TokenKind::Error: ahead_ = token; break;  // they do not go away
    default: break;
  }
  return token;
}

bool ParserState::take_if(TokenKind kind) {
  if (!at(kind)) return false;
  take();
  return true;
}

std::nullptr_t ParserState::error(int32_t position, std::string message) {
  if (!error_) error_ = parse_error_at(text_, position, message);
  return nullptr;
}

std::nullptr_t ParserState::unexpected(std::string_view where, std::string_view expected) {
  const Token& token = peek();
  std::string message = "unexpected " + describe(token);
  if (!where.empty()) message += fmt::format(" in {}", where);
  if (!expected.empty()) message += fmt::format(", expected {}", expected);
  return error(token.start, std::move(message));
}

bool ParserState::enter() {
  if (nesting_ < kMaxNesting) return true;
  error(peek().start, fmt::format("expression is nested more than {} levels deep", kMaxNesting));
  return false;
}

bool ParserState::chain() {
  if (++chained_ <= kMaxChained) return true;
  error(peek().start, fmt::format("expression has more than {} operators", kMaxChained));
  return false;
}

Result<ExprPtr> ParserState::whole_expression() {
  if (at(TokenKind::End)) return parse_error_at(text_, 0, "no expression found in input");
  ExprPtr expr = binary(kLowest);
  if (!failed() && !at(TokenKind::End)) unexpected();
  if (failed()) return *error_;
  if (auto wrong = check_types(text_, *expr)) return *wrong;
  return expr;
}

ExprPtr ParserState::binary(int least_precedence) {
  if (!enter()) return nullptr;
  ++nesting_;
  ExprPtr left = unary();
  while (left) {
    const auto found = operator_of(peek().kind);
    if (!found || found->precedence < least_precedence || failed()) break;
    take();
    Binary node;
    node.op = found->op;
    if (!chain() || !binary_modifiers(node)) return nullptr;
    const bool right_associative = node.op == BinaryOp::Pow;
    node.right = binary(right_associative ? found->precedence : found->precedence + 1);
    if (!node.right) return nullptr;
    peek();  // Prometheus looks one token further before it complains about the next
    const PositionRange position{left->position.start, node.right->position.end};
    const bool fills = node.matching->fill_left || node.matching->fill_right;
    if (fills && !features_.binop_fill_modifiers) {
      return error(position.start, "binop fill modifiers are experimental and not enabled");
    }
    node.left = std::move(left);
    left = make_expr(std::move(node), position.start, position.end);
  }
  --nesting_;
  return failed() ? nullptr : std::move(left);
}

bool ParserState::binary_modifiers(Binary& node) {
  node.matching.emplace();
  node.return_bool = take_if(TokenKind::Bool);
  if (at(TokenKind::On) || at(TokenKind::Ignoring)) {
    node.matching->on = take().kind == TokenKind::On;
    auto labels = grouping_labels();
    if (!labels) return false;
    node.matching->labels = std::move(*labels);
    if (at(TokenKind::GroupLeft) || at(TokenKind::GroupRight)) {
      const bool left = take().kind == TokenKind::GroupLeft;
      node.matching->cardinality = left ? Cardinality::ManyToOne : Cardinality::OneToMany;
      if (at(TokenKind::LeftParen)) {
        auto include = grouping_labels();
        if (!include) return false;
        node.matching->include = std::move(*include);
      }
    }
  }
  return fill_modifiers(*node.matching);
}

bool ParserState::fill_modifiers(VectorMatching& matching) {
  const TokenKind first = peek().kind;
  if (first != TokenKind::Fill && first != TokenKind::FillLeft && first != TokenKind::FillRight)
    return !failed();
  take();
  const auto value = fill_value();
  if (!value) return false;
  if (first != TokenKind::FillRight) matching.fill_left = value;
  if (first != TokenKind::FillLeft) matching.fill_right = value;
  const bool other_side = (first == TokenKind::FillLeft && at(TokenKind::FillRight)) ||
                          (first == TokenKind::FillRight && at(TokenKind::FillLeft));
  if (other_side) {
    take();
    const auto second = fill_value();
    if (!second) return false;
    (first == TokenKind::FillLeft ? matching.fill_right : matching.fill_left) = second;
  }
  return true;
}

std::optional<double> ParserState::fill_value() {
  if (!take_if(TokenKind::LeftParen)) return unexpected(), std::nullopt;
  const bool negative = at(TokenKind::Sub);
  if (at(TokenKind::Sub) || at(TokenKind::Add)) take();
  if (!at(TokenKind::Number) && !at(TokenKind::Duration)) return unexpected(), std::nullopt;
  const auto value = number_value(take());
  if (!value) return std::nullopt;
  if (!take_if(TokenKind::RightParen)) return unexpected(), std::nullopt;
  return negative ? -*value : *value;
}

ExprPtr ParserState::unary() {
  if (!at(TokenKind::Add) && !at(TokenKind::Sub)) {
    ExprPtr expr = primary();
    return expr ? postfix(std::move(expr)) : nullptr;
  }
  const Token sign = take();
  ExprPtr operand = binary(kPower);
  if (!operand) return nullptr;
  if (auto* literal = std::get_if<NumberLiteral>(&operand->node)) {
    if (sign.kind == TokenKind::Sub) literal->value = -literal->value;
    operand->position.start = sign.start;
    return operand;
  }
  const int32_t end = operand->position.end;
  return make_expr(Unary{sign.kind == TokenKind::Sub, std::move(operand)}, sign.start, end);
}

ExprPtr ParserState::primary() {
  const TokenKind kind = peek().kind;
  if (failed()) return nullptr;
  switch (kind) {
    case TokenKind::Number:
    case TokenKind::Duration: return number();
    case TokenKind::String: {
      const Token token = take();
      return make_expr(StringLiteral{unquote(token.text)}, token.start, token.end());
    }
    case TokenKind::LeftParen: return paren();
    case TokenKind::LeftBrace: return selector(Token{});
    case TokenKind::MetricIdentifier: return selector(take());
    default: break;
  }
  if (is_aggregation(kind)) return aggregation(take());
  if (kind != TokenKind::Identifier && !is_metric_keyword(kind)) return unexpected();
  const Token name = take();
  const bool callable = kind == TokenKind::Identifier || kind >= TokenKind::Start;
  if (callable && at(TokenKind::LeftParen)) return call(name);
  return selector(name);
}

ExprPtr ParserState::number() {
  const Token token = take();
  const auto value = number_value(token);
  if (!value) return nullptr;
  return make_expr(NumberLiteral{*value, token.kind == TokenKind::Duration}, token.start,
                   token.end());
}

ExprPtr ParserState::paren() {
  const Token left = take();
  ExprPtr inner = binary(kLowest);
  if (!inner) return nullptr;
  if (!at(TokenKind::RightParen)) return unexpected();
  const int32_t end = take().end();
  return make_expr(Paren{std::move(inner)}, left.start, end);
}

ExprPtr ParserState::aggregation(const Token& name) {
  const bool modifier_first = at(TokenKind::By) || at(TokenKind::Without);
  if (!modifier_first && !at(TokenKind::LeftParen)) return selector(name);  // a metric's name
  const Context outer = std::exchange(context_, Context{"aggregation", ""});
  Aggregate node;
  node.op = aggregate_of(name.kind);
  if (modifier_first && !aggregation_modifier(node)) return nullptr;
  if (!at(TokenKind::LeftParen)) return unexpected();
  std::vector<ExprPtr> args;
  int32_t end = 0;
  if (!arguments(args, end)) return nullptr;
  if (!modifier_first) {
    const TokenKind after = peek().kind;
    if (after == TokenKind::By || after == TokenKind::Without) {
      if (!aggregation_modifier(node)) return nullptr;
      end = last_end_;
    }
  }
  context_ = outer;
  const PositionRange position{name.start, end};
  if (failed() || !complete_aggregation(node, position, std::move(args))) return nullptr;
  return make_expr(std::move(node), position.start, position.end);
}

bool ParserState::aggregation_modifier(Aggregate& node) {
  node.without = take().kind == TokenKind::Without;
  auto labels = grouping_labels();
  if (!labels) return false;
  node.grouping = std::move(*labels);
  return true;
}

bool ParserState::complete_aggregation(Aggregate& node, PositionRange position,
                                       std::vector<ExprPtr> args) {
  if (args.empty()) {
    return error(position.start, "no arguments for aggregate expression provided"), false;
  }
  const bool limited = node.op == AggregateOp::LimitK || node.op == AggregateOp::LimitRatio;
  if (limited && !features_.experimental_functions) {
    return error(position.start, fmt::format("{}() is experimental and must be enabled with "
                                             "--enable-feature=promql-experimental-functions",
                                             aggregate_op_name(node.op))),
           false;
  }
  const size_t wanted = takes_parameter(node.op) ? 2 : 1;
  if (args.size() != wanted) {
    return error(position.start,
                 fmt::format("wrong number of arguments for aggregate expression provided, "
                             "expected {}, got {}",
                             wanted, args.size())),
           false;
  }
  node.expr = std::move(args.back());
  if (wanted == 2) node.parameter = std::move(args.front());
  return true;
}

ExprPtr ParserState::call(const Token& name) {
  Call node;
  int32_t end = 0;
  if (!arguments(node.args, end)) return nullptr;
  node.function = find_function(name.text);
  if (!node.function) {
    return error(name.start,
                 fmt::format("unknown function with name {}", model::go_quote(name.text)));
  }
  if (node.function->experimental && !features_.experimental_functions) {
    return error(name.start, fmt::format("function {} is not enabled", model::go_quote(name.text)));
  }
  return make_expr(std::move(node), name.start, end);
}

bool ParserState::arguments(std::vector<ExprPtr>& args, int32_t& end) {
  take();  // the left parenthesis
  if (!at(TokenKind::RightParen)) {
    for (;;) {
      ExprPtr arg = binary(kLowest);
      if (!arg) return false;
      args.push_back(std::move(arg));
      if (!at(TokenKind::Comma)) break;
      const Token comma = take();
      if (!starts_expression()) {
        return error(comma.start, "trailing commas not allowed in function call args"), false;
      }
    }
  }
  if (!at(TokenKind::RightParen)) return unexpected(), false;
  end = take().end();
  return true;
}

bool ParserState::starts_expression() {
  switch (peek().kind) {
    case TokenKind::Identifier:
    case TokenKind::MetricIdentifier:
    case TokenKind::Number:
    case TokenKind::Duration:
    case TokenKind::String:
    case TokenKind::LeftParen:
    case TokenKind::LeftBrace:
    case TokenKind::Add:
    case TokenKind::Sub: return true;
    default: return is_aggregation(peek().kind) || is_metric_keyword(peek().kind);
  }
}

std::optional<std::vector<std::string>> ParserState::grouping_labels() {
  if (!at(TokenKind::LeftParen)) return unexpected("grouping opts", "\"(\""), std::nullopt;
  take();
  std::vector<std::string> labels;
  if (take_if(TokenKind::RightParen)) return labels;
  for (;;) {
    if (!grouping_label(labels)) return std::nullopt;
    if (take_if(TokenKind::RightParen)) return labels;
    if (!at(TokenKind::Comma)) return unexpected("grouping opts", "\",\" or \")\""), std::nullopt;
    take();
    if (take_if(TokenKind::RightParen)) return labels;
  }
}

bool ParserState::grouping_label(std::vector<std::string>& labels) {
  const TokenKind kind = peek().kind;
  if (kind != TokenKind::String && !is_label_token(kind))
    return unexpected("grouping opts", "label"), false;
  const Token token = take();
  std::string label = kind == TokenKind::String ? unquote(token.text) : std::string(token.text);
  if (label.empty() || !model::is_valid_utf8(label)) {
    return error(token.start, "invalid label name for grouping: " + model::go_quote(label)), false;
  }
  labels.push_back(std::move(label));
  return true;
}

}  // namespace aerie::query
