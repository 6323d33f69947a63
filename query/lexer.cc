#include "query/lexer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "model/labels.h"
#include "query/literals.h"

namespace aerie::query {
namespace {

constexpr int32_t kReplacement = 0xFFFD;
constexpr std::string_view kDecimal = "0123456789";
constexpr std::string_view kHexadecimal = "0123456789abcdefABCDEF";

bool is_space(int32_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(int32_t c) { return c >= '0' && c <= '9'; }
bool is_alpha(int32_t c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alphanumeric(int32_t c) { return is_alpha(c) || is_digit(c); }

std::string lower(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

constexpr std::pair<std::string_view, TokenKind> kKeywords[] = {
    {"and", TokenKind::And},
    {"or", TokenKind::Or},
    {"unless", TokenKind::Unless},
    {"atan2", TokenKind::Atan2},
    {"sum", TokenKind::Sum},
    {"avg", TokenKind::Avg},
    {"count", TokenKind::Count},
    {"min", TokenKind::Min},
    {"max", TokenKind::Max},
    {"group", TokenKind::Group},
    {"stddev", TokenKind::Stddev},
    {"stdvar", TokenKind::Stdvar},
    {"topk", TokenKind::TopK},
    {"bottomk", TokenKind::BottomK},
    {"count_values", TokenKind::CountValues},
    {"quantile", TokenKind::Quantile},
    {"limitk", TokenKind::LimitK},
    {"limit_ratio", TokenKind::LimitRatio},
    {"offset", TokenKind::Offset},
    {"smoothed", TokenKind::Smoothed},
    {"anchored", TokenKind::Anchored},
    {"by", TokenKind::By},
    {"without", TokenKind::Without},
    {"on", TokenKind::On},
    {"ignoring", TokenKind::Ignoring},
    {"group_left", TokenKind::GroupLeft},
    {"group_right", TokenKind::GroupRight},
    {"fill", TokenKind::Fill},
    {"fill_left", TokenKind::FillLeft},
    {"fill_right", TokenKind::FillRight},
    {"bool", TokenKind::Bool},
    {"start", TokenKind::Start},
    {"end", TokenKind::Finish},
    {"step", TokenKind::Step},
    {"range", TokenKind::Range},
    {"max_of", TokenKind::MaxOf},
    {"min_of", TokenKind::MinOf},
    {"inf", TokenKind::Number},
    {"nan", TokenKind::Number},
};

bool is_fill(TokenKind kind) {
  return kind == TokenKind::Fill || kind == TokenKind::FillLeft || kind == TokenKind::FillRight;
}

/// At most the first ten code points.
std::string_view shortened(std::string_view text) {
  size_t end = 0;
  for (int n = 0; n < 10 && end < text.size(); ++n) {
    ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
  }
  return text.substr(0, end);
}

}  // namespace

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::End: return "end of input";
    case TokenKind::Error: return token.error;
    case TokenKind::Identifier: return "identifier " + model::go_quote(token.text);
    case TokenKind::MetricIdentifier: return "metric identifier " + model::go_quote(token.text);
    default: break;
  }
  if (is_keyword(token.kind)) return fmt::format("<{}>", token.text);
  if (is_operator(token.kind)) return fmt::format("<op:{}>", token.text);
  if (is_aggregation(token.kind)) return fmt::format("<aggr:{}>", token.text);
  std::string quoted = token.text.size() > 10 ? model::go_quote(shortened(token.text)) + "..."
                                              : model::go_quote(token.text);
  switch (token.kind) {
    case TokenKind::String: return "string " + quoted;
    case TokenKind::Number: return "number " + quoted;
    case TokenKind::Duration: return "duration " + quoted;
    default: return quoted;
  }
}

int32_t Lexer::take() {
  if (position_ >= text_.size()) {
    width_ = 0;
    return kEnd;
  }
  const CodePoint c = decode_utf8(text_.substr(position_));
  width_ = c.width;
  position_ += width_;
  return static_cast<int32_t>(c.value);
}

int32_t Lexer::peek() {
  const int32_t c = take();
  position_ -= width_;
  return c;
}

bool Lexer::at_any(std::string_view set) const {
  return position_ < text_.size() && set.find(text_[position_]) != std::string_view::npos;
}

bool Lexer::accept(std::string_view set) {
  if (!at_any(set)) return false;
  ++position_;
  return true;
}

void Lexer::skip_spaces() {
  while (position_ < text_.size() && is_space(text_[position_])) ++position_;
  start_ = position_;
}

void Lexer::skip_comment() {
  while (position_ < text_.size() && text_[position_] != '\n' && text_[position_] != '\r')
    ++position_;
  start_ = position_;
}

Token Lexer::token(TokenKind kind) {
  Token result;
  result.kind = kind;
  result.start = static_cast<int32_t>(start_);
  result.text = text_.substr(start_, position_ - start_);
  start_ = position_;
  return result;
}

Token Lexer::fail(std::string message) {
  Token result;
  result.kind = TokenKind::Error;
  result.start = static_cast<int32_t>(start_);
  result.error = std::move(message);
  return result;
}

Token Lexer::next() {
  for (;;) {
    skip_spaces();
    if (mode_ == Mode::Duration || !at_any("#")) break;
    skip_comment();
  }
  switch (mode_) {
    case Mode::Braces: return inside_braces();
    case Mode::Duration: return inside_duration();
    case Mode::Statement: break;
  }
  return statement();
}

Token Lexer::end_of_statement() {
  if (parens_ != 0) return fail("unclosed left parenthesis");
  if (in_brackets_) return fail("unclosed left bracket");
  return token(TokenKind::End);
}

Token Lexer::statement() {
  const int32_t c = take();
  if (c == kEnd) return end_of_statement();
  if (is_digit(c) || (c == '.' && is_digit(peek()))) {
    position_ = start_;
    return number_or_duration();
  }
  if (c == '"' || c == '\'') return quoted(static_cast<char>(c));
  if (c == '`') return raw_quoted();
  if (is_alpha(c) || c == ':') {
    if (in_brackets_) return colon_or_keyword(c);
    return word();
  }
  return punctuation(c);
}

Token Lexer::punctuation(int32_t c) {
  switch (c) {
    case ',': return token(TokenKind::Comma);
    case '*': return token(TokenKind::Mul);
    case '/': return token(TokenKind::Div);
    case '%': return token(TokenKind::Mod);
    case '+': return token(TokenKind::Add);
    case '-': return token(TokenKind::Sub);
    case '^': return token(TokenKind::Pow);
    case '@': return token(TokenKind::At);
    case '=':
    case '!':
    case '<':
    case '>': return comparison(c);
    case '(':
    case ')':
    case '{':
    case '[':
    case ']': return bracket(c);
    default: return fail("unexpected character: " + go_quote_rune(c));
  }
}

Token Lexer::comparison(int32_t c) {
  if (c == '=') {
    if (accept("=")) return token(TokenKind::EqualEqual);
    if (peek() == '~') return fail("unexpected character after '=': '~'");
    return token(TokenKind::Equal);
  }
  if (c == '!') {
    if (accept("=")) return token(TokenKind::NotEqual);
    return fail("unexpected character after '!': " + go_quote_rune(take()));
  }
  const bool less = c == '<';
  if (accept("=")) return token(less ? TokenKind::LessEqual : TokenKind::GreaterEqual);
  if (accept("/")) return token(less ? TokenKind::TrimUpper : TokenKind::TrimLower);
  return token(less ? TokenKind::Less : TokenKind::Greater);
}

Token Lexer::bracket(int32_t c) {
  switch (c) {
    case '(': ++parens_; return token(TokenKind::LeftParen);
    case ')': {
      Token result = token(TokenKind::RightParen);
      if (--parens_ < 0) return fail("unexpected right parenthesis ')'");
      return result;
    }
    case '{': mode_ = Mode::Braces; return token(TokenKind::LeftBrace);
    case '[':
      if (in_brackets_) return fail("unexpected left bracket '['");
      in_brackets_ = true;
      colon_seen_ = false;
      mode_ = Mode::Duration;
      return token(TokenKind::LeftBracket);
    default:
      if (!in_brackets_) return fail("unexpected right bracket ']'");
      in_brackets_ = false;
      return token(TokenKind::RightBracket);
  }
}

/// A letter or colon between brackets, after the first number there.
Token Lexer::colon_or_keyword(int32_t c) {
  if (c == ':') {
    if (colon_seen_) return fail("unexpected colon ':'");
    colon_seen_ = true;
    return token(TokenKind::Colon);
  }
  TokenKind kind = TokenKind::End;
  if (duration_keyword(kind)) return token(kind);
  return fail(fmt::format("unexpected character: {}, expected ':'", go_quote_rune(c)));
}

Token Lexer::inside_braces() {
  const int32_t c = take();
  if (is_alpha(c)) {
    while (position_ < text_.size() && is_alphanumeric(text_[position_])) ++position_;
    return token(TokenKind::Identifier);
  }
  switch (c) {
    case kEnd: return fail("unexpected end of input inside braces");
    case ',': return token(TokenKind::Comma);
    case '"':
    case '\'': return quoted(static_cast<char>(c));
    case '`': return raw_quoted();
    case '=': return accept("~") ? token(TokenKind::RegexMatch) : token(TokenKind::Equal);
    case '!':
      if (accept("~")) return token(TokenKind::RegexNoMatch);
      if (accept("=")) return token(TokenKind::NotEqual);
      return fail("unexpected character after '!' inside braces: " + go_quote_rune(take()));
    case '{': return fail("unexpected left brace '{'");
    case '}': mode_ = Mode::Statement; return token(TokenKind::RightBrace);
    default: return fail("unexpected character inside braces: " + go_quote_rune(c));
  }
}

Token Lexer::inside_duration() {
  const int32_t c = take();
  switch (c) {
    case kEnd: return fail("unexpected end of input in duration expression");
    case ']':
      in_brackets_ = false;
      colon_seen_ = false;
      mode_ = Mode::Statement;
      return token(TokenKind::RightBracket);
    case ':': {
      Token result = token(TokenKind::Colon);
      if (!duration_seen_) return fail("unexpected colon before duration in duration expression");
      if (colon_seen_) return fail("unexpected repeated colon in duration expression");
      colon_seen_ = true;
      return result;
    }
    case '(':
    case ')': return bracket(c);
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
    case '^':
    case ',': return punctuation(c);
    default: break;
  }
  if (is_digit(c) || (c == '.' && is_digit(peek()))) {
    position_ = start_;
    duration_seen_ = true;
    mode_ = Mode::Statement;
    return number_or_duration();
  }
  TokenKind kind = TokenKind::End;
  if (duration_keyword(kind)) return token(kind);
  return fail("unexpected character in duration expression: " + go_quote_rune(c));
}

/// step, range, max_of, min_of; the first letter is taken already.
bool Lexer::duration_keyword(TokenKind& kind) {
  while (position_ < text_.size() && is_alpha(text_[position_])) ++position_;
  const std::string name = lower(text_.substr(start_, position_ - start_));
  if (name == "step") {
    kind = TokenKind::Step;
  } else if (name == "range") {
    kind = TokenKind::Range;
  } else if (name == "max_of") {
    kind = TokenKind::MaxOf;
  } else if (name == "min_of") {
    kind = TokenKind::MinOf;
  } else {
    return false;
  }
  return true;
}

Token Lexer::number_or_duration() {
  if (scan_number()) return token(TokenKind::Number);
  if (scan_duration()) return token(TokenKind::Duration);
  return fail("bad number or duration syntax: " +
              model::go_quote(text_.substr(start_, position_ - start_)));
}

/// Whether the characters ahead form a number, roughly: what is still wrong is found when it is
/// converted. On failure `position_` is where the doubt arose, because the error text shows it.
bool Lexer::scan_number() {
  std::string_view digits = kDecimal;
  if (accept("0") && accept("xX")) {
    accept("_");
    digits = kHexadecimal;
  }
  accept(".");
  accept(digits);
  if (!scan_number_tail(digits)) return false;
  if (position_ == start_) return false;
  return !is_alphanumeric(peek());
}

bool Lexer::scan_number_tail(std::string_view digits) {
  constexpr std::string_view kNotAfterDot = "_.";
  constexpr std::string_view kNotAfter = "._eE";
  bool dot_seen = false;
  bool exponent_seen = false;
  while (at_any(digits) || at_any("._eE")) {
    if ((dot_seen && accept(".")) || (exponent_seen && accept("eE"))) return false;
    if (accept(".")) {
      dot_seen = true;
      if (accept(kNotAfterDot) || digits == kHexadecimal) return false;
    } else if (accept("eE")) {
      exponent_seen = true;
      accept("+-");
      if (accept(kNotAfter) || position_ == text_.size()) return false;
    } else if (accept("_")) {
      if (accept(kNotAfter) || position_ == text_.size()) return false;
    } else {
      while (accept(digits)) {
      }
    }
  }
  return true;
}

/// The rest of a duration whose first digits are taken: `h30m`.
bool Lexer::scan_duration() {
  if (!accept("smhdwy")) return false;
  accept("s");  // of `ms`; wrong units such as `hs` are found by the conversion
  while (accept(kDecimal)) {
    while (accept(kDecimal)) {
    }
    if (!accept("smhdw")) return false;
    accept("s");
  }
  if (!is_alphanumeric(peek())) return true;
  take();
  return false;
}

Token Lexer::word() {
  while (position_ < text_.size() && (is_alphanumeric(text_[position_]) || text_[position_] == ':'))
    ++position_;
  const std::string_view text = text_.substr(start_, position_ - start_);
  const std::string name = lower(text);
  const auto* found = std::find_if(std::begin(kKeywords), std::end(kKeywords),
                                   [&](const auto& entry) { return entry.first == name; });
  if (found != std::end(kKeywords)) {
    // `fill` is young: only a parenthesis makes it a keyword, so that metrics of that name live on.
    if (is_fill(found->second) && !next_is_left_paren()) return token(TokenKind::Identifier);
    return token(found->second);
  }
  return token(text.find(':') == std::string_view::npos ? TokenKind::Identifier
                                                        : TokenKind::MetricIdentifier);
}

bool Lexer::next_is_left_paren() const {
  size_t at = position_;
  while (at < text_.size() && is_space(text_[at])) ++at;
  return at < text_.size() && text_[at] == '(';
}

Token Lexer::quoted(char quote) {
  for (;;) {
    const int32_t c = take();
    if (c == quote) return token(TokenKind::String);
    if (c == '\\') {
      std::string wrong = escape(quote);
      if (!wrong.empty()) return fail(std::move(wrong));
    } else if (c == kReplacement) {
      return fail("invalid UTF-8 rune");
    } else if (c == kEnd || c == '\n') {
      return fail("unterminated quoted string");
    }
  }
}

Token Lexer::raw_quoted() {
  for (;;) {
    const int32_t c = take();
    if (c == '`') return token(TokenKind::String);
    if (c == kReplacement) return fail("invalid UTF-8 rune");
    if (c == kEnd) return fail("unterminated raw string");
  }
}

std::string Lexer::escape(char quote) {
  int32_t c = take();
  if (c == quote ||
      (c > 0 && c < 0x80 &&
       std::string_view("abfnrtv\\").find(static_cast<char>(c)) != std::string_view::npos)) {
    return {};
  }
  EscapeForm form;
  if (c >= '0' && c <= '7') {
    form = {3, 8, 255};
  } else if (c == 'x') {
    form = {2, 16, 255};
  } else if (c == 'u') {
    form = {4, 16, kMaxCodePoint};
  } else if (c == 'U') {
    form = {8, 16, kMaxCodePoint};
  } else if (c == kEnd) {
    return "escape sequence not terminated";
  } else {
    return "unknown escape sequence " + describe_rune(c);
  }
  if (c == 'x' || c == 'u' || c == 'U') c = take();
  uint64_t value = 0;
  for (int left = form.digits; left > 0; --left) {
    const uint32_t digit = c < 0 || c > 0x7f ? 16 : hex_digit(static_cast<char>(c));
    if (digit >= form.base) {
      return c == kEnd ? std::string("escape sequence not terminated")
                       : fmt::format("illegal character {} in escape sequence", describe_rune(c));
    }
    value = value * form.base + digit;
    if (left > 1) c = take();
  }
  if (value > form.largest || (value >= 0xD800 && value < 0xE000)) {
    return "escape sequence is an invalid Unicode code point";
  }
  return {};
}

}  // namespace aerie::query
