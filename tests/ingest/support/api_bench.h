#pragma once

#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ingest/remote_write_api.h"
#include "tests/ingest/support/fake_store.h"
#include "tests/ingest/support/write_request.h"

namespace aerie::ingest::test {

inline constexpr model::TimestampMs kNow = 1'763'640'000'000;
// printf secret-a | sha256sum
inline constexpr const char* kTokenA =
    "8766b9cb08e6040b704f1e3ee1e186efccf2635b1d2634d6525333007e6aeae1";

/// The API on a fake store, called without sockets.
struct Bench {
  explicit Bench(IngestOptions options = {}) {
    auto created =
        RemoteWriteApi::create(std::move(options), {store, pool, clock, metrics, files, {}});
    if (!created) FAIL(created.error().message());
    api = std::move(*created);
    api->register_routes(router);
  }
  ~Bench() {
    api->stop();
    pool.stop();
  }

  std::future<http::Response> start(std::string body, const http::Headers& headers = {},
                                    const std::string& path = "/api/v1/write") {
    auto promise = std::make_shared<std::promise<http::Response>>();
    http::Request request;
    request.method = http::Method::Post;
    request.path = path;
    request.headers = headers;
    request.body = std::move(body);
    const auto match = router.find(http::Method::Post, path);
    match.handler(std::move(request), http::Responder([promise](http::Response response) {
                    promise->set_value(std::move(response));
                  }));
    return promise->get_future();
  }
  http::Response post(std::string body, const http::Headers& headers = {},
                      const std::string& path = "/api/v1/write") {
    return start(std::move(body), headers, path).get();
  }

  ManualClock clock{kNow};
  MetricRegistry metrics;
  store::PosixFileSystem files;
  FakeStore store{clock};
  WorkPool pool{{.name = "ingest", .threads = 2}};
  http::Router router;
  std::unique_ptr<RemoteWriteApi> api;
};

inline TestSeries up(const std::string& cluster, model::TimestampMs t, double value,
                     Pairs more = {}) {
  Pairs labels = {{"__name__", "up"}};
  if (!cluster.empty()) labels.emplace_back("cluster", cluster);
  labels.insert(labels.end(), more.begin(), more.end());
  return {.labels = labels, .samples = {{t, value}}, .histograms = {}, .exemplars = {}};
}

inline http::Headers bearer(const std::string& token) {
  http::Headers headers;
  headers.set("Authorization", "Bearer " + token);
  return headers;
}

inline std::optional<ClusterIngest> find_counts(const std::vector<IngestStatus>& status,
                                                const std::string& cluster) {
  for (const IngestStatus& row : status) {
    if (row.counts.cluster == cluster) return row.counts;
  }
  return std::nullopt;
}

}  // namespace aerie::ingest::test
