// An engine bound to label matchers answers as if nothing else were stored.
#include "query/scoped_source.h"

#include <catch2/catch.hpp>

#include "query/engine.h"
#include "query/result_json.h"
#include "tests/query/support/memory_source.h"

namespace aerie::query {
namespace {

const char* const kQueries[] = {
    "up",
    "sum by (cluster) (up)",
    "count(up) / scalar(count(up offset 1m))",
    "absent(up{cluster=\"gondor\"})",
    "absent(up{cluster=\"nowhere\"})",
    "topk(2, up)",
    "up * on(instance) group_left(owner) owner",
    "up or owner",
    "up unless on(instance) owner",
    "label_replace(up, \"cluster\", \"gondor\", \"\", \"\")",
    "rate(up[5m:30s])",
    "count({__name__=~\".+\"})",
    "up{cluster!=\"rohan\"}",
    "max_over_time(up[5m]) @ 120",
    "info(up, {__name__=\"owner\"})",
    "count_values(\"v\", up)",
};

std::string answer(const model::SampleSource& source, const model::SampleSource* instead,
                   std::string_view query) {
  ManualClock clock(0);
  EngineOptions options;
  options.features.experimental_functions = true;
  const Engine engine(options, source, clock);
  QueryLimits limits;
  limits.source = instead;
  const auto result = engine.range(query, 0, 300'000, 30'000, limits);
  if (!result) return result.error().message();
  std::string out;
  append_result(out, result->value, 0);
  for (const auto& text : result->annotations.warnings) out += text;
  for (const auto& text : result->annotations.infos) out += text;
  return out;
}

TEST_CASE("a scope is the same as storing nothing else") {
  MemorySource everything;
  MemorySource part;
  for (const char* cluster : {"gondor", "rohan", ""}) {
    for (const char* instance : {"a", "b"}) {
      const std::vector<double> values{0, 2, 4, 1, 3, 0, 2, 4, 1, 3, 0, 2};
      std::vector<model::LabelView> up{{"__name__", "up"}, {"instance", instance}};
      std::vector<model::LabelView> owner{
          {"__name__", "owner"}, {"instance", instance}, {"owner", cluster}};
      if (*cluster != '\0') {
        up.push_back({"cluster", cluster});
        owner.push_back({"cluster", cluster});
      }
      for (const auto& labels : {model::Labels::from_pairs(up), model::Labels::from_pairs(owner)}) {
        everything.add(labels, 0, 30'000, values);
        if (std::string_view(cluster) == "rohan") part.add(labels, 0, 30'000, values);
      }
    }
  }
  const ScopedSource scoped(everything, {model::Matcher::equal("cluster", "rohan")});
  for (const char* query : kQueries) {
    CAPTURE(query);
    CHECK(answer(everything, &scoped, query) == answer(part, nullptr, query));
  }
}

}  // namespace
}  // namespace aerie::query
