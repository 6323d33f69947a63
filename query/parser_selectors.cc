#include <fmt/core.h>

#include <cmath>
#include <limits>
#include <utility>

#include "query/literals.h"
#include "query/parser_state.h"

namespace aerie::query {
namespace {

constexpr std::string_view kDurationExpected = "number, duration, step(), or range()";

std::optional<model::MatchType> match_type_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::Equal: return model::MatchType::Equal;
    case TokenKind::NotEqual: return model::MatchType::NotEqual;
    case TokenKind::RegexMatch: return model::MatchType::Regex;
    case TokenKind::RegexNoMatch: return model::MatchType::NotRegex;
    default: return std::nullopt;
  }
}

/// RE2 and Go name the same faults differently; users know Go's names.
std::string in_words_of_go(std::string_view message) {
  static constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"no argument for repetition operator", "missing argument to repetition operator"},
      {"bad repetition operator", "invalid nested repetition operator"},
      {"invalid repetition size", "invalid repeat count"},
      {"missing ]", "missing closing ]"},
      {"missing )", "missing closing )"},
      {"trailing \\", "trailing backslash at end of expression"},
      {"invalid perl operator", "invalid or unsupported Perl syntax"},
      {"invalid named capture group", "invalid named capture"},
      {"invalid escape sequence", "invalid escape sequence"},
      {"invalid character class range", "invalid character class range"},
      {"invalid character class", "invalid character class"},
      {"unexpected )", "unexpected )"},
      {"invalid UTF-8", "invalid UTF-8"},
  };
  for (const auto& [ours, theirs] : kWords) {
    const size_t at = message.find(ours);
    if (at == std::string_view::npos) continue;
    std::string_view argument = message.substr(at + ours.size());
    if (argument.substr(0, 2) == ": ") argument.remove_prefix(2);
    if (argument.empty()) return fmt::format("error parsing regexp: {}", theirs);
    return fmt::format("error parsing regexp: {}: `{}`", theirs, argument);
  }
  return fmt::format("error parsing regexp: {}", message);
}

/// The selector that carries offset and @ of an expression, and the expression whose end moves with
/// them.
VectorSelector* selector_of(Expr& expr) {
  if (auto* vector = std::get_if<VectorSelector>(&expr.node)) return vector;
  if (auto* matrix = std::get_if<MatrixSelector>(&expr.node))
    return std::get_if<VectorSelector>(&matrix->selector->node);
  return nullptr;
}

std::optional<AtModifier>* at_of(Expr& expr) {
  if (auto* subquery = std::get_if<Subquery>(&expr.node)) return &subquery->at;
  auto* selector = selector_of(expr);
  return selector ? &selector->at : nullptr;
}

bool is_literal(const DurationExpr& duration) {
  return duration.kind == DurationExpr::Kind::Literal;
}

/// Puts a duration where it belongs. What is a whole number of milliseconds needs no expression.
void store_duration(DurationExprPtr duration, model::DurationMs& milliseconds,
                    DurationExprPtr& expr) {
  if (is_literal(*duration)) {
    const double nanoseconds = std::round(duration->seconds * 1e9);
    constexpr double kLimit = 9.2233720368547e18;
    const auto whole = static_cast<int64_t>(std::fmin(std::fmax(nanoseconds, -kLimit), kLimit));
    milliseconds = whole / 1'000'000;
    if (whole % 1'000'000 == 0) return;
  }
  expr = std::move(duration);
}

}  // namespace

Result<model::Matchers> ParserState::whole_selector() {
  const TokenKind kind = peek().kind;
  const bool other = kind == TokenKind::LeftParen || kind == TokenKind::Number ||
                     kind == TokenKind::Duration || kind == TokenKind::String ||
                     kind == TokenKind::Add || kind == TokenKind::Sub;
  if (other || !starts_expression()) unexpected();
  if (failed()) return *error_;
  ExprPtr expr = kind == TokenKind::LeftBrace ? selector(Token{}) : selector(take());
  if (!failed() && !at(TokenKind::End)) unexpected();
  if (failed()) return *error_;
  auto& matchers = std::get<VectorSelector>(expr->node).matchers;
  for (const auto& matcher : matchers) {
    if (!matcher.matches_empty()) return std::move(matchers);
  }
  return Error(ErrorCode::InvalidArgument, "match[] must contain at least one non-empty matcher");
}

ExprPtr ParserState::selector(const Token& name) {
  VectorSelector node;
  PositionRange position{name.start, name.end()};
  node.metric_name = std::string(name.text);
  if (name.text.empty()) position.start = peek().start;
  if (at(TokenKind::LeftBrace) && !label_matchers(node, position.end)) return nullptr;
  if (failed()) return nullptr;
  if (!node.metric_name.empty()) {
    node.matchers.push_back(
        model::Matcher::equal(std::string(model::kMetricName), node.metric_name));
  }
  auto expr = std::make_unique<Expr>();
  expr->node = std::move(node);
  expr->position = position;
  return expr;
}

bool ParserState::label_matchers(VectorSelector& selector, int32_t& end) {
  take();  // the left brace
  if (at(TokenKind::RightBrace)) {
    end = take().end();
    return true;
  }
  for (;;) {
    if (!label_matcher(selector.matchers)) return false;
    if (at(TokenKind::RightBrace)) break;
    if (!at(TokenKind::Comma)) return unexpected("label matching", "\",\" or \"}\""), false;
    take();
    if (at(TokenKind::RightBrace)) break;
  }
  end = take().end();
  return true;
}

bool ParserState::label_matcher(model::Matchers& matchers) {
  if (at(TokenKind::Identifier)) {
    const Token name = take();
    if (!match_type_of(peek().kind))
      return unexpected("label matching", "label matching operator"), false;
    return add_matcher(matchers, std::string(name.text), name.start);
  }
  if (!at(TokenKind::String)) return unexpected("label matching", "identifier or \"}\""), false;
  const Token name = take();
  if (match_type_of(peek().kind)) return add_matcher(matchers, unquote(name.text), name.start);
  if (failed()) return false;
  matchers.push_back(model::Matcher::equal(std::string(model::kMetricName), unquote(name.text)));
  return true;
}

bool ParserState::add_matcher(model::Matchers& matchers, std::string name, int32_t position) {
  const auto type = match_type_of(take().kind);
  if (!at(TokenKind::String)) return unexpected("label matching", "string"), false;
  auto matcher = model::Matcher::make(*type, std::move(name), unquote(take().text));
  if (!matcher) return error(position, in_words_of_go(matcher.error().message())), false;
  matchers.push_back(std::move(matcher).value());
  return true;
}

ExprPtr ParserState::postfix(ExprPtr expr) {
  while (expr) {
    switch (peek().kind) {
      case TokenKind::LeftBracket:
        if (!chain()) return nullptr;
        expr = bracketed(std::move(expr));
        break;
      case TokenKind::Offset:
        if (!offset_modifier(*expr)) return nullptr;
        break;
      case TokenKind::At:
        if (!at_modifier(*expr)) return nullptr;
        break;
      case TokenKind::Anchored:
      case TokenKind::Smoothed: {
        const bool anchored = take().kind == TokenKind::Anchored;
        if (!range_mode(*expr, anchored ? RangeMode::Anchored : RangeMode::Smoothed))
          return nullptr;
        break;
      }
      default: return failed() ? nullptr : std::move(expr);
    }
  }
  return expr;
}

ExprPtr ParserState::bracketed(ExprPtr expr) {
  const Token left = take();
  const Context outer =
      std::exchange(context_, Context{"subquery or range selector", kDurationExpected});
  DurationExprPtr range = positive_duration();
  if (!range) return nullptr;
  if (at(TokenKind::RightBracket)) {
    const int32_t end = take().end();
    context_ = outer;
    return range_selector(std::move(expr), left, std::move(range), end);
  }
  if (!at(TokenKind::Colon)) return unexpected("subquery or range", "\":\" or \"]\"");
  take();
  Subquery node;
  store_duration(std::move(range), node.range, node.range_expr);
  if (!at(TokenKind::RightBracket)) {
    context_ = {"subquery selector", "number, duration, step(), range(), or \"]\""};
    DurationExprPtr step = positive_duration();
    if (!step) return nullptr;
    store_duration(std::move(step), node.step, node.step_expr);
    if (!at(TokenKind::RightBracket)) return unexpected("subquery selector", "\"]\"");
  }
  context_ = outer;
  auto result = std::make_unique<Expr>();
  result->position = {expr->position.start, take().end()};
  node.expr = std::move(expr);
  result->node = std::move(node);
  return result;
}

ExprPtr ParserState::range_selector(ExprPtr expr, const Token& left, DurationExprPtr range,
                                    int32_t end) {
  const auto* selector = std::get_if<VectorSelector>(&expr->node);
  if (!selector) return error(left.start, "ranges only allowed for vector selectors");
  if (selector->offset != 0 || selector->offset_expr)
    return error(left.start, "no offset modifiers allowed before range");
  if (selector->at) return error(left.start, "no @ modifiers allowed before range");
  MatrixSelector node;
  store_duration(std::move(range), node.range, node.range_expr);
  auto result = std::make_unique<Expr>();
  result->position = {expr->position.start, end};
  node.selector = std::move(expr);
  result->node = std::move(node);
  return result;
}

bool ParserState::offset_modifier(Expr& expr) {
  take();
  const Context outer = std::exchange(context_, Context{"offset", kDurationExpected});
  DurationExprPtr duration = offset_duration();
  context_ = outer;
  return duration && set_offset(expr, std::move(duration), last_end_);
}

bool ParserState::set_offset(Expr& expr, DurationExprPtr duration, int32_t end) {
  model::DurationMs* offset = nullptr;
  DurationExprPtr* offset_expr = nullptr;
  if (auto* subquery = std::get_if<Subquery>(&expr.node)) {
    offset = &subquery->offset;
    offset_expr = &subquery->offset_expr;
  } else if (auto* selector = selector_of(expr)) {
    offset = &selector->offset;
    offset_expr = &selector->offset_expr;
  } else {
    return error(expr.position.start,
                 "offset modifier must be preceded by an instant vector selector or range vector "
                 "selector or a subquery"),
           false;
  }
  if (*offset != 0 || *offset_expr)
    return error(expr.position.start, "offset may not be set multiple times"), false;
  store_duration(std::move(duration), *offset, *offset_expr);
  expr.position.end = end;
  return true;
}

bool ParserState::at_modifier(Expr& expr) {
  take();
  if (at(TokenKind::Start) || at(TokenKind::Finish)) {
    const bool start = take().kind == TokenKind::Start;
    for (const TokenKind wanted : {TokenKind::LeftParen, TokenKind::RightParen}) {
      if (!take_if(wanted)) return unexpected("@", "timestamp"), false;
    }
    return set_at(expr, {start ? AtModifier::Kind::Start : AtModifier::Kind::End, 0}, last_end_);
  }
  const bool negative = at(TokenKind::Sub);
  if (negative || at(TokenKind::Add)) take();
  if (!at(TokenKind::Number) && !at(TokenKind::Duration))
    return unexpected("@", "timestamp"), false;
  const auto number = number_value(take());
  if (!number) return false;
  const double seconds = negative ? -*number : *number;
  constexpr double kLimit = 9223372036854775807.0;
  if (!std::isfinite(seconds) || seconds >= kLimit || seconds <= -kLimit) {
    const std::string shown =
        std::isfinite(seconds) ? fmt::format("{:f}", seconds) : format_float(seconds);
    return error(expr.position.start,
                 fmt::format("timestamp out of bounds for @ modifier: {}", shown)),
           false;
  }
  const double milliseconds = std::round(seconds * 1000);
  constexpr double kLargest = 9.2233720368547e18;
  const auto timestamp =
      static_cast<model::TimestampMs>(std::fmin(std::fmax(milliseconds, -kLargest), kLargest));
  return set_at(expr, {AtModifier::Kind::Timestamp, timestamp}, last_end_);
}

bool ParserState::set_at(Expr& expr, AtModifier at, int32_t end) {
  auto* place = at_of(expr);
  if (!place) {
    return error(expr.position.start,
                 "@ modifier must be preceded by an instant vector selector or range vector "
                 "selector or a subquery"),
           false;
  }
  if (place->has_value())
    return error(expr.position.start, "@ <timestamp> may not be set multiple times"), false;
  *place = at;
  expr.position.end = end;
  return true;
}

bool ParserState::range_mode(Expr& expr, RangeMode mode) {
  const std::string_view name = mode == RangeMode::Anchored ? "anchored" : "smoothed";
  const auto fail = [&](std::string_view reason) {
    error(expr.position.start, fmt::format("{} modifier {}", name, reason));
    return false;
  };
  if (!features_.extended_range_selectors) return fail("is experimental and not enabled");
  if (std::holds_alternative<Subquery>(expr.node)) return fail("is not supported for subqueries");
  auto* selector = selector_of(expr);
  if (!selector) return fail("not implemented");
  if (selector->mode != RangeMode::Plain && selector->mode != mode) {
    error(expr.position.start, "anchored and smoothed modifiers cannot be used together");
    return false;
  }
  selector->mode = mode;
  return true;
}

}  // namespace aerie::query
