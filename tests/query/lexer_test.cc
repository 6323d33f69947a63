#include "query/lexer.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace aerie::query {
namespace {

/// All tokens of a text as error messages name them, the last one included.
std::vector<std::string> names_of(std::string_view text) {
  Lexer lexer(text);
  std::vector<std::string> names;
  for (;;) {
    const Token token = lexer.next();
    names.push_back(describe(token));
    if (token.kind == TokenKind::End || token.kind == TokenKind::Error) return names;
  }
}

using Names = std::vector<std::string>;

TEST_CASE("tokens are named as in Prometheus's errors") {
  CHECK(names_of("node_load1 == job:rate:sum") == Names{"identifier \"node_load1\"", "<op:==>",
                                                        "metric identifier \"job:rate:sum\"",
                                                        "end of input"});
  CHECK(names_of("SUM By (le)") ==
        Names{"<aggr:SUM>", "<By>", "\"(\"", "identifier \"le\"", "\")\"", "end of input"});
  CHECK(names_of("1h30m 12 'a long string'") ==
        Names{"duration \"1h30m\"", "number \"12\"", "string \"'a long st\"...", "end of input"});
  CHECK(names_of("up </ 3 >/ 2 atan2") == Names{"identifier \"up\"", "<op:</>", "number \"3\"",
                                                "<op:>/>", "number \"2\"", "<op:atan2>",
                                                "end of input"});
  CHECK(names_of("inf NaN start") ==
        Names{"number \"inf\"", "number \"NaN\"", "\"start\"", "end of input"});
}

TEST_CASE("comments and white space are no tokens") {
  CHECK(names_of("# first\n up\t# second") == Names{"identifier \"up\"", "end of input"});
  CHECK(names_of("up{# why\n a='b'}") == Names{"identifier \"up\"", "\"{\"", "identifier \"a\"",
                                               "\"=\"", "string \"'b'\"", "\"}\"", "end of input"});
}

TEST_CASE("inside braces keywords are names, inside brackets they are not") {
  CHECK(names_of("{by=~'a'}") ==
        Names{"\"{\"", "identifier \"by\"", "<op:=~>", "string \"'a'\"", "\"}\"", "end of input"});
  CHECK(names_of("[step():range()]").front() == "\"[\"");
  CHECK(names_of("[job]").back() == "unexpected character in duration expression: 'j'");
}

TEST_CASE("fill is a keyword only before a parenthesis") {
  CHECK(names_of("fill + fill (0)") == Names{"identifier \"fill\"", "<op:+>", "<fill>", "\"(\"",
                                             "number \"0\"", "\")\"", "end of input"});
}

TEST_CASE("what the lexer refuses, in Prometheus's words") {
  const std::pair<const char*, const char*> cases[] = {
      {"\"open", "unterminated quoted string"},
      {"'two\nlines'", "unterminated quoted string"},
      {"`open", "unterminated raw string"},
      {R"("\q")", "unknown escape sequence U+0071 'q'"},
      {R"("\x4g")", "illegal character U+0067 'g' in escape sequence"},
      {R"("\ud800")", "escape sequence is an invalid Unicode code point"},
      {R"("\777")", "escape sequence is an invalid Unicode code point"},
      {"'\\", "escape sequence not terminated"},
      {"\"\xff\"", "invalid UTF-8 rune"},
      {"up ! 1", "unexpected character after '!': ' '"},
      {"=~", "unexpected character after '=': '~'"},
      {"up $", "unexpected character: '$'"},
      {"up)", "unexpected right parenthesis ')'"},
      {"(up", "unclosed left parenthesis"},
      {"up]", "unexpected right bracket ']'"},
      {"{a!b}", "unexpected character after '!' inside braces: 'b'"},
      {"{a", "unexpected end of input inside braces"},
      {"{{", "unexpected left brace '{'"},
      {"{a:b}", "unexpected character inside braces: ':'"},
      {"5q", "bad number or duration syntax: \"5\""},
      {"5mx", "bad number or duration syntax: \"5mx\""},
      {"1.2.3", "bad number or duration syntax: \"1.2.\""},
      {"[:5m]", "unexpected colon before duration in duration expression"},
      {"[5m", "unclosed left bracket"},
      {"[", "unexpected end of input in duration expression"},
      {"[5m::", "unexpected colon ':'"},
  };
  for (const auto& [text, message] : cases) {
    INFO(text);
    CHECK(names_of(text).back() == message);
  }
}

}  // namespace
}  // namespace aerie::query
