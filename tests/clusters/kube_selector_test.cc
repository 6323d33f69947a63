#include "clusters/kube_selector.h"

#include <catch2/catch.hpp>

using aerie::clusters::KubeSelector;
using Labels = std::map<std::string, std::string>;

namespace {

bool matches(const std::string& text, const Labels& labels) {
  const auto selector = KubeSelector::parse(text);
  REQUIRE(selector.ok());
  return selector->matches(labels);
}

}  // namespace

TEST_CASE("selectors as kubectl sends them") {
  const Labels labels{{"a", "1"}, {"b", "two"}};
  CHECK(matches("", labels));
  CHECK(matches("a=1", labels));
  CHECK(matches("a==1,b=two", labels));
  CHECK_FALSE(matches("a=1,b=three", labels));
  CHECK(matches("a!=2", labels));
  CHECK(matches("c!=2", labels));
  CHECK_FALSE(matches("a!=1", labels));
  CHECK(matches("a in (1, 2),b", labels));
  CHECK_FALSE(matches("a notin (1,2)", labels));
  CHECK(matches("c notin (1)", labels));
  CHECK(matches("!c", labels));
  CHECK_FALSE(matches("!a", labels));
  CHECK_FALSE(matches("c", labels));
}

TEST_CASE("what is no selector is an error") {
  for (const char* text : {"a within (b)", "a in (b", "=1", "(a)", "a b"})
    CHECK_FALSE(KubeSelector::parse(text).ok());
}
