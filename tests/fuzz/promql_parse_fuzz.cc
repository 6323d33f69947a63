// PromQL from arbitrary bytes: nothing crashes, and what parses is printed so that it parses to the
// same text again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "query/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aerie::query;
  if (size > 4096) return 0;  // printing a deep tree costs the square of its depth
  LanguageFeatures features;
  features.experimental_functions = true;
  features.extended_range_selectors = true;
  features.binop_fill_modifiers = true;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto matchers = parse_selector(text)) {
    AERIE_CHECK(!matchers->empty(), "a selector without matchers");
  }
  const auto parsed = parse_expr(text, features);
  if (!parsed) {
    AERIE_CHECK(parsed.error().message().find("parse error: ") != std::string::npos, "no text");
    return 0;
  }
  const std::string printed = to_string(**parsed);
  const auto again = parse_expr(printed, features);
  AERIE_CHECK(again.ok(), "what was printed does not parse");
  AERIE_CHECK(to_string(**again) == printed, "printing is not stable");
  AERIE_CHECK(parse_expr(pretty(**parsed), features).ok(), "the indented form does not parse");
  AERIE_CHECK(to_string(*clone(**parsed)) == printed, "the copy differs");
  return 0;
}
