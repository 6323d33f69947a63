#include "model/labels.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace aerie::model {
namespace {

TEST_CASE("a label set is sorted, without empty values, and the last of a repeated name wins") {
  const Labels labels{
      {"zone", "eu"}, {"__name__", "up"}, {"job", "old"}, {"job", "node"}, {"gone", ""}};
  CHECK(labels.size() == 3);
  CHECK(labels.to_string() == R"(up{job="node", zone="eu"})");
  CHECK(labels.metric_name() == "up");
  CHECK(labels.get("zone") == "eu");
  CHECK(labels.get("absent").empty());
  CHECK_FALSE(labels.has("gone"));
}

TEST_CASE("encoded bytes are lengths and texts") {
  const Labels labels{{"a", "1"}, {"b", std::string(200, 'x')}};
  const std::string expected = std::string(
                                   "\x01"
                                   "a\x01"
                                   "1\x01"
                                   "b\xc8\x01") +
                               std::string(200, 'x');
  CHECK(labels.encoded() == expected);
  CHECK(Labels::from_encoded(expected) == labels);
}

TEST_CASE("order is Prometheus's: pair by pair, the shorter set first") {
  const Labels empty;
  const Labels a1{{"a", "1"}};
  const Labels a1b1{{"a", "1"}, {"b", "1"}};
  const Labels a2{{"a", "2"}};
  const Labels b1{{"b", "1"}};
  CHECK(empty < a1);
  CHECK(a1 < a1b1);
  CHECK(a1b1 < a2);
  CHECK(a2 < b1);
  CHECK((a1 <=> Labels{{"a", "1"}}) == std::strong_ordering::equal);
}

TEST_CASE("the builder sets, replaces, deletes, keeps and drops") {
  const Labels base{{"__name__", "up"}, {"a", "1"}, {"c", "3"}};
  LabelsBuilder builder(base);
  builder.set("b", "2").set("c", "4").remove("a");
  CHECK(builder.build().to_string() == R"(up{b="2", c="4"})");
  builder.reset(base);
  const std::vector<std::string> names = {"a", "absent"};
  CHECK(builder.keep(names).build() == Labels{{"a", "1"}});
  builder.reset(base);
  CHECK(builder.drop(names).build().to_string() == R"(up{c="3"})");
}

TEST_CASE("names that need quotes are quoted inside the braces") {
  CHECK(Labels{{"__name__", "a.b"}, {"x y", "1"}}.to_string() == R"({"a.b", "x y"="1"})");
  CHECK(Labels{}.to_string() == "{}");
  CHECK(go_quote("a\"b\\c\n\x01\xff") == R"("a\"b\\c\n\x01\xff")");
}

TEST_CASE("UTF-8 is checked as RFC 3629 says") {
  CHECK(is_valid_utf8("grüße €𝄞"));
  CHECK_FALSE(is_valid_utf8("\xc0\x80"));      // overlong
  CHECK_FALSE(is_valid_utf8("\xed\xa0\x80"));  // surrogate
  CHECK_FALSE(is_valid_utf8("\xf4\x90\x80\x80"));
  CHECK_FALSE(is_valid_utf8("\xe2\x82"));
}

}  // namespace
}  // namespace aerie::model
