#include "alerting/template_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "model/labels.h"

namespace aerie::alerting {
namespace {

constexpr std::string_view kLeft = "{{";
constexpr std::string_view kRight = "}}";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// Bytes of multi-byte characters count as letters: Go accepts Unicode letters in names.
bool is_alphanumeric(char c) {
  return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    while (!done_) {
      if (inside_action_) {
        inside_action();
      } else {
        outside();
      }
    }
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return text_.substr(at_); }
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool at_end() const { return at_ >= text_.size(); }

  void emit(TokenType type, size_t length) {
    const std::string_view text = text_.substr(at_, length);
    tokens_.push_back({type, at_, line_, std::string(text)});
    advance(length);
  }
  void advance(size_t length) {
    const std::string_view text = text_.substr(at_, length);
    line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    at_ += length;
  }
  void fail(std::string what) {
    tokens_.push_back({TokenType::Error, at_, line_, std::move(what)});
    done_ = true;
  }

  /// `- ` after `{{`, or ` -` before `}}`.
  bool left_trim_at(size_t position) const {
    return position + 1 < text_.size() && text_[position] == '-' && is_space(text_[position + 1]);
  }
  bool right_trim_here() const {
    return is_space(peek()) && peek(1) == '-' && rest().substr(2).starts_with(kRight);
  }

  void outside() {
    const size_t found = rest().find(kLeft);
    if (found == std::string_view::npos) {
      if (!at_end()) emit(TokenType::Text, rest().size());
      tokens_.push_back({TokenType::End, at_, line_, {}});
      done_ = true;
      return;
    }
    size_t keep = found;
    const bool trim = left_trim_at(at_ + found + kLeft.size());
    if (trim) {
      while (keep > 0 && is_space(text_[at_ + keep - 1])) --keep;
    }
    if (keep > 0) emit(TokenType::Text, keep);
    advance(found - keep);
    const size_t marker = trim ? 2 : 0;
    if (rest().substr(kLeft.size() + marker).starts_with("/*")) {
      advance(kLeft.size() + marker);
      comment();
      return;
    }
    emit(TokenType::LeftDelimiter, kLeft.size());
    advance(marker);
    inside_action_ = true;
    paren_depth_ = 0;
  }

  void comment() {
    const size_t end = rest().find("*/");
    if (end == std::string_view::npos) return fail("unclosed comment");
    advance(end + 2);
    if (right_trim_here()) {
      advance(2 + kRight.size());
      skip_space();
    } else if (rest().starts_with(kRight)) {
      advance(kRight.size());
    } else {
      fail("comment ends before closing delimiter");
    }
  }

  void skip_space() {
    size_t n = 0;
    while (is_space(peek(n))) ++n;
    advance(n);
  }

  void inside_action() {
    const bool trim = right_trim_here();
    if (trim || rest().starts_with(kRight)) {
      if (paren_depth_ > 0) return fail("unclosed left paren");
      if (trim) advance(2);
      emit(TokenType::RightDelimiter, kRight.size());
      if (trim) skip_space();
      inside_action_ = false;
      return;
    }
    if (at_end()) return fail("unclosed action");
    const char c = peek();
    if (is_space(c)) return space();
    switch (c) {
      case '=': return emit(TokenType::Assign, 1);
      case ':':
        if (peek(1) != '=') return fail("expected :=");
        return emit(TokenType::Declare, 2);
      case '|': return emit(TokenType::Pipe, 1);
      case '"': return quoted('"', TokenType::String, "unterminated quoted string");
      case '\'': return quoted('\'', TokenType::Character, "unterminated character constant");
      case '`': return raw_quoted();
      case '$': return name(TokenType::Variable);
      case '(': ++paren_depth_; return emit(TokenType::LeftParen, 1);
      case ')':
        if (--paren_depth_ < 0) return fail("unexpected right paren");
        return emit(TokenType::RightParen, 1);
      default: break;
    }
    if (c == '.' && !is_digit(peek(1))) return name(TokenType::Field);
    if (c == '.' || c == '+' || c == '-' || is_digit(c)) return number();
    if (is_alphanumeric(c)) return identifier();
    if (c > 0x20 && c < 0x7f) return emit(TokenType::Other, 1);
    fail(fmt::format("unrecognized character in action: U+{:04X}", static_cast<unsigned char>(c)));
  }

  void space() {
    size_t n = 0;
    while (is_space(peek(n))) ++n;
    // The last space may belong to ` -}}`.
    if (n > 1 && peek(n) == '-' && rest().substr(n + 1).starts_with(kRight)) --n;
    emit(TokenType::Space, n);
  }

  void quoted(char quote, TokenType type, const char* unterminated) {
    size_t n = 1;
    while (true) {
      const char c = peek(n);
      if (at_ + n >= text_.size() || c == '\n') return fail(unterminated);
      if (c == '\\') {
        if (at_ + n + 1 >= text_.size() || peek(n + 1) == '\n') return fail(unterminated);
        n += 2;
        continue;
      }
      ++n;
      if (c == quote) break;
    }
    emit(type, n);
  }

  void raw_quoted() {
    const size_t end = rest().find('`', 1);
    if (end == std::string_view::npos) return fail("unterminated raw quoted string");
    emit(TokenType::RawString, end + 1);
  }

  /// Nothing but these may follow a name.
  bool terminates(size_t ahead) const {
    if (at_ + ahead >= text_.size()) return true;
    const char c = peek(ahead);
    return is_space(c) || c == '.' || c == ',' || c == '|' || c == ':' || c == ')' || c == '(' ||
           text_.substr(at_ + ahead).starts_with(kRight);
  }
  void bad_character(size_t ahead) {
    const char c = peek(ahead);
    fail(fmt::format("bad character U+{:04X} '{}'", static_cast<unsigned char>(c), c));
  }

  void name(TokenType type) {
    if (terminates(1)) return emit(type == TokenType::Variable ? type : TokenType::Dot, 1);
    size_t n = 1;
    while (is_alphanumeric(peek(n))) ++n;
    if (!terminates(n)) return bad_character(n);
    emit(type, n);
  }

  void identifier() {
    size_t n = 0;
    while (is_alphanumeric(peek(n))) ++n;
    if (!terminates(n)) return bad_character(n);
    const std::string_view word = rest().substr(0, n);
    constexpr std::array<std::string_view, 10> kKeywords = {
        "if", "else", "end", "range", "with", "template", "define", "block", "break", "continue"};
    if (std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end()) {
      return emit(TokenType::Keyword, n);
    }
    if (word == "true" || word == "false") return emit(TokenType::Bool, n);
    if (word == "nil") return emit(TokenType::Nil, n);
    emit(TokenType::Identifier, n);
  }

  void number() {
    size_t n = peek() == '+' || peek() == '-' ? 1 : 0;
    while (is_alphanumeric(peek(n)) || peek(n) == '.' ||
           ((peek(n) == '+' || peek(n) == '-') && n > 0 &&
            (peek(n - 1) == 'e' || peek(n - 1) == 'E'))) {
      ++n;
    }
    if (n == 0 || !is_digit(peek(n - 1))) {
      // Hexadecimal digits and a trailing dot may end a number; a letter otherwise may not.
      const std::string_view word = rest().substr(0, n);
      if (word.find("0x") == std::string_view::npos && word.find("0X") == std::string_view::npos &&
          !word.ends_with(".")) {
        return fail(fmt::format("bad number syntax: {}", model::go_quote(word)));
      }
    }
    emit(TokenType::Number, n);
  }

  const std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  int paren_depth_ = 0;
  bool inside_action_ = false;
  bool done_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex_template(std::string_view text) { return Lexer(text).run(); }

}  // namespace aerie::alerting
