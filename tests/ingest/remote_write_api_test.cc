#include "ingest/remote_write_api.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <utility>

#include "tests/ingest/support/api_bench.h"
#include "tests/ingest/support/write_v2.h"

using namespace aerie;
using namespace aerie::ingest;
using namespace aerie::ingest::test;

TEST_CASE("a good request is stored, answered 204 without counts, and its series are found again") {
  Bench bench;
  for (const char* path : {"/api/v1/write", "/api/v1/push", "/api/v1/receive"}) {
    const model::TimestampMs t =
        kNow + static_cast<model::TimestampMs>(bench.store.floats().size());
    const auto response = bench.post(write_body({up("eu", t, 1), up("us", t, 2)}), {}, path);
    CHECK(response.status == 204);
    CHECK(response.body.empty());
    CHECK(!response.headers.has("X-Prometheus-Remote-Write-Samples-Written"));
  }
  REQUIRE(bench.store.floats().size() == 6);
  CHECK(bench.store.floats()[0] == FakeStore::Row{"up{cluster=\"eu\"}", kNow, 1});
  CHECK(bench.store.floats()[5] == FakeStore::Row{"up{cluster=\"us\"}", kNow + 4, 2});
  CHECK(bench.store.resolved() == 2);
  const auto status = bench.api->status();
  REQUIRE(status.size() == 2);
  CHECK(status[0].counts.cluster == "eu");
  CHECK(status[0].counts.received == 3);
  CHECK(status[0].counts.written == 3);
  CHECK(status[0].elections.empty());
  REQUIRE(bench.store.arrivals().find("us").has_value());
  CHECK(bench.store.arrivals().find("us")->watermark == kNow + 4);
}

TEST_CASE("histograms, exemplars and metadata reach the store") {
  Bench bench;
  TestSeries series = up("eu", kNow, 1);
  series.exemplars = {test_exemplar({{"trace_id", "abc"}}, 0.5, kNow)};
  TestSeries latency{.labels = {{"__name__", "latency"}, {"cluster", "eu"}}};
  latency.histograms = {test_histogram(
      {.count = 1, .sum = 7, .positive_spans = {{0, 1}}, .positive_deltas = {1}, .t = kNow})};
  const auto response =
      bench.post(snappy_block(write_request({series, latency}, {{1, "up", "Is it up?", ""}})));
  CHECK(response.status == 204);
  CHECK(bench.store.histograms() ==
        std::vector<FakeStore::Row>{{"latency{cluster=\"eu\"}", kNow, 7}});
  CHECK(bench.store.exemplar_rows() ==
        std::vector<FakeStore::Row>{{"up{cluster=\"eu\"}{trace_id=\"abc\"}", kNow, 0.5}});
  REQUIRE(bench.store.metadata_rows().size() == 1);
  CHECK(bench.store.metadata_rows()[0].metric_family == "up");
  CHECK(bench.store.metadata_rows()[0].metadata.help == "Is it up?");
  CHECK(bench.post(snappy_block(write_request({}, {{2, "x", "", ""}}))).status == 204);
}

TEST_CASE("what is refused is said, what is good is stored") {
  Bench bench;
  bench.store.refuse_time(kNow - 5);
  TestSeries nameless{.labels = {{"cluster", "eu"}}, .samples = {{kNow, 1}}};
  TestSeries bad_histogram{.labels = {{"__name__", "latency"}, {"cluster", "eu"}}};
  bad_histogram.histograms = {test_histogram({.count = 99, .t = kNow})};
  const auto response = bench.post(write_body(
      {up("eu", kNow, 1), nameless, up("eu", kNow - 5, 1, {{"a", "b"}}), bad_histogram}));
  CHECK(response.status == 400);
  CHECK(response.body ==
        "3 samples refused (out_of_order=1, missing_name=1, invalid_histogram=1), the others are "
        "stored; first: no metric name: "
        "{cluster=\"eu\"}");
  CHECK(response.headers.get("X-Prometheus-Remote-Write-Samples-Written") == "1");
  CHECK(response.headers.get("X-Prometheus-Remote-Write-Histograms-Written") == "0");
  CHECK(response.headers.get("X-Prometheus-Remote-Write-Exemplars-Written") == "0");
  CHECK(bench.store.floats() == std::vector<FakeStore::Row>{{"up{cluster=\"eu\"}", kNow, 1}});
  const auto status = bench.api->status();
  const auto eu = find_counts(status, "eu");
  REQUIRE(eu.has_value());
  CHECK(eu->received == 4);
  CHECK(eu->written == 1);
  CHECK(eu->refused[static_cast<size_t>(Refusal::OutOfOrder)] == 1);
  CHECK(!eu->last_error.empty());
  CHECK(eu->last_error_ms == kNow);
}

TEST_CASE("a summary stays short") {
  Bench bench;
  const auto response = bench.post(write_body(
      {TestSeries{.labels = {{std::string(3000, 'x'), "\xc3\xa4"}}, .samples = {{kNow, 1}}}}));
  CHECK(response.status == 400);
  CHECK(response.body.size() <= 1024);
}

TEST_CASE("negotiation comes before the body, the body before the store") {
  Bench bench;
  http::Headers json;
  json.set("Content-Type", "application/json");
  CHECK(bench.post("not snappy", json).status == 415);
  http::Headers gzip;
  gzip.set("Content-Encoding", "gzip");
  CHECK(bench.post("x", gzip).status == 415);
  CHECK(bench.post("").status == 400);
  CHECK(bench.post("\xff\xff\xff\xff\x0f").status == 400);  // declares 4 GiB
  CHECK(bench.post(snappy_block("no protobuf at all")).status == 400);
  CHECK(bench.post(write_body({})).status == 204);
  CHECK(bench.store.batches() == 0);
}

TEST_CASE("2.0 is stored like 1.0, its metadata once, its counts always told") {
  Bench bench;
  http::Headers v2;
  v2.set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
  const auto body = [](model::TimestampMs t) {
    return write_v2_body({{.labels = {{"cluster", "eu"}, {"__name__", "up"}},
                           .samples = {{t, 1}},
                           .exemplars = {{{{"trace_id", "abc"}}, 0.5, t}},
                           .metadata = TestMetadata{2, "", "Is it up?", ""},
                           .start = t - 500}});
  };
  for (int i = 0; i < 3; ++i) {
    const auto response = bench.post(body(kNow + i), v2);
    CHECK(response.status == 204);
    CHECK(response.headers.get("X-Prometheus-Remote-Write-Samples-Written") == "1");
    CHECK(response.headers.get("X-Prometheus-Remote-Write-Histograms-Written") == "0");
    CHECK(response.headers.get("X-Prometheus-Remote-Write-Exemplars-Written") == "1");
  }
  CHECK(bench.store.resolved() == 1);
  CHECK(bench.store.floats()[2] == FakeStore::Row{"up{cluster=\"eu\"}", kNow + 2, 1, kNow - 498});
  REQUIRE(bench.store.metadata_rows().size() == 1);
  CHECK(bench.store.metadata_rows()[0].cluster == "eu");
  CHECK(bench.store.metadata_rows()[0].metadata.help == "Is it up?");

  // Of a request that was not stored nothing is known.
  bench.store.fail_with(Error(ErrorCode::Unavailable, "disk is full"));
  const std::string other = write_v2_body({{.labels = {{"cluster", "eu"}, {"__name__", "x"}},
                                            .samples = {{kNow, 1}},
                                            .metadata = TestMetadata{1, "", "X", ""}}});
  CHECK(bench.post(other, v2).status == 503);
  bench.store.fail_with(std::nullopt);
  CHECK(bench.post(other, v2).status == 204);
  CHECK(bench.store.metadata_rows().size() == 2);
}

TEST_CASE("a standby that speaks 2.0 is told that all of it is safe") {
  Bench bench;
  http::Headers v2;
  v2.set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
  for (const char* replica : {"a", "b"}) {
    const auto response = bench.post(
        write_v2_body({{.labels = {{"__name__", "x"}, {"cluster", "eu"}, {"__replica__", replica}},
                        .samples = {{kNow, 1}},
                        .exemplars = {{{}, 1, kNow}}},
                       {.labels = {{"__name__", "h"}, {"cluster", "eu"}, {"__replica__", replica}},
                        .histograms = {test_histogram({.sum = 1, .t = kNow})}}}),
        v2);
    CHECK(response.status == 204);
    CHECK(response.headers.get("X-Prometheus-Remote-Write-Samples-Written") == "1");
    CHECK(response.headers.get("X-Prometheus-Remote-Write-Histograms-Written") == "1");
    CHECK(response.headers.get("X-Prometheus-Remote-Write-Exemplars-Written") == "1");
  }
  CHECK(bench.store.floats().size() == 1);
}

TEST_CASE("vmagent: handshake, zstd, and 409 so that it does not fall back for ever") {
  Bench bench;
  http::Request question;
  question.method = http::Method::Get;
  question.params.add("get_vm_proto_version", "1");
  for (const auto method : {http::Method::Get, http::Method::Post}) {
    const auto match = bench.router.find(method, "/api/v1/write");
    std::promise<http::Response> answer;
    match.handler(question, http::Responder([&](http::Response response) {
                    answer.set_value(std::move(response));
                  }));
    const auto response = answer.get_future().get();
    CHECK(response.status == 200);
    CHECK(response.body == "1");
  }
  http::Headers zstd;
  zstd.set("Content-Encoding", "zstd").set("Content-Type", "application/x-protobuf");
  zstd.set("X-VictoriaMetrics-Remote-Write-Version", "1");
  const std::string request = write_request({up("eu", kNow, 1)});
  CHECK(bench.post(zstd_frame(request), zstd).status == 204);
  // Blocks that waited in vmagent's queue through an upgrade carry the wrong header.
  CHECK(bench.post(snappy_block(request), zstd).status == 204);
  CHECK(bench.post(zstd_frame(request)).status == 204);
  CHECK(bench.store.floats().size() == 3);
  CHECK(bench.post(zstd_frame("no protobuf at all"), zstd).status == 409);
  CHECK(bench.post("\x28\xb5\x2f\xfd garbage", zstd).status == 409);
  CHECK(bench.post("", zstd).status == 409);
  const TestSeries nameless{.labels = {{"cluster", "eu"}}, .samples = {{kNow, 1}}};
  CHECK(bench.post(zstd_frame(write_request({nameless})), zstd).status == 409);
}

TEST_CASE("a failing store is answered 503 with Retry-After") {
  Bench bench;
  bench.store.fail_with(Error(ErrorCode::Unavailable, "disk is full"));
  const auto response = bench.post(write_body({up("eu", kNow, 1)}));
  CHECK(response.status == 503);
  CHECK(!response.headers.get("Retry-After").empty());
  CHECK(!bench.store.arrivals().find("eu").has_value());
  bench.store.fail_with(std::nullopt);
  CHECK(bench.post(write_body({up("eu", kNow, 1)})).status == 204);
}

TEST_CASE("bytes in flight are bounded: who has no room waits, and at last hears 503") {
  IngestOptions options;
  options.inflight_limit_bytes = 150;
  Bench bench(options);
  const std::string body = write_body({up("eu", kNow, 1)});
  bench.store.hold();
  std::vector<std::future<http::Response>> held;
  for (int i = 0; i < 10; ++i) held.push_back(bench.start(body));
  const std::string metrics = bench.metrics.expose();
  CHECK(metrics.find("aerie_ingest_waiting_requests 0") == std::string::npos);
  bench.clock.advance(std::chrono::milliseconds(10'000));
  int refused = 0;
  for (size_t i = 3; i < held.size(); ++i) {
    const auto answer = held[i].get();
    CHECK(answer.status == 503);
    CHECK(!answer.headers.get("Retry-After").empty());
    ++refused;
  }
  CHECK(refused == 7);
  while (held[0].wait_for(std::chrono::milliseconds(1)) != std::future_status::ready)
    bench.store.release();
  CHECK(held[0].get().status == 204);
  CHECK(bench.post(body).status == 204);
}

TEST_CASE("a million empty series and other oddities cost little and are answered 400") {
  Bench bench;
  std::string empty_series;
  for (int i = 0; i < 1'000'000; ++i) empty_series.append("\x0a\x00", 2);
  const auto response = bench.post(snappy_block(empty_series));
  CHECK(response.status == 400);
  CHECK(response.body.find("max_samples_per_send") != std::string::npos);
  CHECK(bench.post(snappy_block(std::string(32u << 20, '\0'))).status == 400);
  CHECK(bench.post(snappy_block(std::string((32u << 20) + 1, '\0'))).status == 400);
  TestSeries huge = up("eu", kNow, 1);
  huge.labels.emplace_back("a", std::string(8u << 20, 'x'));
  CHECK(bench.post(write_body({huge})).status == 400);
  CHECK(bench.store.batches() == 0);
  CHECK(bench.post(write_body({up("eu", kNow, 1)})).status == 204);
}

TEST_CASE("stale handles are resolved again and only their rows are sent again") {
  Bench bench;
  TestSeries two = up("eu", kNow, 1, {{"a", "1"}});
  two.samples = {{kNow, 1}, {kNow + 1, 2}};
  TestSeries latency{.labels = {{"__name__", "latency"}, {"cluster", "eu"}}};
  latency.histograms = {test_histogram({.sum = 7, .t = kNow})};
  REQUIRE(bench.post(write_body({up("eu", kNow, 1), two, latency})).status == 204);
  bench.store.make_handles_stale();
  two.samples = {{kNow + 2, 3}, {kNow + 3, 4}};
  latency.histograms = {test_histogram({.sum = 8, .t = kNow + 2})};
  // A series that is new and therefore has a good handle stands between stale ones.
  REQUIRE(bench
              .post(write_body(
                  {up("eu", kNow + 2, 5), up("eu", kNow + 2, 6, {{"new", "1"}}), two, latency}))
              .status == 204);
  const auto floats = bench.store.floats();
  REQUIRE(floats.size() == 3 + 4);
  CHECK(floats[3] == FakeStore::Row{"up{cluster=\"eu\", new=\"1\"}", kNow + 2, 6});
  CHECK(floats[4] == FakeStore::Row{"up{cluster=\"eu\"}", kNow + 2, 5});
  CHECK(floats[5] == FakeStore::Row{"up{a=\"1\", cluster=\"eu\"}", kNow + 2, 3});
  CHECK(floats[6] == FakeStore::Row{"up{a=\"1\", cluster=\"eu\"}", kNow + 3, 4});
  CHECK(bench.store.histograms().size() == 2);
  CHECK(bench.store.batches() == 3);
  const auto status = bench.api->status();
  CHECK(status[0].counts.received == 9);
  CHECK(status[0].counts.written == 9);
}

TEST_CASE("with bindings the credential decides") {
  IngestOptions options;
  options.clusters = {{.name = "eu", .token_sha256 = {kTokenA}, .labels = {{"zone", "z1"}}}};
  Bench bench(options);
  const std::string body = write_body({up("us", kNow, 1)});
  for (const auto& headers : {http::Headers{}, bearer("wrong")}) {
    const auto response = bench.post(body, headers);
    CHECK(response.status == 401);
    CHECK(response.headers.get("WWW-Authenticate") == "Bearer realm=\"aerie\"");
  }
  CHECK(bench.store.batches() == 0);
  CHECK(bench.post(body, bearer("secret-a")).status == 204);
  REQUIRE(bench.store.floats().size() == 1);
  CHECK(bench.store.floats()[0].series ==
        "up{cluster=\"eu\", exported_cluster=\"us\", zone=\"z1\"}");
  CHECK(bench.store.arrivals().find("eu").has_value());
  CHECK(!bench.store.arrivals().find("us").has_value());
}

TEST_CASE("a forwarder writes as the clusters it may, and as itself otherwise") {
  IngestOptions options;
  options.clusters = {{.name = "hub", .token_sha256 = {kTokenA}, .may_write = {"eu|us"}}};
  Bench bench(options);
  CHECK(bench
            .post(write_body({up("eu", kNow, 1), up("asia", kNow, 2), up("", kNow, 3)}),
                  bearer("secret-a"))
            .status == 204);
  const auto floats = bench.store.floats();
  REQUIRE(floats.size() == 3);
  CHECK(floats[0].series == "up{cluster=\"eu\"}");
  CHECK(floats[1].series == "up{cluster=\"hub\", exported_cluster=\"asia\"}");
  CHECK(floats[2].series == "up{cluster=\"hub\"}");
}

TEST_CASE("relabelling comes first, once per series, and what it drops counts as written") {
  IngestOptions options;
  using Action = RelabelRule::Action;
  options.clusters = {
      {.name = "eu",
       .token_sha256 = {kTokenA},
       .write_relabel = {{.source_labels = {"a"}, .regex = "x", .action = Action::Drop},
                         {.regex = "b", .action = Action::LabelDrop},
                         {.target_label = "cluster", .replacement = "us"}}}};
  Bench bench(options);
  http::Headers v2 = bearer("secret-a");
  v2.set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
  for (int i = 0; i < 3; ++i) {
    const auto response = bench.post(
        write_v2_body(
            {{.labels = {{"__name__", "up"}, {"a", "x"}},
              .samples = {{kNow + i, 1}},
              .exemplars = {{{}, 1, kNow}}},
             {.labels = {{"__name__", "up"}, {"a", "y"}, {"b", "1"}}, .samples = {{kNow + i, 2}}}}),
        v2);
    CHECK(response.status == 204);
    CHECK(response.headers.get("X-Prometheus-Remote-Write-Samples-Written") == "2");
    CHECK(response.headers.get("X-Prometheus-Remote-Write-Exemplars-Written") == "1");
  }
  REQUIRE(bench.store.floats().size() == 3);
  // Whatever the rules say, it writes as itself.
  CHECK(bench.store.floats()[2].series == "up{a=\"y\", cluster=\"eu\", exported_cluster=\"us\"}");
  CHECK(bench.store.resolved() == 1);
  const auto eu = find_counts(bench.api->status(), "eu");
  REQUIRE(eu.has_value());
  CHECK(eu->received == 9);
  CHECK(eu->dropped == 6);
  CHECK(eu->written == 3);
}

TEST_CASE("a reload changes who may write, and forgets nothing") {
  Bench bench;
  REQUIRE(bench.post(write_body({up("eu", kNow, 1, {{"__replica__", "a"}})})).status == 204);
  IngestOptions options;
  options.clusters = {{.name = "eu", .token_sha256 = {kTokenA}}};
  auto settings = bench.api->compile(options);
  REQUIRE(settings.ok());
  CHECK(bench.post(write_body({up("eu", kNow + 1, 1)})).status == 204);
  bench.api->use(*settings);
  CHECK(bench.post(write_body({up("eu", kNow + 2, 1)})).status == 401);
  CHECK(bench.post(write_body({up("eu", kNow + 3, 1, {{"__replica__", "b"}})}), bearer("secret-a"))
            .status == 204);
  CHECK(bench.store.floats().size() == 2);  // b is still the standby
  http::Request request;
  request.headers = bearer("secret-a");
  CHECK(bench.api->member_of(request) == "eu");
  request.headers = {};
  request.peer_names = {"dns:eu"};
  CHECK(bench.api->member_of(request).empty());
  options.clusters = {{.name = "eu", .token_sha256 = {"no digest"}}};
  CHECK(!bench.api->compile(options).ok());
}

TEST_CASE("limits on series refuse new ones only, with the key to change") {
  IngestOptions options;
  options.limits.active_series = 2;
  Bench bench(options);
  const auto series = [](int i, model::TimestampMs t) {
    return up("eu", t, i, {{"i", std::to_string(i)}});
  };
  const auto first =
      bench.post(write_body({series(0, kNow), series(1, kNow), series(2, kNow), series(3, kNow)}));
  CHECK(first.status == 400);
  CHECK(first.body.find("2 samples refused (active_series_limit=2)") == 0);
  CHECK(first.body.find("limits.active_series") != std::string::npos);
  CHECK(first.headers.get("X-Prometheus-Remote-Write-Samples-Written") == "2");
  CHECK(bench.post(write_body({series(0, kNow + 1), series(1, kNow + 1)})).status == 204);
  CHECK(bench.post(write_body({up("us", kNow, 1)})).status == 204);
  CHECK(bench.store.floats().size() == 5);
  // A known series of another sender is not new.
  CHECK(bench.post(write_body({up("eu", kNow + 2, 1, {{"i", "0"}, {"empty", ""}})})).status == 204);
  const auto status = bench.api->status();
  CHECK(status[0].usage.active_series == 2);
  CHECK(status[0].limits.active_series == 2);
  // Ten minutes later nobody is active, and the next count says so.
  bench.clock.advance(std::chrono::minutes(11));
  CHECK(bench.post(write_body({up("us", kNow + 660'000, 1)})).status == 204);
  CHECK(bench.post(write_body({series(2, kNow + 660'000)})).status == 204);
  CHECK(bench.metrics.expose().find("aerie_ingest_active_series{sender=\"eu\"} 0") !=
        std::string::npos);
}

TEST_CASE("past its samples per second a cluster hears 429 and when to come back") {
  IngestOptions options;
  options.limits.samples_per_second = 1;
  Bench bench(options);
  std::vector<TestSeries> many;
  for (int i = 0; i < 40; ++i) many.push_back(up("eu", kNow, 1, {{"i", std::to_string(i)}}));
  CHECK(bench.post(write_body(many)).status == 204);
  const auto response = bench.post(write_body({up("eu", kNow + 1, 1)}));
  CHECK(response.status == 429);
  CHECK(response.headers.get("Retry-After") == "11");
  CHECK(response.body.find("limits.samples_per_second") != std::string::npos);
  CHECK(bench.post(write_body({up("us", kNow + 1, 1)})).status == 204);
  bench.clock.advance(std::chrono::seconds(11));
  CHECK(bench.post(write_body({up("eu", kNow + 1, 1)})).status == 204);
}

TEST_CASE("what aerie alone writes is refused series by series") {
  Bench bench;
  const TestSeries verdict{.labels = {{"__name__", "aerie_deployment_phase"}, {"cluster", "eu"}},
                           .samples = {{kNow, 1}}};
  const auto response = bench.post(write_body({verdict, up("eu", kNow, 1)}));
  CHECK(response.status == 400);
  CHECK(response.body.find("reserved_name=1") != std::string::npos);
  CHECK(bench.store.floats().size() == 1);
}

TEST_CASE("series without a cluster are stored as they came and booked as unlabelled") {
  Bench bench;
  CHECK(bench.post(write_body({up("", kNow, 1)})).status == 204);
  CHECK(bench.store.floats()[0].series == "up");
  CHECK(bench.store.arrivals().find("unlabelled").has_value());
}

TEST_CASE("what the store will take later is answered 503, not refused for ever") {
  Bench bench;
  bench.store.put_off_time(kNow - 5);
  const std::string body = write_body({up("eu", kNow, 1), up("us", kNow - 5, 2)});
  const auto response = bench.post(body);
  CHECK(response.status == 503);
  CHECK(!response.headers.get("Retry-After").empty());
  CHECK(response.body.find("backfill_limit=1") != std::string::npos);
  CHECK(bench.store.floats().size() == 1);
  bench.store.put_off_time(std::nullopt);
  CHECK(bench.post(body).status == 204);
}

TEST_CASE("usage beside limits, and a cluster is discovered until the configuration names it") {
  IngestOptions options;
  options.clusters = {{.name = "eu", .token_sha256 = {kTokenA}, .may_write = {"edge-.*"}}};
  Bench bench(options);
  const auto send = [&](int64_t t, int count) {
    std::vector<TestSeries> series;
    for (int i = 0; i < count; ++i)
      series.push_back(up("edge-1", kNow + t, i, {{"instance", std::to_string(i)}}));
    series.push_back(up("eu", kNow + t, 1));
    REQUIRE(bench.post(write_body(series), bearer("secret-a")).status == 204);
  };
  send(0, 120);
  bench.clock.advance(std::chrono::minutes(2));
  send(120'000, 120);  // counts what came before it
  auto status = bench.api->status();
  REQUIRE(status.size() == 2);
  CHECK(status[0].counts.cluster == "edge-1");
  CHECK(!status[0].confirmed);
  CHECK(status[1].counts.cluster == "eu");
  CHECK(status[1].confirmed);
  bench.clock.advance(std::chrono::minutes(2));
  send(240'000, 120);
  status = bench.api->status();
  CHECK(status[0].usage.active_series == 120);
  CHECK(status[0].usage.samples_per_second == Approx(1));  // 120 in two minutes
  CHECK(status[1].usage.samples_per_second == Approx(1. / 120));
  const std::string text = bench.metrics.expose();
  for (const char* part : {"\naerie_ingest_usage{", "samples_per_second", "sender=\"edge-1\""})
    CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("samples of a series are put into time order") {
  Bench bench;
  TestSeries series = up("eu", kNow, 0);
  series.samples = {{kNow + 2, 2}, {kNow, 0}, {kNow + 1, 1}};
  REQUIRE(bench.post(write_body({series})).status == 204);
  const auto floats = bench.store.floats();
  CHECK(floats[0].t == kNow);
  CHECK(floats[1].t == kNow + 1);
  CHECK(floats[2].t == kNow + 2);
}

TEST_CASE("after stop every request is answered 503") {
  Bench bench;
  bench.api->stop();
  CHECK(bench.post(write_body({up("eu", kNow, 1)})).status == 503);
}
