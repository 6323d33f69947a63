#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace aerie::query {

/// Kinds that name a group in error texts stand together: operators, aggregations, keywords.
enum class TokenKind : uint8_t {
  End,
  Error,
  Identifier,
  MetricIdentifier,
  String,
  Number,
  Duration,
  LeftParen,
  RightParen,
  LeftBrace,
  RightBrace,
  LeftBracket,
  RightBracket,
  Comma,
  Colon,
  Equal,
  Add,
  Sub,
  Mul,
  Div,
  Mod,
  Pow,
  EqualEqual,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  TrimUpper,
  TrimLower,
  RegexMatch,
  RegexNoMatch,
  At,
  And,
  Or,
  Unless,
  Atan2,
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
  LimitRatio,
  Bool,
  By,
  Without,
  On,
  Ignoring,
  GroupLeft,
  GroupRight,
  Fill,
  FillLeft,
  FillRight,
  Offset,
  Anchored,
  Smoothed,
  Start,
  Finish,
  Step,
  Range,
  MaxOf,
  MinOf
};

inline bool is_operator(TokenKind kind) {
  return kind >= TokenKind::Add && kind <= TokenKind::Atan2;
}
inline bool is_aggregation(TokenKind kind) {
  return kind >= TokenKind::Sum && kind <= TokenKind::LimitRatio;
}
inline bool is_keyword(TokenKind kind) {
  return kind >= TokenKind::Bool && kind <= TokenKind::Smoothed;
}

struct Token {
  TokenKind kind = TokenKind::End;
  int32_t start = 0;      ///< byte offset; of an Error: the place to complain about
  std::string_view text;  ///< as written; points into the query
  std::string error;      ///< of an Error
  int32_t end() const { return start + static_cast<int32_t>(text.size()); }
};

/// As error texts name a token: `<op:==>`, `identifier "foo"`, `end of input`.
std::string describe(const Token& token);

/// Cuts a query into tokens, comments left out. After an Error or End there is nothing more to ask
/// for. What the same characters mean depends on where they stand (inside braces, inside brackets),
/// so the lexer keeps that. One owner.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Token next();

 private:
  enum class Mode : uint8_t { Statement, Braces, Duration };

  static constexpr int32_t kEnd = -1;
  int32_t take();  ///< the next code point; kEnd at the end, kReplacement for invalid UTF-8
  int32_t peek();
  bool accept(std::string_view set);
  bool at_any(std::string_view set) const;
  void skip_spaces();
  void skip_comment();

  Token token(TokenKind kind);
  Token fail(std::string message);

  Token statement();
  Token punctuation(int32_t c);
  Token comparison(int32_t c);
  Token bracket(int32_t c);
  Token end_of_statement();
  Token colon_or_keyword(int32_t c);
  Token inside_braces();
  Token inside_duration();
  bool duration_keyword(TokenKind& kind);
  Token number_or_duration();
  bool scan_number();
  bool scan_number_tail(std::string_view digits);
  bool scan_duration();
  Token word();
  bool next_is_left_paren() const;
  Token quoted(char quote);
  Token raw_quoted();
  std::string escape(char quote);  ///< what is wrong, or empty

  std::string_view text_;
  size_t position_ = 0;
  size_t start_ = 0;  // of the token under way
  size_t width_ = 0;  // of the last code point taken
  Mode mode_ = Mode::Statement;
  int32_t parens_ = 0;
  bool in_brackets_ = false;
  bool colon_seen_ = false;     // since the bracket opened
  bool duration_seen_ = false;  // likewise
};

}  // namespace aerie::query
