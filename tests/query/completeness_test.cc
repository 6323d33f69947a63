#include "query/completeness.h"

#include <catch2/catch.hpp>

#include "query/parser.h"

namespace aerie::query {
namespace {

constexpr model::TimestampMs kNow = 1'700'000'000'000;

store::ClusterArrival arrival(std::string cluster, model::DurationMs behind,
                              model::DurationMs lag = 0) {
  store::ClusterArrival out;
  out.cluster = std::move(cluster);
  out.watermark = kNow - behind;
  out.interval = 15'000;
  out.lag = lag;
  return out;
}

/// Names of the clusters that are late, `-` for none.
std::string late(std::string_view query, const std::vector<store::ClusterArrival>& known,
                 model::TimestampMs end = kNow) {
  const auto expr = parse_expr(query, {});
  REQUIRE(expr.ok());
  std::string out;
  for (const auto& cluster : completeness_of(**expr, {end - 3'600'000, end, kNow}, known))
    if (cluster.late) out += (out.empty() ? "" : " ") + cluster.cluster;
  return out.empty() ? "-" : out;
}

TEST_CASE("one and a half intervals and the usual delay are waited for, at most two intervals") {
  CHECK(late("up", {arrival("a", 22'000)}) == "-");
  CHECK(late("up", {arrival("a", 23'000)}) == "a");
  CHECK(late("up", {arrival("a", 29'000, 7'000)}) == "-");
  CHECK(late("up", {arrival("a", 31'000, 60'000)}) == "a");
}

TEST_CASE("only what the query looks at counts") {
  const std::vector<store::ClusterArrival> known{arrival("a", 0), arrival("b", 300'000)};
  CHECK(late("up", known) == "b");
  CHECK(late("up{cluster=\"a\"} + up{cluster!=\"b\"}", known) == "-");
  CHECK(late("up offset 10m", known) == "-");
  CHECK(late("up @ 1600000000", known) == "-");
  CHECK(late("max_over_time(up[5m:] offset 10m)", known) == "-");
  CHECK(late("up @ end()", known) == "b");
  CHECK(late("up @ start()", known) == "-");
  CHECK(late("sum(rate(up[5m])) / sum(up{cluster=\"a\"})", known) == "b");
  CHECK(late("aerie_deployment_phase", known) == "-");
  CHECK(late("1 + time()", known) == "-");
  CHECK(late("up", known, kNow - 600'000) == "-");
  CHECK(late("up", known, kNow + 600'000) == "b");  // the future is nobody's fault
}

TEST_CASE("what is late is told in words") {
  CHECK(describe_late({"rohan", kNow - 90'000, 90'500, true}) ==
        "cluster \"rohan\" has no samples after 2023-11-14T22:11:50Z, 1m30s before the end of the "
        "query");
  CHECK(describe_late({"", kNow, 60'000, true}).find("what came without a cluster label") == 0);
}

}  // namespace
}  // namespace aerie::query
