#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace aerie::alerting {

enum class TokenType : uint8_t {
  Error,  ///< `text` says what is wrong; always the last token
  End,    ///< of the input
  Text,   ///< outside of actions, already trimmed
  LeftDelimiter,
  RightDelimiter,
  Space,
  Identifier,
  Keyword,  ///< if, else, end, range, with, template, define, block, break, continue
  Nil,
  Dot,
  Bool,
  Field,     ///< with its dot
  Variable,  ///< with its dollar
  Number,
  Character,
  String,
  RawString,
  Declare,  ///< :=
  Assign,   ///< =
  Pipe,
  LeftParen,
  RightParen,
  Other  ///< any other single character
};

struct Token {
  TokenType type = TokenType::End;
  size_t position = 0;  ///< byte offset into the template
  int line = 1;
  std::string text;
};

/// Splits a Go text/template into tokens; the last is End or Error. Stateless.
std::vector<Token> lex_template(std::string_view text);

}  // namespace aerie::alerting
