#include "model/matcher.h"

#include <catch2/catch.hpp>

namespace aerie::model {
namespace {

Matcher make(MatchType type, const char* value) { return Matcher::make(type, "l", value).value(); }

TEST_CASE("the four kinds of matchers") {
  CHECK(make(MatchType::Equal, "a").matches("a"));
  CHECK(make(MatchType::Equal, "").matches_empty());
  CHECK_FALSE(make(MatchType::NotEqual, "a").matches("a"));
  CHECK(make(MatchType::NotEqual, "a").matches_empty());
  CHECK(make(MatchType::Regex, "a.*").matches("abc"));
  CHECK_FALSE(make(MatchType::NotRegex, "a.*").matches("abc"));
}

TEST_CASE("expressions are anchored and the dot matches a newline") {
  CHECK_FALSE(make(MatchType::Regex, "b").matches("abc"));
  CHECK(make(MatchType::Regex, "a.c").matches("a\nc"));
  CHECK(make(MatchType::Regex, "a|bc").matches("bc"));
  CHECK_FALSE(make(MatchType::Regex, "a|bc").matches("ac"));
  CHECK(make(MatchType::Regex, "(?i)ABC").matches("abc"));
}

TEST_CASE("literal alternatives become a set") {
  CHECK(make(MatchType::Regex, "b|a|a").literal_set() == std::vector<std::string>{"a", "b"});
  CHECK(make(MatchType::Regex, "(foo|bar\\.x)").literal_set() ==
        std::vector<std::string>{"bar.x", "foo"});
  CHECK(make(MatchType::Regex, "a|").matches_empty());
  CHECK(make(MatchType::Regex, "a.b").literal_set().empty());
  CHECK(make(MatchType::NotRegex, "a|b").literal_set().empty());
  CHECK(make(MatchType::Equal, "x").literal_set() == std::vector<std::string>{"x"});
  CHECK_FALSE(make(MatchType::Regex, "(a)|(b)").matches("a)|(b"));
  CHECK(make(MatchType::Regex, "(a)|(b)").matches("b"));
}

TEST_CASE("the literal prefix never claims too much") {
  CHECK(make(MatchType::Regex, "node_.*").prefix() == "node_");
  CHECK(make(MatchType::Regex, "nodes?_x").prefix() == "node");
  CHECK(make(MatchType::Regex, "nodes*").prefix() == "node");
  CHECK(make(MatchType::Regex, "a+b").prefix() == "a");
  CHECK(make(MatchType::Regex, "a{0,2}b").prefix().empty());
  CHECK(make(MatchType::Regex, "a.*|b.*").prefix().empty());
  CHECK(make(MatchType::Regex, "(?i)abc").prefix().empty());
  CHECK(make(MatchType::Regex, "nodes*").matches("node"));
  CHECK(make(MatchType::Regex, "a{0,2}b").matches("b"));
}

TEST_CASE("a bad expression is refused with RE2's reason") {
  const auto bad = Matcher::make(MatchType::Regex, "l", "a(");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code() == ErrorCode::InvalidArgument);
  CHECK(bad.error().message() == "error parsing regexp: missing ): a(");
}

}  // namespace
}  // namespace aerie::model
