#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/work_pool.h"
#include "http/client.h"
#include "http/server.h"
#include "query/admin_api.h"
#include "query/api.h"
#include "store/file_system.h"
#include "store/store.h"

namespace aerie::query {

/// A real store in a fresh folder behind a real server on a free port; the clock stands at kNow.
class ApiServer {
 public:
  static constexpr model::TimestampMs kNow = 1'700'000'000'000;

  using Scope = std::function<Result<model::Matchers>(const http::Request&)>;
  explicit ApiServer(LanguageFeatures features = {},
                     std::vector<store::ClusterArrival> arrivals = {}, Scope scope = {},
                     bool admin = true);
  ~ApiServer();

  void write(const model::Labels& labels, model::TimestampMs t, double value);
  void write(const model::Labels& labels, model::TimestampMs t,
             const model::NativeHistogram& histogram);
  void describe(std::string family, model::MetricMetadata metadata);

  using Header = std::pair<std::string_view, std::string_view>;
  http::Response get(std::string_view path_and_query, std::initializer_list<Header> headers = {});
  /// A form, as Grafana sends its queries.
  http::Response post(std::string_view path, std::string_view form);
  std::string url(std::string_view path) const;

  store::Store& store() { return *store_; }

 private:
  void append(store::WriteBatch batch);

  ManualClock clock_{kNow};
  store::PosixFileSystem files_;
  MetricRegistry metrics_;
  std::string folder_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<QueryApi> api_;
  std::unique_ptr<AdminApi> admin_;
  http::Router router_;
  WorkPool pool_{{.name = "query", .threads = 2}};
  std::unique_ptr<http::Server> server_;
  http::Client client_;
};

}  // namespace aerie::query
