// Matchers from arbitrary bytes: what is known of an expression in advance (literals, prefix)
// agrees with what it matches, and a negated one matches exactly the rest.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "model/matcher.h"

namespace {

using aerie::model::Matcher;
using aerie::model::MatchType;

/// The expression itself and pieces of it: more of them match than of other text.
std::vector<std::string> candidates(std::string_view expression, std::string_view other) {
  std::vector<std::string> out = {"", std::string(expression), std::string(other)};
  for (size_t i = 0; i < expression.size() && out.size() < 40; ++i) {
    out.emplace_back(expression.substr(0, i));
    out.emplace_back(expression.substr(i));
  }
  return out;
}

void check_pair(const std::string& expression, std::string_view other, MatchType positive,
                MatchType negative) {
  const auto yes = Matcher::make(positive, "name", expression);
  const auto no = Matcher::make(negative, "name", expression);
  AERIE_CHECK(yes.ok() == no.ok(), "only one of a pair is valid");
  if (!yes.ok()) return;
  AERIE_CHECK(yes->matches_empty() == yes->matches(std::string_view{}), "the empty value");
  for (const std::string& literal : yes->literal_set())
    AERIE_CHECK(yes->matches(literal), "a literal of the set does not match");
  const auto& literals = yes->literal_set();
  for (const std::string& value : candidates(expression, other)) {
    const bool matched = yes->matches(value);
    AERIE_CHECK(matched != no->matches(value), "a value matches both or none");
    if (!matched) continue;
    AERIE_CHECK(value.starts_with(yes->prefix()), "a value without the prefix matches");
    AERIE_CHECK(
        literals.empty() || std::find(literals.begin(), literals.end(), value) != literals.end(),
        "a value outside of the set matches");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 512) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t split = text.find('\n');
  const std::string expression(text.substr(0, split));
  const std::string_view other =
      split == std::string_view::npos ? std::string_view{} : text.substr(split + 1);
  check_pair(expression, other, MatchType::Regex, MatchType::NotRegex);
  check_pair(expression, other, MatchType::Equal, MatchType::NotEqual);
  return 0;
}
