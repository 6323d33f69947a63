// What the API has beyond queries and catalogues: search, federation, remote read, features,
// running queries, completeness, explain, callers who see a part.
#include <snappy.h>
#include <zstd.h>

#include <catch2/catch.hpp>

#include "query/api.h"
#include "query/protobuf_wire.h"
#include "tests/query/support/api_server.h"

namespace aerie::query {
namespace {

constexpr model::TimestampMs kNow = ApiServer::kNow;

std::string escaped(std::string_view text) { return http::percent_encode(text); }

std::string shown(const http::Response& response) {
  return std::to_string(response.status) + " " + response.body;
}

void fill(ApiServer& server) {
  for (int i = 4; i >= 0; --i) {
    server.write({{"__name__", "up"}, {"cluster", "gondor"}}, kNow - i * 15'000, i % 2);
    server.write({{"__name__", "up"}, {"cluster", "rohan"}}, kNow - i * 15'000, 1);
    server.write({{"__name__", "requests_total"}, {"cluster", "rohan"}, {"svc.name", "front"}},
                 kNow - i * 15'000, 1e6 - i * 10);
  }
}

store::ClusterArrival arrival(std::string cluster, model::DurationMs behind) {
  store::ClusterArrival out;
  out.cluster = std::move(cluster);
  out.watermark = kNow - behind;
  return out;
}

TEST_CASE("search answers in lines, the best or the first in batches") {
  ApiServer server;
  fill(server);
  const auto search = [&](std::string_view what) {
    return shown(server.get("/api/v1/search/" + std::string(what)));
  };
  CHECK(search("metric_names") ==
        "200 {\"results\":[{\"name\":\"requests_total\"},{\"name\":\"up\"}]}\n"
        "{\"status\":\"success\",\"has_more\":false}\n");
  CHECK(search("metric_names?sort_by=alpha&sort_dir=dsc&batch_size=1") ==
        "200 {\"results\":[{\"name\":\"up\"}]}\n{\"results\":[{\"name\":\"requests_total\"}]}\n"
        "{\"status\":\"success\",\"has_more\":false}\n");
  CHECK(search("label_values?label=cluster&limit=1") ==
        "200 {\"results\":[{\"value\":\"gondor\"}]}\n{\"status\":\"success\",\"has_more\":true}\n");
  CHECK(search("label_names?search[]=SVC&case_sensitive=false&include_score=true") ==
        "200 {\"results\":[{\"name\":\"svc.name\",\"score\":1}]}\n"
        "{\"status\":\"success\",\"has_more\":false}\n");
  CHECK(search("metric_names?search[]=rtotal&sort_by=score").find("requests_total") !=
        std::string::npos);
  CHECK(search("metric_names?match[]=" + escaped("up{cluster=\"rohan\"}") + "&search[]=zzz") ==
        "200 {\"results\":[]}\n{\"status\":\"success\",\"has_more\":false}\n");
  CHECK(search("metric_names?limit=20000").find("--web.search.max-limit") != std::string::npos);
  CHECK(search("metric_names?sort_dir=asc").find("sort_dir is only valid") != std::string::npos);
  CHECK(search("label_values") == R"(400 {"status":"error","errorType":"bad_data",)"
                                  R"("error":"missing required parameter \"label\""})");
}

TEST_CASE("federation shows the newest samples as text") {
  ApiServer server;
  fill(server);
  const auto response = server.get("/federate?match[]=" + escaped("{cluster=\"rohan\"}"));
  CHECK(response.headers.get("Content-Type").find("text/plain; version=0.0.4") == 0);
  CHECK(shown(response) ==
        "200 # TYPE requests_total untyped\n"
        "requests_total{cluster=\"rohan\",\"svc.name\"=\"front\",instance=\"\"} 1e+06 "
        "1700000000000\n"
        "# TYPE up untyped\nup{cluster=\"rohan\",instance=\"\"} 1 1700000000000\n");
  CHECK(server.get("/federate?match[]=" + escaped("{")).status == 400);
}

/// ReadRequest of up{cluster="rohan"}.
std::string read_request(uint64_t accepted) {
  std::string matchers;
  for (const auto& [name, value] : {std::pair("__name__", "up"), std::pair("cluster", "rohan")}) {
    std::string matcher;
    ProtobufWriter(matcher).bytes(2, name);
    ProtobufWriter(matcher).bytes(3, value);
    ProtobufWriter(matchers).element(3, matcher);
  }
  std::string query;
  ProtobufWriter(query).integer(1, static_cast<uint64_t>(kNow - 20'000));
  ProtobufWriter(query).integer(2, static_cast<uint64_t>(kNow));
  std::string request;
  ProtobufWriter(request).element(1, query + matchers);
  ProtobufWriter(request).present_integer(2, accepted);
  std::string packed;
  snappy::Compress(request.data(), request.size(), &packed);
  return packed;
}

TEST_CASE("remote read answers with samples or with chunks") {
  ApiServer server;
  fill(server);
  const auto samples = server.post("/api/v1/read", read_request(0));
  CHECK(samples.status == 200);
  CHECK(samples.headers.get("Content-Encoding") == "snappy");
  std::string message;
  REQUIRE(snappy::Uncompress(samples.body.data(), samples.body.size(), &message));
  ProtobufReader response(message);
  ProtobufReader result(response.next()->bytes);
  ProtobufReader series(result.next()->bytes);
  CHECK_FALSE(result.next());
  std::vector<uint32_t> fields;
  while (const auto field = series.next()) fields.push_back(field->number);
  CHECK(fields == std::vector<uint32_t>{1, 1, 2, 2});  // two labels, two samples

  const auto chunks = server.post("/api/v1/read", read_request(1));
  CHECK(chunks.headers.get("Content-Type") ==
        "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse");
  REQUIRE(chunks.body.size() > 5);
  CHECK(static_cast<uint8_t>(chunks.body[0]) + 5u == chunks.body.size());
  CHECK(server.post("/api/v1/read", "not snappy").status == 400);
}

TEST_CASE("late clusters are named in warnings, and only those that the query selects") {
  ApiServer server({}, {arrival("gondor", 5'000), arrival("rohan", 90'000)});
  fill(server);
  const auto asked = [&](std::string_view query, std::string_view more = "") {
    return shown(server.get("/api/v1/query?query=" + escaped(query) + std::string(more)));
  };
  const std::string all = asked("count(up)");
  CHECK(all.find(R"("completeness":{"complete":false,"clusters":2,"late":[{"cluster":"rohan",)"
                 R"("watermark":1699999910,"lagSeconds":90}]})") != std::string::npos);
  CHECK(all.find(R"("warnings":["cluster \"rohan\" has no samples after 2023-11-14T22:11:50Z, )"
                 R"(1m30s before the end of the query"])") != std::string::npos);
  CHECK(asked("count(up{cluster=~\"g.*\"})").find("warnings") == std::string::npos);
  CHECK(asked("count(up offset 2m)").find("\"complete\":true") != std::string::npos);
  CHECK(asked("count(up)", "&time=1699999900").find("\"complete\":true") != std::string::npos);
  CHECK(asked("count(up)", "&completeness=0").find("omplete") == std::string::npos);
  CHECK(asked("count(up)", "&completeness=all").find("watermarks") != std::string::npos);
  CHECK(asked("1 + 1").find("omplete") == std::string::npos);
}

TEST_CASE("explain shows parts whose samples add up to those of stats") {
  ApiServer server;
  fill(server);
  const std::string body =
      shown(server.get("/api/v1/explain?query=" + escaped("sum(rate(up[1m])) / count(up)") +
                       "&start=1699999970&end=1700000000&step=15"));
  CHECK(body.find("{\"plan\":{\"expression\":\"sum(rate(up[1m])) / count(up)\","
                  "\"kind\":\"operator /\"") != std::string::npos);
  CHECK(body.find(R"({"expression":"up[1m]","kind":"range selector","steps":3,"series":2)") !=
        std::string::npos);
  const size_t of_root = body.find("\"samplesRead\":");
  const size_t of_stats = body.rfind("\"samplesRead\":");
  REQUIRE(of_root != of_stats);
  CHECK(body.substr(of_root, 17) == body.substr(of_stats, 17));
  CHECK(server.get("/api/v1/explain?query=" + escaped("sum(")).status == 400);
}

TEST_CASE("large answers are compressed while they are written, and are the same") {
  ApiServer server;
  // 11,000 steps over 30 series: more than is collected before it is written.
  for (int i = 0; i < 30; ++i)
    server.write({{"__name__", "m"}, {"i", std::to_string(i)}}, ApiServer::kNow - 20'000'000, i);
  const auto path = [](std::string_view query) {
    return "/api/v1/query_range?query=" + escaped(query) +
           "&start=1699980000&end=1699991000&step=1&lookback_delta=9h";
  };
  for (const char* query : {"m", "label_replace(m, \"a\", \"$2$1\", \"i\", \"(.)(.?)\")"}) {
    const auto plain = server.get(path(query), {{"Accept-Encoding", "identity"}});
    REQUIRE(plain.status == 200);
    CHECK(plain.body.size() > 5'000'000);
    CHECK(plain.body.ends_with("\"]]}]}}"));
    const auto packed = server.get(path(query), {{"Accept-Encoding", "zstd"}});
    CHECK(packed.headers.get("Content-Encoding") == "zstd");
    std::string body(plain.body.size() + 1, '\0');
    body.resize(ZSTD_decompress(body.data(), body.size(), packed.body.data(), packed.body.size()));
    CHECK(body == plain.body);
    const auto limited = server.get(path(query) + "&limit=2");
    CHECK(limited.body.find("results truncated due to limit") != std::string::npos);
  }
  // An error after the first series are written is an error.
  const auto failed = server.get(path("m + on () group_right () m"));
  CHECK(failed.status == 422);
}

TEST_CASE("what the cache did stands in stats and explain, nocache=1 goes past it") {
  ApiServer server;
  fill(server);
  const std::string range = "query_range?query=" + escaped("sum by (cluster) (up)") +
                            "&start=1699999970&end=1700000000&step=15&stats=all";
  const auto cache_of = [&](std::string_view path) {
    const std::string body = shown(server.get("/api/v1/" + std::string(path)));
    const size_t at = body.find("\"cache\":{");
    return at == std::string::npos ? body : body.substr(at, body.find('}', at) - at);
  };
  CHECK(cache_of(range).find(R"("state":"miss","reusedSteps":0,"evaluatedSteps":3)") !=
        std::string::npos);
  CHECK(cache_of(range).find(R"("state":"hit","reusedSteps":3,"evaluatedSteps":0)") !=
        std::string::npos);
  CHECK(cache_of(range + "&nocache=1").find(R"("state":"bypass")") != std::string::npos);
  CHECK(cache_of(range + "&nocache=0").find(R"("state":"hit")") != std::string::npos);
  const std::string explain = "explain" + range.substr(range.find('?'));
  CHECK(cache_of(explain).find(R"("state":"hit")") != std::string::npos);
  server.write({{"__name__", "up"}, {"cluster", "gondor"}, {"instance", "z"}},
               ApiServer::kNow - 10'000, 1);
  CHECK(cache_of(range).find(R"("state":"partial","reusedSteps":2,"evaluatedSteps":1)") !=
        std::string::npos);
}

TEST_CASE("what ran is remembered, what does not run cannot be ended") {
  ApiServer server;
  fill(server);
  server.get("/api/v1/query?query=up");
  server.get("/api/v1/query?query=up");
  const std::string body = shown(server.get("/api/v1/status/queries"));
  CHECK(body.find(R"("active":[])") != std::string::npos);
  CHECK(body.find(R"("top":[{"query":"up","count":2,"failed":0)") != std::string::npos);
  CHECK(server.post("/api/v1/status/queries/17", "").status == 404);
  CHECK(server.post("/api/v1/status/queries/x", "").status == 400);
}

TEST_CASE("a caller sees the part that its scope selects") {
  const auto only_rohan = [](const http::Request& request) -> Result<model::Matchers> {
    if (request.headers.get("X-Test-Scope").empty()) return model::Matchers{};
    return model::Matchers{model::Matcher::equal("cluster", "rohan")};
  };
  ApiServer server({}, {arrival("gondor", 90'000), arrival("rohan", 0)}, only_rohan);
  fill(server);
  const auto seen = [&](std::string_view path) {
    return shown(server.get(path, {{"X-Test-Scope", "yes"}}));
  };
  CHECK(seen("/api/v1/query?query=" + escaped("count(up)")).find("\"1\"]") != std::string::npos);
  CHECK(seen("/api/v1/query?query=" + escaped("count(up)")).find("gondor") == std::string::npos);
  CHECK(seen("/api/v1/label/cluster/values") == R"(200 {"status":"success","data":["rohan"]})");
  CHECK(seen("/api/v1/series?match[]=up").find("gondor") == std::string::npos);
  CHECK(seen("/federate?match[]=up").find("gondor") == std::string::npos);
  CHECK(seen("/api/v1/search/label_values?label=cluster").find("gondor") == std::string::npos);
  store::WriteBatch batch;
  for (const char* cluster : {"gondor", "rohan"}) {
    const auto handle = server.store().resolve({{"__name__", "seen"}, {"cluster", cluster}});
    batch.floats.push_back({handle, ApiServer::kNow - 1000, 1});
    batch.exemplars.push_back({handle, ApiServer::kNow - 1000, 1, {{"trace_id", cluster}}});
  }
  REQUIRE(server.store().append_and_wait(std::move(batch)).ok());
  const std::string exemplars =
      seen("/api/v1/query_exemplars?start=1699999000&end=1700000001&query=seen");
  CHECK(exemplars.find(R"("trace_id":"rohan")") != std::string::npos);
  CHECK(exemplars.find("gondor") == std::string::npos);
  CHECK(server.get("/api/v1/status/tsdb", {{"X-Test-Scope", "yes"}}).status == 403);
  CHECK(server.get("/api/v1/status/tsdb").status == 200);
}

TEST_CASE("features and the replay of the log are told") {
  ApiServer server;
  const std::string body = shown(server.get("/api/v1/features"));
  CHECK(body.find(R"("promql":{"anchored":false)") != std::string::npos);
  CHECK(body.find(R"("rate":true)") != std::string::npos);
  CHECK(body.find(R"("info":false)") != std::string::npos);
  CHECK(shown(server.get("/api/v1/status/walreplay")) ==
        R"(200 {"status":"success","data":{"min":0,"max":0,"current":0}})");
}

TEST_CASE("buckets of native histograms tell which of their bounds they hold") {
  ApiServer server;
  model::NativeHistogram histogram;
  histogram.schema = 1;
  histogram.count = 6;
  histogram.sum = 3;
  histogram.zero_threshold = 0.001;
  histogram.zero_count = 1;
  histogram.positive_spans = {{0, 2}};
  histogram.positive_buckets = {2, 1};
  histogram.negative_spans = {{1, 1}};
  histogram.negative_buckets = {2};
  server.write({{"__name__", "exponential"}}, kNow, histogram);
  histogram = {};
  histogram.schema = model::kCustomBucketsSchema;
  histogram.count = 5;
  histogram.sum = 4;
  histogram.custom_values = {0.5};
  histogram.positive_spans = {{0, 2}};
  histogram.positive_buckets = {3, 2};
  server.write({{"__name__", "custom"}}, kNow, histogram);
  CHECK(server.get("/api/v1/query?query=exponential")
            .body.find(R"("buckets":[[1,"-1.414213562373095","-1","2"],[3,"-0.001","0.001","1"],)"
                       R"([0,"0.7071067811865475","1","2"],[0,"1","1.414213562373095","1"]])") !=
        std::string::npos);
  CHECK(server.get("/api/v1/query?query=custom")
            .body.find(R"("buckets":[[3,"-Inf","0.5","3"],[0,"0.5","+Inf","2"]])") !=
        std::string::npos);
}

}  // namespace
}  // namespace aerie::query
