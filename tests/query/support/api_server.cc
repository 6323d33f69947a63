#include "tests/query/support/api_server.h"

#include <stdlib.h>

#include <filesystem>
#include <utility>

#include "base/check.h"

namespace aerie::query {

ApiServer::ApiServer(LanguageFeatures features, std::vector<store::ClusterArrival> arrivals,
                     Scope scope, bool admin) {
  std::string pattern = (std::filesystem::temp_directory_path() / "query-api-XXXXXX").string();
  AERIE_CHECK(mkdtemp(pattern.data()), "no temporary folder");
  folder_ = pattern;
  store::StoreOptions options;
  options.path = folder_ + "/data";
  options.sync = store::SyncMode::Off;
  options.background_seal = false;
  auto opened = store::Store::open(std::move(options), clock_, files_, metrics_);
  AERIE_CHECK(opened.ok(), opened.ok() ? "" : opened.error().message());
  store_ = std::move(*opened);
  EngineOptions engine_options;
  engine_options.features = features;
  engine_ = std::make_unique<Engine>(engine_options, *store_, clock_);
  QueryApiOptions api_options;
  api_options.revision = "abc";
  api_options.flags = {{"query.timeout", "2m"}};
  api_options.scope = std::move(scope);
  api_options.arrivals = [known = std::move(arrivals)] { return known; };
  api_ = std::make_unique<QueryApi>(api_options, *engine_, *store_, clock_);
  api_->register_routes(router_, pool_);
  admin_ = std::make_unique<AdminApi>(admin, *store_);
  admin_->register_routes(router_, pool_);
  http::Server::Options server_options;
  server_options.listen_address = "127.0.0.1:0";
  auto started = http::Server::start(server_options, router_, metrics_);
  AERIE_CHECK(started.ok(), started.ok() ? "" : started.error().message());
  server_ = std::move(*started);
}

ApiServer::~ApiServer() {
  server_.reset();
  pool_.stop();
  store_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void ApiServer::append(store::WriteBatch batch) {
  const auto outcome = store_->append_and_wait(std::move(batch));
  AERIE_CHECK(outcome.ok() && outcome->rejected_total() == 0, "the test's sample was refused");
}

void ApiServer::write(const model::Labels& labels, model::TimestampMs t, double value) {
  store::WriteBatch batch;
  batch.floats.push_back({store_->resolve(labels), t, value});
  append(std::move(batch));
}

void ApiServer::write(const model::Labels& labels, model::TimestampMs t,
                      const model::NativeHistogram& histogram) {
  store::WriteBatch batch;
  batch.histograms.push_back(
      {store_->resolve(labels), t, std::make_shared<model::NativeHistogram>(histogram)});
  append(std::move(batch));
}

void ApiServer::describe(std::string family, model::MetricMetadata metadata) {
  store::WriteBatch batch;
  batch.metadata.push_back({"", std::move(family), std::move(metadata)});
  append(std::move(batch));
}

std::string ApiServer::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(server_->port()) + std::string(path);
}

http::Response ApiServer::get(std::string_view path_and_query,
                              std::initializer_list<Header> headers) {
  http::ClientRequest request;
  request.url = url(path_and_query);
  for (const auto& [name, value] : headers) request.headers.set(name, value);
  auto response = client_.send(request);
  AERIE_CHECK(response.ok(), response.ok() ? "" : response.error().message());
  return std::move(*response);
}

http::Response ApiServer::post(std::string_view path, std::string_view form) {
  http::ClientRequest request;
  request.method = http::Method::Post;
  request.url = url(path);
  request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  request.body = std::string(form);
  auto response = client_.send(request);
  AERIE_CHECK(response.ok(), response.ok() ? "" : response.error().message());
  return std::move(*response);
}

}  // namespace aerie::query
