// The API over HTTP, with what Grafana's data source sends and what Prometheus would answer.
#include "query/api.h"

#include <catch2/catch.hpp>
#include <limits>

#include "model/sample.h"
#include "tests/query/support/api_server.h"

namespace aerie::query {
namespace {

constexpr model::TimestampMs kNow = ApiServer::kNow;

std::string escaped(std::string_view text) { return http::percent_encode(text); }

/// `200 {…}`.
std::string shown(const http::Response& response) {
  return std::to_string(response.status) + " " + response.body;
}

std::string query(ApiServer& server, std::string_view expr, std::string_view more = "") {
  return shown(server.get("/api/v1/query?query=" + escaped(expr) + std::string(more)));
}

void fill(ApiServer& server) {
  for (int i = 4; i >= 0; --i) {
    server.write({{"__name__", "up"}, {"cluster", "gondor"}, {"instance", "a:9100"}},
                 kNow - i * 15'000, i % 2);
    server.write({{"__name__", "up"}, {"cluster", "rohan"}, {"instance", "b:9100"}},
                 kNow - i * 15'000, 1);
    server.write({{"__name__", "requests_total"}, {"cluster", "rohan"}, {"svc.name", "front"}},
                 kNow - i * 15'000, 100 - i * 10);
  }
}

TEST_CASE("an empty store answers Save & test and the first look around") {
  ApiServer server;
  // Save & test: 1+1 in the first seconds of 1970.
  CHECK(shown(server.post("/api/v1/query", "query=1%2B1&time=4")) ==
        R"(200 {"status":"success","data":{"resultType":"scalar","result":[4,"2"]}})");
  // Heuristics: which product is this? POST first.
  const std::string about =
      R"(200 {"status":"success","data":{"version":"3.14.0","revision":"abc","branch":"",)"
      R"("buildUser":"","buildDate":"","goVersion":"","application":"aerie"}})";
  CHECK(shown(server.post("/api/v1/status/buildinfo", "")) == about);
  CHECK(shown(server.get("/api/v1/status/buildinfo")) == about);
  // The probe for exemplars passes milliseconds as seconds.
  CHECK(shown(server.get("/api/v1/query_exemplars?query=test&start=1700000000000"
                         "&end=1700003600000")) == R"(200 {"status":"success","data":[]})");
  CHECK(shown(server.get("/api/v1/label/__name__/values?limit=40000&start=1700000000&"
                         "end=1700003600")) == R"(200 {"status":"success","data":[]})");
  CHECK(shown(server.get("/api/v1/labels?limit=40000")) == R"(200 {"status":"success","data":[]})");
  CHECK(shown(server.get("/api/v1/metadata?limit=40000")) ==
        R"(200 {"status":"success","data":{}})");
  CHECK(query(server, "up") ==
        R"(200 {"status":"success","data":{"resultType":"vector","result":[]}})");
  CHECK(shown(server.get("/api/v1/status/flags")) ==
        R"(200 {"status":"success","data":{"query.timeout":"2m"}})");
  CHECK(
      server.get("/api/v1/status/runtimeinfo").body.find(R"("startTime":"2023-11-14T22:13:20Z")") !=
      std::string::npos);
  CHECK(server.get("/api/v1/status/tsdb").body.find(R"("numSeries":0)") != std::string::npos);
  CHECK(server.get("/api/v1/nothing").status == 404);
}

TEST_CASE("instant queries: each type of result") {
  ApiServer server;
  fill(server);
  CHECK(query(server, "up{cluster=\"rohan\"}") ==
        R"(200 {"status":"success","data":{"resultType":"vector","result":[{"metric":)"
        R"({"__name__":"up","cluster":"rohan","instance":"b:9100"},"value":[1700000000,"1"]}]}})");
  CHECK(query(server, "sum(up)", "&time=1699999999.5") ==
        R"(200 {"status":"success","data":{"resultType":"vector","result":[{"metric":{},)"
        R"("value":[1699999999.500,"2"]}]}})");
  CHECK(query(server, "requests_total[20s]") ==
        R"(200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":)"
        R"({"__name__":"requests_total","cluster":"rohan","svc.name":"front"},)"
        R"("values":[[1699999985,"90"],[1700000000,"100"]]}]}})");
  CHECK(query(server, "\"a\\\"b\"") ==
        R"(200 {"status":"success","data":{"resultType":"string","result":[1700000000,"a\"b"]}})");
  CHECK(query(server, "1", "&time=1970-01-01T00:00:00.05Z") ==
        R"(200 {"status":"success","data":{"resultType":"scalar","result":[0.050,"1"]}})");
  CHECK(query(server, "1", "&time=-1.5") ==
        R"(200 {"status":"success","data":{"resultType":"scalar","result":[-1.500,"1"]}})");
}

TEST_CASE("numbers are written as Prometheus writes them") {
  ApiServer server;
  const auto value = [&](std::string_view expr) {
    const std::string body = query(server, expr);
    const size_t comma = body.rfind(",\"");
    return body.substr(comma + 2, body.find('"', comma + 2) - comma - 2);
  };
  CHECK(value("vector(1e21)") == "1e+21");
  CHECK(value("vector(123456789012345678901)") == "123456789012345680000");
  CHECK(value("vector(0.000001)") == "0.000001");
  CHECK(value("vector(-0.00000012)") == "-1.2e-07");
  CHECK(value("vector(0.1 + 0.2)") == "0.30000000000000004");
  CHECK(value("vector(-Inf)") == "-Inf");
  CHECK(value("vector(NaN)") == "NaN");
  CHECK(value("vector(-0)") == "-0");
  CHECK(value("1e23") == "100000000000000000000000");  // a scalar has no exponent
  CHECK(value("1.5e-9") == "0.0000000015");
  CHECK(value("5e-324").size() == 326);
}

TEST_CASE("range queries") {
  ApiServer server;
  fill(server);
  CHECK(shown(server.post("/api/v1/query_range",
                          "query=up&start=1699999970&end=1700000000&step=15")) ==
        R"(200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":)"
        R"({"__name__":"up","cluster":"gondor","instance":"a:9100"},"values":)"
        R"([[1699999970,"0"],[1699999985,"1"],[1700000000,"0"]]},{"metric":)"
        R"({"__name__":"up","cluster":"rohan","instance":"b:9100"},"values":)"
        R"([[1699999970,"1"],[1699999985,"1"],[1700000000,"1"]]}]}})");
  CHECK(shown(server.get("/api/v1/query_range?query=time()&start=0&end=0.75&step=0.5")) ==
        R"(200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":{},)"
        R"("values":[[0,"0"],[0.500,"0.5"]]}]}})");
  CHECK(shown(server.get("/api/v1/query_range?query=up&start=1700000000&end=1700000600&step=1m"
                         "&lookback_delta=30s&timeout=2m")) ==
        R"(200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":)"
        R"({"__name__":"up","cluster":"gondor","instance":"a:9100"},"values":[[1700000000,"0"]]},)"
        R"({"metric":{"__name__":"up","cluster":"rohan","instance":"b:9100"},"values":)"
        R"([[1700000000,"1"]]}]}})");
}

TEST_CASE("bad parameters are named as Prometheus names them") {
  ApiServer server;
  const std::pair<const char*, const char*> cases[] = {
      {"query?query=",
       R"(invalid parameter \"query\": unknown position: parse error: no expression found in input)"},
      {"query?query=up%2B",
       R"(invalid parameter \"query\": 1:4: parse error: unexpected end of input)"},
      {"query?query=1&time=x",
       R"(invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp)"},
      {"query?query=1&timeout=x",
       R"(invalid parameter \"timeout\": cannot parse \"x\" to a valid duration)"},
      {"query?query=1&limit=x",
       R"(invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax)"},
      {"query?query=1&limit=-1", R"(invalid parameter \"limit\": limit must be non-negative)"},
      {"query?query=1&lookback_delta=x",
       R"(error parsing lookback delta duration: cannot parse \"x\" to a valid duration)"},
      {"query_range?query=1&end=1&step=1",
       R"(invalid parameter \"start\": cannot parse \"\" to a valid timestamp)"},
      {"query_range?query=1&start=2&end=1&step=1",
       R"(invalid parameter \"end\": end timestamp must not be before start time)"},
      {"query_range?query=1&start=1&end=2&step=0",
       R"(invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer)"},
      {"query_range?query=1&start=1&end=2&step=",
       R"(invalid parameter \"step\": cannot parse \"\" to a valid duration)"},
      {"query_range?query=1&start=1&end=2&step=NaN",
       R"(invalid parameter \"step\": cannot parse \"NaN\" to a valid duration)"},
      {"query_range?query=1&start=1&end=2&step=inf",
       R"(invalid parameter \"step\": cannot parse \"inf\" to a valid duration. It overflows int64)"},
      {"query_range?query=1&start=0&end=11001&step=1",
       R"(exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX))"},
      {"query_range?query=up%5B1m%5D&start=0&end=1&step=1",
       R"(invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector)"},
      {"series", "no match[] parameter provided"},
      {"series?match[]={}",
       R"(invalid parameter \"match[]\": match[] must contain at least one non-empty matcher)"},
      {"labels?match[]=5", R"(1:1: parse error: unexpected number \"5\")"},
      {"labels?start=x",
       R"(invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a valid timestamp)"},
      {"label/%ff/values", R"(invalid label name: \"\\xff\")"},
      {"metadata?limit=x", "limit must be a number"},
      {"format_query?query=%29",
       R"(invalid parameter \"query\": 1:2: parse error: unexpected right parenthesis ')')"},
  };
  for (const auto& [path, message] : cases) {
    INFO(path);
    CHECK(shown(server.get(std::string("/api/v1/") + path)) ==
          std::string(R"(400 {"status":"error","errorType":"bad_data","error":")") + message +
              "\"}");
  }
  CHECK(server.get("/api/v1/query_range?query=1&start=0&end=11000&step=1").status == 200);
}

TEST_CASE("errors while running have their codes") {
  ApiServer server;
  fill(server);
  CHECK(
      query(server, "up * on () up") ==
      "422 {\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"found duplicate series "
      "for "
      "the match group {} on the right hand-side of the operation: [{__name__=\\\"up\\\", "
      "cluster=\\\"gondor\\\", instance=\\\"a:9100\\\"}, {__name__=\\\"up\\\", "
      "cluster=\\\"rohan\\\", "
      "instance=\\\"b:9100\\\"}];many-to-many matching not allowed: matching labels must be unique "
      "on one side\"}");
}

TEST_CASE("notices, limits and statistics") {
  ApiServer server;
  fill(server);
  const std::string notices =
      "\"warnings\":[\"results truncated due to limit\"],\"infos\":[\"PromQL info: metric might "
      "not "
      "be a counter, name does not end in _total/_sum/_count/_bucket: \\\"up\\\" (1:6)\"]";
  CHECK_THAT(query(server, "rate(up[1m])", "&limit=1"), Catch::Contains(notices));
  CHECK_THAT(query(server, "up", "&stats=true"),
             Catch::Contains("\"stats\":{\"timings\":{\"evalTotalTime\":"));
  CHECK_THAT(query(server, "1", "&stats=x"),
             Catch::Contains("value \\\"x\\\" for parameter \\\"stats\\\" is deprecated"));
}

TEST_CASE("series, labels and their values") {
  ApiServer server;
  fill(server);
  CHECK(shown(server.get("/api/v1/series?match[]=" + escaped("up{cluster=\"rohan\",}"))) ==
        R"(200 {"status":"success","data":[{"__name__":"up","cluster":"rohan",)"
        R"("instance":"b:9100"}]})");
  const std::string both =
      "/api/v1/series?match[]=" + escaped("{cluster=\"rohan\"}") + "&match[]=" + escaped("up");
  CHECK(shown(server.get(both)) ==
        R"(200 {"status":"success","data":[{"__name__":"requests_total","cluster":"rohan",)"
        R"("svc.name":"front"},{"__name__":"up","cluster":"gondor","instance":"a:9100"},)"
        R"({"__name__":"up","cluster":"rohan","instance":"b:9100"}]})");
  CHECK(shown(server.get(both + "&limit=1")) ==
        R"(200 {"status":"success","data":[{"__name__":"requests_total","cluster":"rohan",)"
        R"("svc.name":"front"}],"warnings":["results truncated due to limit"]})");
  CHECK(shown(server.get("/api/v1/series?match[]=up&start=0&end=10")) ==
        R"(200 {"status":"success","data":[]})");
  CHECK(shown(server.get("/api/v1/labels")) ==
        R"(200 {"status":"success","data":["__name__","cluster","instance","svc.name"]})");
  CHECK(shown(server.post("/api/v1/labels", "match[]=up&limit=2")) ==
        R"(200 {"status":"success","data":["__name__","cluster"],)"
        R"("warnings":["results truncated due to limit"]})");
  CHECK(shown(server.get("/api/v1/label/cluster/values")) ==
        R"(200 {"status":"success","data":["gondor","rohan"]})");
  CHECK(shown(server.get("/api/v1/label/cluster/values?match[]=requests_total&match[]=none")) ==
        R"(200 {"status":"success","data":["rohan"]})");
  CHECK(shown(server.get("/api/v1/label/U__svc_2e_name/values")) ==
        R"(200 {"status":"success","data":["front"]})");
  CHECK(shown(server.get("/api/v1/label/svc.name/values")) ==
        R"(200 {"status":"success","data":["front"]})");
  // Everything, as the label browser asks for it.
  CHECK(server.get("/api/v1/series?limit=40000&match[]=" + escaped("{__name__!=\"\"}"))
            .body.find("gondor") != std::string::npos);
}

TEST_CASE("metadata") {
  ApiServer server;
  server.describe("up", {model::MetricType::Gauge, "Whether it \"is\".", ""});
  server.describe("requests", {model::MetricType::Counter, "Requests.", "requests"});
  CHECK(shown(server.get("/api/v1/metadata")) ==
        R"(200 {"status":"success","data":{"requests":[{"type":"counter","help":"Requests.",)"
        R"("unit":"requests"}],"up":[{"type":"gauge","help":"Whether it \"is\".","unit":""}]}})");
  CHECK(shown(server.get("/api/v1/metadata?metric=none")) ==
        R"(200 {"status":"success","data":{}})");
  CHECK(shown(server.get("/api/v1/metadata?limit=0")) == R"(200 {"status":"success","data":{}})");
}

TEST_CASE("queries are formatted and taken apart") {
  ApiServer server;
  CHECK(shown(server.get("/api/v1/format_query?query=" + escaped("sum(up)by(a)"))) ==
        "200 {\"status\":\"success\",\"data\":\"sum by (a) (up)\"}");
  CHECK(
      shown(server.get("/api/v1/parse_query?query=" +
                       escaped("rate(up{a=~\"b\"}[5m] offset 1m) > bool on (c) group_left -1"
                               " + up[(1m):step()]"))) ==
      R"(400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": )"
      R"(1:62: parse error: binary expression must contain only scalar and instant vector types"})");
  CHECK(shown(server.get("/api/v1/parse_query?query=" +
                         escaped("rate(up{a=~\"b\"}[5m] offset (1m)) > bool 2"))) ==
        R"(200 {"status":"success","data":{"bool":true,"lhs":{"args":[{"anchored":false,)"
        R"("matchers":[{"name":"a","type":"=~","value":"b"},{"name":"__name__","type":"=",)"
        R"("value":"up"}],"name":"up","offset":0,"offsetExpr":{"lhs":null,"op":"+","rhs":)"
        R"({"duration":true,"type":"numberLiteral","val":"60"},"type":"durationExpr",)"
        R"("wrapped":true},"range":300000,"rangeExpr":null,"smoothed":false,"startOrEnd":null,)"
        R"("timestamp":null,"type":"matrixSelector"}],"func":{"argTypes":["matrix"],)"
        R"("name":"rate","returnType":"vector","variadic":0},"type":"call"},"matching":null,)"
        R"("op":">","rhs":{"type":"numberLiteral","val":"2"},"type":"binaryExpr"}})");
}

TEST_CASE("exemplars of the series that a query reads") {
  ApiServer server;
  store::WriteBatch batch;
  for (const char* le : {"1", "2"}) {
    const auto handle = server.store().resolve({{"__name__", "latency_bucket"}, {"le", le}});
    batch.floats.push_back({handle, ApiServer::kNow, 1});
    batch.exemplars.push_back({handle, ApiServer::kNow - 521, 0.25, {{"trace_id", le}}});
  }
  REQUIRE(server.store().append_and_wait(std::move(batch)).ok());
  const std::string path = "/api/v1/query_exemplars?start=1699999000&end=1700000001&query=";
  const std::string second =
      R"({"seriesLabels":{"__name__":"latency_bucket","le":"2"},"exemplars":[)"
      R"({"labels":{"trace_id":"2"},"value":"0.25","timestamp":1699999999.479}]})";
  CHECK(shown(server.get(path + "rate(latency_bucket{le=\"2\"}[5m])")) ==
        R"(200 {"status":"success","data":[)" + second + "]}");
  const auto both = shown(server.get(path + "latency_bucket%2Blatency_bucket"));
  CHECK(both.find(second) != std::string::npos);
  CHECK(both.find(R"("trace_id":"1")") != std::string::npos);
  CHECK(shown(server.get("/api/v1/query_exemplars?start=1&end=2&query=latency_bucket")) ==
        R"(200 {"status":"success","data":[]})");
}

TEST_CASE("what is not in the API is not found, what is not allowed says so") {
  ApiServer server;
  CHECK(server.get("/api/v1/query_exemplars?query=1").status == 204);
  CHECK(server.post("/api/v1/query?query=1", "query=2").body.find("\"2\"") != std::string::npos);
}

TEST_CASE("series are deleted with Prometheus's answers") {
  ApiServer server;
  fill(server);
  const std::string path = "/api/v1/admin/tsdb/delete_series";
  CHECK(shown(server.post(path, "")) ==
        R"(400 {"status":"error","errorType":"bad_data","error":"no match[] parameter provided"})");
  CHECK(
      server.post(path, "match[]=up&start=x")
          .body.find(
              R"(invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a valid timestamp)") !=
      std::string::npos);
  CHECK(server.post(path, "match[]=up%7B").status == 400);
  CHECK(server.get(path + "?match[]=up").status == 405);
  CHECK(shown(server.post(path, "match[]=" + escaped("{cluster=\"gondor\"}") +
                                    "&match[]=requests_total")) == "204 ");
  CHECK(shown(server.get("/api/v1/label/__name__/values")) ==
        R"(200 {"status":"success","data":["up"]})");
  CHECK(shown(server.get("/api/v1/series?match[]=up")).find("gondor") == std::string::npos);
  CHECK(query(server, "count(up)").find(R"("1"])") != std::string::npos);
  CHECK(shown(server.post("/api/v1/admin/tsdb/clean_tombstones", "")) == "204 ");
  CHECK(query(server, "count(up)").find(R"("1"])") != std::string::npos);

  ApiServer closed({}, {}, {}, /*admin=*/false);
  const std::string refused =
      R"(503 {"status":"error","errorType":"unavailable","error":"admin APIs disabled"})";
  CHECK(shown(closed.post(path, "match[]=up")) == refused);
  CHECK(shown(closed.post("/api/v1/admin/tsdb/clean_tombstones", "")) == refused);
}

}  // namespace
}  // namespace aerie::query
