#include "query/cardinality.h"

#include <catch2/catch.hpp>

#include "tests/query/support/api_server.h"

namespace aerie::query {
namespace {

constexpr model::TimestampMs kNow = ApiServer::kNow;

/// 4 clusters; cluster c has c + 1 pods; each pod has 3 modes of one metric and one of another.
void fill(ApiServer& server) {
  for (int c = 0; c < 4; ++c)
    for (int p = 0; p <= c; ++p) {
      const std::string cluster = "c" + std::to_string(c);
      const std::string pod = "pod-" + std::to_string(p);
      for (const char* mode : {"idle", "user", "system"})
        server.write(
            {{"__name__", "cpu_total"}, {"cluster", cluster}, {"mode", mode}, {"pod", pod}},
            kNow - 1000, 1);
      server.write({{"__name__", "up"}, {"cluster", cluster}, {"pod", pod}}, kNow - 1000, 1);
    }
}

double count_by_query(ApiServer& server, const std::string& selector) {
  const SystemClock clock;
  const Engine engine({}, server.store(), clock);
  const auto result = engine.instant("count(" + selector + ")", kNow, {});
  REQUIRE(result);
  return std::get<VectorValue>(result->value)[0].value;
}

TEST_CASE("cardinality equals counts by query, before and after sealing") {
  ApiServer server;
  fill(server);
  const bool sealed = GENERATE(false, true);
  if (sealed) REQUIRE(server.store().flush().ok());
  CountQuestion question;
  question.range = {kNow - 60'000, kNow};
  question.by = "cluster";
  const auto counted = count_series(server.store(), question);
  REQUIRE(counted);
  REQUIRE(counted->size() == 5);
  const SeriesCounts& all = (*counted)[0];
  CHECK(all.series == 40);
  CHECK(static_cast<double>(all.series) == count_by_query(server, R"({__name__=~".+"})"));
  CHECK(all.label_pairs == 2 + 4 + 4 + 3);
  CHECK(all.series_by_metric == std::vector<CountedName>{{"cpu_total", 30}, {"up", 10}});
  CHECK(all.values_by_label ==
        std::vector<CountedName>{{"cluster", 4}, {"pod", 4}, {"mode", 3}, {"__name__", 2}});
  CHECK(all.bytes_by_label[0] == CountedName{"__name__", 30 * 9 + 10 * 2});
  for (size_t i = 1; i < counted->size(); ++i) {
    const SeriesCounts& one = (*counted)[i];
    CHECK(one.group == "c" + std::to_string(4 - i));
    CHECK(static_cast<double>(one.series) ==
          count_by_query(server, "{cluster=\"" + one.group + "\"}"));
    CHECK(one.series_by_pair[0] == CountedName{"cluster=" + one.group, one.series});
  }
}

TEST_CASE("lists are cut to the limit; matchers restrict what is counted") {
  ApiServer server;
  fill(server);
  CountQuestion question;
  question.range = {kNow - 60'000, kNow};
  question.limit = 1;
  question.matchers = {model::Matcher::equal("cluster", "c3")};
  const auto counted = count_series(server.store(), question);
  REQUIRE(counted);
  CHECK((*counted)[0].series == 16);
  CHECK((*counted)[0].series_by_pair == std::vector<CountedName>{{"cluster=c3", 16}});
}

TEST_CASE("/api/v1/status/tsdb shows the lists, by cluster too") {
  ApiServer server;
  fill(server);
  const auto answer = server.get("/api/v1/status/tsdb?limit=1&by=cluster").body;
  CHECK(answer.find(R"("seriesCountByMetricName":[{"name":"cpu_total","value":30}])") !=
        std::string::npos);
  CHECK(answer.find(R"("groups":[{"name":"c3","seriesCount":16,"numLabelPairs":10,)") !=
        std::string::npos);
  CHECK(server.get("/api/v1/status/tsdb?limit=x").status == 400);
}

}  // namespace
}  // namespace aerie::query
