// Durations as expressions: `[5m * 2]`, `[step()]`, `offset -(1h / 2)`. Literals are folded on the
// spot; the rest is computed before the query runs, because step() and range() are known only then.

#include <fmt/core.h>

#include <utility>

#include "model/time.h"
#include "query/literals.h"
#include "query/parser_state.h"

namespace aerie::query {
namespace {

using Kind = DurationExpr::Kind;

constexpr double kMaxSeconds = 9223372036.854775807;  // int64 nanoseconds
constexpr int kLowest = 4;
constexpr int kPower = 6;

struct Operator {
  Kind kind;
  int precedence;
};

std::optional<Operator> operator_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::Add: return Operator{Kind::Add, 4};
    case TokenKind::Sub: return Operator{Kind::Sub, 4};
    case TokenKind::Mul: return Operator{Kind::Mul, 5};
    case TokenKind::Div: return Operator{Kind::Div, 5};
    case TokenKind::Mod: return Operator{Kind::Mod, 5};
    case TokenKind::Pow: return Operator{Kind::Pow, kPower};
    default: return std::nullopt;
  }
}

bool is_literal(const DurationExpr& duration) { return duration.kind == Kind::Literal; }

bool out_of_range(double seconds) { return seconds > kMaxSeconds || seconds < -kMaxSeconds; }

DurationExprPtr make_duration(Kind kind, PositionRange position) {
  auto duration = std::make_unique<DurationExpr>();
  duration->kind = kind;
  duration->written_as_duration = false;
  duration->position = position;
  return duration;
}

bool is_duration_call(TokenKind kind) {
  return kind == TokenKind::Step || kind == TokenKind::Range || kind == TokenKind::MaxOf ||
         kind == TokenKind::MinOf;
}

}  // namespace

std::optional<double> ParserState::number_value(const Token& token) {
  if (token.kind == TokenKind::Duration) {
    const auto duration = model::parse_duration(token.text);
    if (!duration) return error(token.start, duration.error().message()), std::nullopt;
    // Whole seconds and the rest apart, as Go's Duration.Seconds() rounds.
    return static_cast<double>(*duration / 1000) + static_cast<double>(*duration % 1000) / 1e3;
  }
  const auto number = parse_number(token.text);
  if (!number) {
    error(token.start, fmt::format("error parsing number: {}", number.error().message()));
    return std::nullopt;
  }
  return *number;
}

DurationExprPtr ParserState::positive_duration() {
  DurationExprPtr result = duration(kLowest);
  if (!result) return nullptr;
  if (is_literal(*result) && !(result->seconds > 0))
    return error(result->position.start, "duration must be greater than 0");
  return result;
}

/// What follows `offset`. A bare literal or call ends at once: `foo offset -2 ^ 2` is `(foo offset
/// -2) ^ 2`.
DurationExprPtr ParserState::offset_duration() {
  const TokenKind first = peek().kind;
  if (first == TokenKind::Number || first == TokenKind::Duration) return duration_literal();
  if (is_duration_call(first)) return duration_call(take());
  if (first == TokenKind::LeftParen) return duration(kLowest);
  if (first != TokenKind::Add && first != TokenKind::Sub) return unexpected();
  const Token sign = take();
  const TokenKind next = peek().kind;
  if (next == TokenKind::Number || next == TokenKind::Duration)
    return negated(duration_literal(), sign);
  if (is_duration_call(next)) return negated(duration_call(take()), sign);
  if (next == TokenKind::LeftParen) return negated(duration_paren(), sign);
  return negated(duration(kPower), sign);
}

DurationExprPtr ParserState::duration(int least_precedence) {
  if (!enter()) return nullptr;
  ++nesting_;
  DurationExprPtr left = duration_operand();
  while (left) {
    const auto found = operator_of(peek().kind);
    if (!found || found->precedence < least_precedence || failed()) break;
    const Token symbol = take();
    if (!chain()) return nullptr;
    const bool right_associative = found->kind == Kind::Pow;
    DurationExprPtr right = duration(right_associative ? found->precedence : found->precedence + 1);
    if (!right) return nullptr;
    peek();
    const bool by_zero = is_literal(*right) && right->seconds == 0;
    if (by_zero && found->kind == Kind::Div) return error(symbol.start, "division by zero");
    if (by_zero && found->kind == Kind::Mod) return error(symbol.start, "modulo by zero");
    auto node = make_duration(found->kind, {left->position.start, right->position.end});
    node->left = std::move(left);
    node->right = std::move(right);
    left = std::move(node);
  }
  --nesting_;
  return failed() ? nullptr : std::move(left);
}

DurationExprPtr ParserState::duration_operand() {
  const TokenKind kind = peek().kind;
  if (kind == TokenKind::Number || kind == TokenKind::Duration) return duration_literal();
  if (is_duration_call(kind)) return duration_call(take());
  if (kind == TokenKind::LeftParen) return duration_paren();
  if (kind != TokenKind::Add && kind != TokenKind::Sub) return unexpected();
  const Token sign = take();
  return negated(duration(kPower), sign);
}

DurationExprPtr ParserState::duration_literal() {
  const Token token = take();
  const auto value = number_value(token);
  if (!value) return nullptr;
  if (out_of_range(*value)) return error(token.start, "duration out of range");
  auto literal = make_duration(Kind::Literal, {token.start, token.end()});
  literal->seconds = *value;
  literal->written_as_duration = token.kind == TokenKind::Duration;
  return literal;
}

DurationExprPtr ParserState::duration_call(const Token& name) {
  if (!take_if(TokenKind::LeftParen)) return unexpected();
  DurationExprPtr call = make_duration(Kind::Step, {name.start, name.end()});
  if (name.kind == TokenKind::Range) call->kind = Kind::Range;
  if (name.kind == TokenKind::MaxOf || name.kind == TokenKind::MinOf) {
    call->kind = name.kind == TokenKind::MaxOf ? Kind::MaxOf : Kind::MinOf;
    call->left = duration(kLowest);
    if (!call->left) return nullptr;
    if (!take_if(TokenKind::Comma)) return unexpected();
    call->right = duration(kLowest);
    if (!call->right) return nullptr;
  }
  if (!at(TokenKind::RightParen)) return unexpected();
  call->position.end = take().end();
  return call;
}

DurationExprPtr ParserState::duration_paren() {
  const Token left = take();
  DurationExprPtr inner = duration(kLowest);
  if (!inner) return nullptr;
  if (!at(TokenKind::RightParen)) return unexpected();
  const int32_t end = take().end();
  if (inner->kind == Kind::Paren) return inner;  // `((x))` is `(x)`
  const PositionRange position =
      is_literal(*inner) ? PositionRange{left.start, end} : inner->position;
  auto node = make_duration(Kind::Paren, position);
  node->left = std::move(inner);
  return node;
}

DurationExprPtr ParserState::negated(DurationExprPtr operand, const Token& sign) {
  if (!operand) return nullptr;
  const bool negative = sign.kind == TokenKind::Sub;
  if (is_literal(*operand)) {
    if (negative) operand->seconds = -operand->seconds;
    if (out_of_range(operand->seconds)) return error(sign.start, "duration out of range");
    operand->position.start = sign.start;
    return operand;
  }
  if (!negative) return operand;
  auto node = make_duration(Kind::Negate, {sign.start, operand->position.end});
  node->left = std::move(operand);
  return node;
}

}  // namespace aerie::query
