#include "query/parser.h"

#include <catch2/catch.hpp>

#include <string>

#include "query/functions_table.h"
#include "tests/query/support/ast_text.h"

namespace aerie::query {
namespace {

LanguageFeatures everything() {
  LanguageFeatures features;
  features.experimental_functions = true;
  features.extended_range_selectors = true;
  features.binop_fill_modifiers = true;
  return features;
}

std::string error_of(std::string_view text, const LanguageFeatures& features = {}) {
  const auto parsed = parse_expr(text, features);
  return parsed ? "parsed: " + to_string(**parsed) : parsed.error().message();
}

/// The tree with every operation in parentheses, to see what binds how.
std::string grouped(const Expr& expr) {
  if (const auto* node = std::get_if<Binary>(&expr.node)) {
    return "(" + grouped(*node->left) + std::string(binary_op_symbol(node->op)) +
           grouped(*node->right) + ")";
  }
  if (const auto* node = std::get_if<Unary>(&expr.node))
    return "(" + std::string(node->negative ? "-" : "+") + grouped(*node->expr) + ")";
  if (const auto* node = std::get_if<Paren>(&expr.node)) return grouped(*node->expr);
  return to_string(expr);
}

std::string grouped(std::string_view text) {
  auto parsed = parse_expr(text, everything());
  return parsed ? grouped(**parsed) : parsed.error().message();
}

TEST_CASE("operators bind as in Prometheus") {
  CHECK(grouped("1 + 2 * 3 ^ 4 ^ 5 - 6") == "((1+(2*(3^(4^5))))-6)");
  CHECK(grouped("-a ^ 2 * b") == "((-(a^2))*b)");
  CHECK(grouped("a ^ -b ^ c * d") == "((a^(-(b^c)))*d)");
  CHECK(grouped("a or b and c unless d > bool e") == "(aor((bandc)unless(d>e)))");
  CHECK(grouped("a atan2 b % c") == "((aatan2b)%c)");
  CHECK(grouped("a </ 3 + 1") == "(a</(3+1))");
  CHECK(grouped("-1 ^ 2") == "(-(1^2))");
  CHECK(grouped("--1") == "1");
  CHECK(grouped("foo offset -2 ^ 2") == "(foo offset -2s^2)");
  CHECK(grouped("-foo[1m:] offset 5m") == grouped("-foo[1m:] offset 5m"));
}

double number(std::string_view text) {
  auto parsed = parse_expr(text);
  REQUIRE(parsed.ok());
  return std::get<NumberLiteral>((*parsed)->node).value;
}

TEST_CASE("numbers in every notation") {
  CHECK(number("42") == 42);
  CHECK(number(".5") == 0.5);
  CHECK(number("5.") == 5);
  CHECK(number("1e3") == 1000);
  CHECK(number("2.5E-3") == 0.0025);
  CHECK(number("0x1F") == 31);
  CHECK(number("0X_ff") == 255);
  CHECK(number("017") == 15);
  CHECK(number("08") == 8);
  CHECK(number("1_000_000") == 1e6);
  CHECK(number("1_0.2_5") == 10.25);
  CHECK(number("-3") == -3);
  CHECK(number("1h30m") == 5400);
  CHECK(number("-1m500ms") == -60.5);
  CHECK(number("18446744073709551616") == 18446744073709551616.0);
  CHECK(std::isinf(number("+iNf")));
  CHECK(std::isnan(number("nan")));
}

std::string text_of(std::string_view literal) {
  auto parsed = parse_expr(literal);
  return parsed ? std::get<StringLiteral>((*parsed)->node).value : parsed.error().message();
}

TEST_CASE("strings and their escapes") {
  CHECK(text_of(R"("a\tb\n\"c\"")") == "a\tb\n\"c\"");
  CHECK(text_of(R"('it''s')").find("unexpected string") != std::string::npos);
  CHECK(text_of(R"('it\'s "so"')") == "it's \"so\"");
  CHECK(text_of("`raw \\n $`") == "raw \\n $");
  CHECK(text_of(R"("\x41\101\u00e9\U0001F600")") == "AA\xc3\xa9\xf0\x9f\x98\x80");
  CHECK(text_of("\"\xc3\xbc\"") == "\xc3\xbc");
  CHECK(text_of(R"("\a\b\f\r\v\\")") == "\a\b\f\r\v\\");
}

TEST_CASE("keywords name metrics and labels where no keyword can stand") {
  for (const char* name :
       {"sum", "avg", "by", "without", "and", "or", "unless", "offset", "fill", "start", "end",
        "step", "range", "anchored", "smoothed", "max_of", "limitk", "count_values"}) {
    INFO(name);
    auto parsed = parse_expr(std::string(name) + "{a=\"b\"} + " + name, everything());
    REQUIRE(parsed.ok());
    const auto& left = std::get<Binary>((*parsed)->node).left;
    CHECK(std::get<VectorSelector>(left->node).metric_name == name);
  }
  CHECK(parse_expr("sum by (by, on, bool, group_left, atan2, start, offset) (x)").ok());
  CHECK(error_of("bool") == "1:1: parse error: unexpected <bool>");
  CHECK(error_of("on + 1") == "1:1: parse error: unexpected <on>");
}

TEST_CASE("quoted names may hold any UTF-8") {
  auto parsed = parse_expr(R"({"http.requests","service.name"="a"})");
  REQUIRE(parsed.ok());
  const auto& selector = std::get<VectorSelector>((*parsed)->node);
  REQUIRE(selector.matchers.size() == 2);
  CHECK(selector.matchers[0].value() == "http.requests");
  CHECK(selector.matchers[1].name() == "service.name");
  CHECK(to_string(**parse_expr(R"(sum by("a.b", c) ({"x y"}))")) ==
        R"(sum by ("a.b", c) ({__name__="x y"}))");
}

TEST_CASE("selectors hold offset, @, range and step") {
  auto parsed = parse_expr("foo{a!=\"b\"}[5m] @ 12.3456 offset -1h30m");
  REQUIRE(parsed.ok());
  const auto& matrix = std::get<MatrixSelector>((*parsed)->node);
  const auto& selector = std::get<VectorSelector>(matrix.selector->node);
  CHECK(matrix.range == 300'000);
  CHECK(selector.offset == -5'400'000);
  CHECK(selector.at->timestamp == 12'346);

  parsed = parse_expr("rate(foo[1m])[1h:30] @ end()");
  REQUIRE(parsed.ok());
  const auto& subquery = std::get<Subquery>((*parsed)->node);
  CHECK(subquery.range == 3'600'000);
  CHECK(subquery.step == 30'000);
  CHECK(subquery.at->kind == AtModifier::Kind::End);
}

TEST_CASE("durations are literals or expressions") {
  const auto range = [](std::string_view text) {
    auto parsed = parse_expr(text);
    return parsed ? to_string(**parsed) : parsed.error().message();
  };
  CHECK(range("foo[300]") == "foo[5m]");
  CHECK(range("foo[5m*2+30s]") == "foo[5m * 2 + 30s]");
  CHECK(range("foo[-(step())]") == "foo[-(step())]");
  CHECK(range("foo[max_of(step(), 1m)^2 : range() / 4] offset -min_of(10s, 5)") ==
        "foo[max_of(step(), 1m) ^ 2:range() / 4] offset -min_of(10s, 5)");
  CHECK(range("foo offset (1h / 2)") == "foo offset (1h / 2)");
  CHECK(range("foo[0.0001]") == "foo[0.0001]");
  CHECK(range("foo[-5m]") == "1:5: parse error: duration must be greater than 0");
  CHECK(range("foo[0s]") == "1:5: parse error: duration must be greater than 0");
  CHECK(range("foo[5m/0]") == "1:7: parse error: division by zero");
  CHECK(range("foo[5m % 0s]") == "1:8: parse error: modulo by zero");
  CHECK(range("foo offset 9223372037") == "1:12: parse error: duration out of range");
}

TEST_CASE("syntax errors have Prometheus's text and position") {
  const std::pair<const char*, const char*> cases[] = {
      {"", "unknown position: parse error: no expression found in input"},
      {" # nothing", "1:1: parse error: no expression found in input"},
      {"a b", "1:3: parse error: unexpected identifier \"b\""},
      {"a +", "1:4: parse error: unexpected end of input"},
      {"* 2", "1:1: parse error: unexpected <op:*>"},
      {"a\n+ ==", "2:3: parse error: unexpected <op:==>"},
      {"sum(a b)", "1:7: parse error: unexpected identifier \"b\" in aggregation"},
      {"sum by a (b)",
       "1:8: parse error: unexpected identifier \"a\" in grouping opts, expected \"(\""},
      {"sum by (a b) (c)",
       "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""},
      {"sum by (1) (c)",
       "1:9: parse error: unexpected number \"1\" in grouping opts, expected label"},
      {"sum by (\"\") (c)", "1:9: parse error: invalid label name for grouping: \"\""},
      {"sum by (a) b", "1:12: parse error: unexpected identifier \"b\" in aggregation"},
      {"sum()", "1:1: parse error: no arguments for aggregate expression provided"},
      {"topk(a)",
       "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, "
       "got 1"},
      {"abs(a,)", "1:6: parse error: trailing commas not allowed in function call args"},
      {"nothing(a)", "1:1: parse error: unknown function with name \"nothing\""},
      {"Rate(a[5m])", "1:1: parse error: unknown function with name \"Rate\""},
      {"foo{", "1:5: parse error: unexpected end of input inside braces"},
      {"foo{1}", "1:5: parse error: unexpected character inside braces: '1'"},
      {"foo{a b}",
       "1:7: parse error: unexpected identifier \"b\" in label matching, expected label matching "
       "operator"},
      {"foo{a=b}",
       "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"},
      {"foo{a=\"b\" c}",
       "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""},
      {"foo{,}",
       "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""},
      {"foo{a=~\"*\"}",
       "1:5: parse error: error parsing regexp: missing argument to repetition operator: `*`"},
      {"foo[5m] 5", "1:9: parse error: unexpected number \"5\""},
      {"foo[]",
       "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, "
       "duration, step(), or range()"},
      {"foo[5m * ]",
       "1:10: parse error: unexpected \"]\" in subquery or range selector, expected number, "
       "duration, step(), or range()"},
      {"foo[5m 1m]",
       "1:8: parse error: unexpected duration \"1m\" in subquery or range, expected \":\" or "
       "\"]\""},
      {"foo[5m:1m 2]",
       "1:11: parse error: unexpected number \"2\" in subquery selector, expected \"]\""},
      {"foo offset",
       "1:11: parse error: unexpected end of input in offset, expected number, duration, step(), "
       "or range()"},
      {"foo offset bar",
       "1:12: parse error: unexpected identifier \"bar\" in offset, expected number, duration, "
       "step(), or range()"},
      {"foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"},
      {"foo @ start", "1:12: parse error: unexpected end of input in @, expected timestamp"},
      {"foo @ inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"},
      {"foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"},
      {"foo offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"},
      {"(foo) offset 1m",
       "1:1: parse error: offset modifier must be preceded by an instant vector selector or range "
       "vector selector or a subquery"},
      {"1 @ 1",
       "1:1: parse error: @ modifier must be preceded by an instant vector selector or range "
       "vector selector or a subquery"},
      {"foo offset 1m[5m]", "1:14: parse error: no offset modifiers allowed before range"},
      {"foo @ 1 [5m]", "1:9: parse error: no @ modifiers allowed before range"},
      {"sum(foo)[5m]", "1:9: parse error: ranges only allowed for vector selectors"},
      {"0x",
       "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"0x\": invalid "
       "syntax"},
      {"1e999",
       "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e999\": value out "
       "of range"},
      {"foo[5hs]", "1:5: parse error: unknown unit \"hs\" in duration \"5hs\""},
      {"foo[1m1h]", "1:5: parse error: not a valid duration string: \"1m1h\""},
  };
  for (const auto& [text, message] : cases) {
    INFO(text);
    CHECK(error_of(text) == message);
  }
}

TEST_CASE("type errors have Prometheus's text and position") {
  const std::pair<const char*, const char*> cases[] = {
      {"rate(foo)",
       "1:6: parse error: expected type range vector in call to function \"rate\", got instant "
       "vector"},
      {"abs(1)",
       "1:5: parse error: expected type instant vector in call to function \"abs\", got scalar"},
      {"sum(foo[5m])",
       "1:5: parse error: expected type instant vector in aggregation expression, got range "
       "vector"},
      {"topk(foo, bar)",
       "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"},
      {"count_values(1, bar)",
       "1:14: parse error: expected type string in aggregation parameter, got scalar"},
      {"time(1)", "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1"},
      {"round()", "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0"},
      {"round(a, 1, 2)",
       "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"},
      {"label_join(a, \"b\")",
       "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2"},
      {"1 > 2", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
      {"a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"},
      {"a and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
      {"1 + on (x) a", "1:1: parse error: vector matching only allowed between instant vectors"},
      {"a and on (x) group_left b", "1:1: parse error: no grouping allowed for \"and\" operation"},
      {"a * on (x) group_left (x) b",
       "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once"},
      {"a + \"b\"",
       "1:5: parse error: binary expression must contain only scalar and instant vector types"},
      {"-foo[5m]",
       "1:1: parse error: unary expression only allowed on expressions of type scalar or instant "
       "vector, got \"range vector\""},
      {"foo[5m][5m:]",
       "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"},
      {"1[5m:]",
       "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"},
      {"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"{a=~\".*\"}",
       "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"foo{__name__=\"bar\"}",
       "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
      {"foo{\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
  };
  for (const auto& [text, message] : cases) {
    INFO(text);
    CHECK(error_of(text) == message);
  }
}

TEST_CASE("experimental language needs its feature") {
  const std::pair<const char*, const char*> cases[] = {
      {"limitk(1, a)",
       "1:1: parse error: limitk() is experimental and must be enabled with "
       "--enable-feature=promql-experimental-functions"},
      {"mad_over_time(a[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled"},
      {"start()", "1:1: parse error: function \"start\" is not enabled"},
      {"a + fill(0) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"},
      {"a[5m] anchored", "1:1: parse error: anchored modifier is experimental and not enabled"},
      {"a smoothed", "1:1: parse error: smoothed modifier is experimental and not enabled"},
  };
  for (const auto& [text, message] : cases) {
    INFO(text);
    CHECK(error_of(text) == message);
    CHECK(parse_expr(text, everything()).ok());
  }
  CHECK(error_of("a anchored smoothed", everything()) ==
        "1:1: parse error: anchored and smoothed modifiers cannot be used together");
  CHECK(error_of("a[5m:] smoothed", everything()) ==
        "1:1: parse error: smoothed modifier is not supported for subqueries");
  CHECK(error_of("info(a, b)", everything()) ==
        "1:9: parse error: expected label selectors only, got vector selector instead");
  CHECK(parse_expr("info(a, {})", everything()).ok());
}

TEST_CASE("deep input is refused, not recursed into") {
  const std::string open(100'000, '(');
  CHECK(error_of(open + "1" + std::string(100'000, ')')).find("nested more than") !=
        std::string::npos);
  std::string sum = "a";
  for (int i = 0; i < 10'000; ++i) sum += "+a";
  CHECK(error_of(sum).find("more than 4000 operators") != std::string::npos);
  CHECK(error_of("a[" + open).find("nested more than") != std::string::npos);
  CHECK_FALSE(parse_expr(std::string(100'000, '-') + "1").ok());
}

TEST_CASE("selectors alone") {
  auto matchers = parse_selector("up{job=\"a\",}");
  REQUIRE(matchers.ok());
  CHECK(matchers->size() == 2);
  CHECK(parse_selector("{__name__=~\".+\"}").ok());
  CHECK(parse_selector("sum{a=\"b\"}").ok());
  CHECK(parse_selector("{}").error().message() ==
        "match[] must contain at least one non-empty matcher");
  CHECK(parse_selector("").error().message() ==
        "unknown position: parse error: unexpected end of input");
  CHECK(parse_selector("rate(up[5m])").error().message() == "1:5: parse error: unexpected \"(\"");
  CHECK(parse_selector("5").error().message() == "1:1: parse error: unexpected number \"5\"");
}

TEST_CASE("there are 90 functions, 17 of them experimental") {
  size_t experimental = 0;
  for (const auto& function : all_functions()) experimental += function.experimental ? 1 : 0;
  CHECK(all_functions().size() == 90);
  CHECK(experimental == 17);
  CHECK(find_function("rate")->args == std::vector{ValueType::Matrix});
  CHECK(find_function("RATE") == nullptr);
}

TEST_CASE("a copy is equal to its original") {
  auto parsed = parse_expr(
      "topk(2, sum by (a) (rate(x{b=~\"c|d\"}[5m * 2] @ start() offset step()))[1h:1m]) + 1 > "
      "bool on (a) group_left (b) fill_left (2) -label_replace(y, \"a\", \"b\", \"c\", \"(.*)\")",
      everything());
  CHECK_FALSE(parsed.ok());  // a subquery is no instant vector
  parsed = parse_expr(
      "max_over_time(topk(2, sum by (a) (rate(x{b=~\"c|d\"}[5m * 2] @ start() offset "
      "step())))[1h:1m]) > bool on (a) group_left (b) fill_left (2) -label_replace(y, \"a\", "
      "\"b\", \"c\", \"(.*)\")",
      everything());
  REQUIRE(parsed.ok());
  CHECK(ast_text(*clone(**parsed)) == ast_text(**parsed));
}

}  // namespace
}  // namespace aerie::query
