#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "http/client.h"
#include "http/server.h"
#include "ingest/remote_write_api.h"
#include "store/store.h"
#include "tests/ingest/support/write_request.h"
#include "tests/ingest/support/write_v2.h"

using namespace aerie;
using namespace aerie::ingest;
using namespace aerie::ingest::test;

namespace {

constexpr model::TimestampMs kNow = 1'763'640'000'000;

struct Folder {
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "aerie-ingest-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

// Server, API and store as the program wires them.
struct Program {
  explicit Program(const std::string& path) {
    store::StoreOptions options;
    options.path = path;
    auto opened = store::Store::open(options, clock, files, metrics);
    if (!opened) FAIL(opened.error().message());
    store = std::move(*opened);
    auto created =
        RemoteWriteApi::create({}, {*store, pool, clock, metrics, files, path + "/standby"});
    if (!created) FAIL(created.error().message());
    api = std::move(*created);
    api->register_routes(router);
    http::Server::Options server_options;
    server_options.listen_address = "127.0.0.1:0";
    auto started = http::Server::start(server_options, router, metrics);
    if (!started) FAIL(started.error().message());
    server = std::move(*started);
  }
  ~Program() {
    server->stop(std::chrono::seconds(5));
    api->stop();
    store->close().ignore("the test is over");
  }
  http::Response post(std::string body, const char* type = "application/x-protobuf") {
    http::ClientRequest request;
    request.method = http::Method::Post;
    request.url = "http://127.0.0.1:" + std::to_string(server->port()) + "/api/v1/write";
    request.headers.set("Content-Type", type).set("Content-Encoding", "snappy");
    request.body = std::move(body);
    auto response = client.send(request);
    return response ? *response : http::Response::text(0, response.error().message());
  }
  // Series text to its samples.
  std::map<std::string, std::vector<model::Sample>> read(const std::string& metric) {
    std::map<std::string, std::vector<model::Sample>> found;
    auto selection = store->select({model::Matcher::equal("__name__", metric)}, {});
    if (!selection) FAIL(selection.error().message());
    for (size_t i = 0; i < (*selection)->size(); ++i) {
      model::SeriesSamples samples;
      if (!(*selection)->read(i, {}, samples)) FAIL("read");
      auto& row = found[(*selection)->labels(i).to_string()];
      for (size_t s = 0; s < samples.values.size(); ++s)
        row.push_back({samples.timestamps[s], samples.values[s]});
    }
    return found;
  }

  ManualClock clock{kNow};
  store::PosixFileSystem files;
  MetricRegistry metrics;
  WorkPool pool{{.name = "ingest", .threads = 2}};
  http::Router router;
  http::Client client;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<RemoteWriteApi> api;
  std::unique_ptr<http::Server> server;
};

TestSeries up(int instance, model::TimestampMs t, double value, const Pairs& more = {}) {
  TestSeries series{
      .labels = {{"__name__", "up"}, {"cluster", "eu"}, {"instance", std::to_string(instance)}},
      .samples = {{t, value}},
      .histograms = {},
      .exemplars = {}};
  series.labels.insert(series.labels.end(), more.begin(), more.end());
  return series;
}

}  // namespace

TEST_CASE("what was acknowledged is readable at once, after a flush and after a restart") {
  const Folder folder;
  constexpr int kSeries = 300;
  constexpr int kScrapes = 20;
  const auto check = [&](Program& program) {
    const auto found = program.read("up");
    REQUIRE(found.size() == kSeries);
    size_t wrong = 0;
    for (int i = 0; i < kSeries; ++i) {
      const auto& samples = found.at("up{cluster=\"eu\", instance=\"" + std::to_string(i) + "\"}");
      wrong += samples.size() == kScrapes ? 0 : 1;
      for (size_t s = 0; s < samples.size(); ++s) {
        const bool right = samples[s].t == kNow - 3'600'000 + static_cast<int64_t>(s) * 15'000 &&
                           samples[s].value == i * 0.1 + static_cast<double>(s);
        wrong += right ? 0 : 1;
      }
    }
    CHECK(wrong == 0);
  };
  {
    Program program(folder.path);
    for (int scrape = 0; scrape < kScrapes; ++scrape) {
      std::vector<TestSeries> request;
      for (int i = 0; i < kSeries; ++i)
        request.push_back(up(i, kNow - 3'600'000 + scrape * 15'000, i * 0.1 + scrape));
      const auto response = program.post(write_body(request));
      INFO(response.body);
      REQUIRE(response.status == 204);
      if (scrape == kScrapes / 2) REQUIRE(program.store->flush().ok());
    }
    check(program);
    CHECK(program.api->status()[0].counts.written == kSeries * kScrapes);
    CHECK(program.store->arrivals().find("eu")->watermark ==
          kNow - 3'600'000 + (kScrapes - 1) * 15'000);
  }
  Program program(folder.path);
  check(program);
}

TEST_CASE("writers in parallel: every acknowledged sample is there") {
  const Folder folder;
  Program program(folder.path);
  constexpr int kWriters = 4;
  constexpr int kRequests = 50;
  std::vector<int> statuses(kWriters, 204);
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      http::Client client;
      for (int r = 0; r < kRequests; ++r) {
        http::ClientRequest request;
        request.method = http::Method::Post;
        request.url = "http://127.0.0.1:" + std::to_string(program.server->port()) + "/api/v1/push";
        request.headers.set("Content-Type", "application/x-protobuf");
        request.body = write_body({up(writer, kNow - 600'000 + r * 1000, r),
                                   up(writer + 100, kNow - 600'000 + r * 1000, r)});
        const auto response = client.send(request);
        if (!response || response->status != 204)
          statuses[static_cast<size_t>(writer)] = response ? response->status : 0;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  CHECK(statuses == std::vector<int>(kWriters, 204));
  const auto found = program.read("up");
  REQUIRE(found.size() == 2 * kWriters);
  for (const auto& [series, samples] : found) CHECK(samples.size() == kRequests);
}

TEST_CASE("the store's refusals reach the sender") {
  const Folder folder;
  Program program(folder.path);
  REQUIRE(program.post(write_body({up(1, kNow, 5)})).status == 204);
  CHECK(program.post(write_body({up(1, kNow, 5)})).status == 204);  // sent again
  const auto other = program.post(write_body({up(1, kNow, 6), up(2, kNow, 1)}));
  CHECK(other.status == 400);
  CHECK(other.body.find("duplicate_value=1") != std::string::npos);
  CHECK(other.headers.get("X-Prometheus-Remote-Write-Samples-Written") == "1");
  CHECK(program.post(write_body({up(1, kNow - 1, 6)})).status == 204);  // late, within the window
  const auto old = program.post(write_body({up(1, kNow - 3'600'001, 6)}));
  CHECK(old.status == 400);
  CHECK(old.body.find("out_of_order=1") != std::string::npos);
  const auto future = program.post(write_body({up(3, kNow + 3'600'000, 6)}));
  CHECK(future.status == 400);
  CHECK(future.body.find("too_far_in_future=1") != std::string::npos);
  CHECK(program.read("up").size() == 2);
}

TEST_CASE("a failover of an HA pair leaves no gap and no pair of samples in the store") {
  const Folder folder;
  Program program(folder.path);
  const auto send = [&](const std::string& replica, model::TimestampMs t) {
    REQUIRE(program.post(write_body({up(1, t, 1, {{"prometheus_replica", replica}})})).status ==
            204);
  };
  // 15 s scrapes, b four seconds behind; a dies after ten minutes.
  for (int scrape = 0; scrape < 80; ++scrape) {
    if (scrape < 40) send("a", program.clock.now_ms());
    program.clock.advance(std::chrono::milliseconds(4'000));
    send("b", program.clock.now_ms());
    program.clock.advance(std::chrono::milliseconds(11'000));
  }
  const auto found = program.read("up");
  REQUIRE(found.size() == 1);
  const auto& samples = found.begin()->second;
  CHECK(samples.size() >= 79);
  CHECK(samples.size() <= 80);
  for (size_t i = 1; i < samples.size(); ++i) {
    const auto gap = samples[i].t - samples[i - 1].t;
    if (gap < 7'500 || gap >= 22'500) FAIL("gap of " << gap);
  }
}

TEST_CASE("2.0 in a real store: old samples and exemplars a second time, every kind of histogram") {
  constexpr const char* kV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
  constexpr int64_t kHour = 3'600'000;
  Folder folder;
  Program program(folder.path);
  const auto counts = [](const http::Response& response) {
    std::string all;
    for (const char* kind : {"Samples", "Histograms", "Exemplars"}) {
      all += std::string(
          response.headers.get(std::string("X-Prometheus-Remote-Write-") + kind + "-Written"));
      all += ' ';
    }
    return std::to_string(response.status) + ": " + all;
  };
  const auto encode = [](int64_t t, int32_t schema) {
    TestHistogram one{.count = 3,
                      .sum = 5,
                      .schema = schema,
                      .positive_spans = {{0, 2}},
                      .positive_deltas = {1, 1},
                      .t = t};
    if (schema == -53) one.custom_values = {1, 2};
    return test_histogram(one);
  };
  for (const int64_t now : {kNow, kNow + 10}) {
    program.clock.set_ms(now);
    std::vector<V2Series> series;
    for (const int64_t t : {now - kHour, now - 60'000, now}) {
      series.push_back({.labels = {{"__name__", "x_total"}, {"a", "b"}},
                        .samples = {{t, 1}},
                        .exemplars = {{{{"trace_id", "a"}}, 0.5, t}}});
    }
    CHECK(counts(program.post(write_v2_body(series), kV2)) == "204: 3 0 3 ");
    const std::vector<V2Series> histograms = {
        {.labels = {{"__name__", "h"}}, .histograms = {encode(now, 1)}},
        {.labels = {{"__name__", "g"}}, .histograms = {encode(now, -53)}}};
    CHECK(counts(program.post(write_v2_body(histograms), kV2)) == "204: 0 2 0 ");
    // A series whose kind changes within the request.
    const std::vector<V2Series> changes = {
        {.labels = {{"__name__", "k"}}, .histograms = {encode(now - 2, 1)}},
        {.labels = {{"__name__", "k"}}, .samples = {{now - 1, 1}}},
        {.labels = {{"__name__", "k"}}, .histograms = {encode(now, 1)}}};
    CHECK(counts(program.post(write_v2_body(changes), kV2)) == "204: 1 2 0 ");
  }
  CHECK(program.read("x_total").begin()->second.size() == 6);
}
