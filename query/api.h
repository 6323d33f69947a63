#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/work_pool.h"
#include "http/router.h"
#include "query/completeness.h"
#include "query/concurrent_queries.h"
#include "query/engine.h"
#include "query/query_scheduler.h"
#include "query/remote_read.h"
#include "query/result_cache.h"
#include "store/store.h"

namespace aerie::query {

struct QueryApiOptions {
  /// What Grafana takes for the Prometheus whose abilities we have. Below 2.24 it would list series
  /// instead of labels.
  std::string prometheus_version = "3.14.0";
  std::string revision;  ///< of aerie's sources
  std::string branch;
  std::string build_user;
  std::string build_date;
  std::map<std::string, std::string> flags;  ///< for /status/flags
  std::string storage_retention = "15d";     ///< for /status/runtimeinfo
  size_t search_max_limit = 10'000;          ///< `--web.search.max-limit`
  RemoteReadLimits remote_read;
  uint64_t cache_bytes = 32ULL << 20;  ///< `--query.cache-size`, of remembered answers; 0: none
  MetricRegistry* metrics = nullptr;   ///< outlives the API; null: none
  /// Added to what /federate answers where a series does not have them.
  std::map<std::string, std::string> external_labels;
  /// How far the data of each cluster reaches; not set: answers say nothing about it.
  std::function<std::vector<store::ClusterArrival>()> arrivals;
  /// What the caller of a request may see: matchers that every series of every answer satisfies.
  /// Empty: everything. Errors become the answer. Not set: everybody sees everything.
  std::function<Result<model::Matchers>(const http::Request&)> scope;
};

/// Prometheus's HTTP API for reading, /api/v1/…: envelope, codes, error texts and number formats of
/// Prometheus 3.14, and what it does not have: how complete an answer is, explain, running queries.
/// Every endpoint answers GET and POST, because Grafana posts and takes a 404 for a missing
/// feature. Thread-safe.
class QueryApi {
 public:
  /// `engine`, `store` and `clock` outlive the router that serves the routes.
  QueryApi(QueryApiOptions options, const Engine& engine, const store::Store& store,
           const Clock& clock);

  /// Adds the routes; their work runs on `pool`. The API outlives the router and the pool's jobs.
  void register_routes(http::Router& router, WorkPool& pool);

 private:
  /// What one caller sees of the store.
  struct View {
    const model::SampleSource& source;
    const model::Matchers& scope;
  };
  using QueryHandler = http::Response (QueryApi::*)(const http::Request&, const View&,
                                                    QueryRecord&) const;
  using ViewHandler = http::Response (QueryApi::*)(const http::Request&, const View&) const;
  using PlainHandler = http::Response (QueryApi::*)(const http::Request&) const;
  http::Response with_view(const http::Request& request,
                           const std::function<http::Response(const View&)>& handle) const;
  void route_queries(http::Router& router, WorkPool& pool);
  void route_views(http::Router& router, WorkPool& pool) const;
  void route_plain(http::Router& router, WorkPool& pool) const;
  void route_activity(http::Router& router);

  http::Response instant(const http::Request& request, const View& view, QueryRecord& record) const;
  http::Response range(const http::Request& request, const View& view, QueryRecord& record) const;
  http::Response explain(const http::Request& request, const View& view, QueryRecord& record) const;
  /// Evaluates, or waits for an equal query that is being evaluated.
  ConcurrentQueries::Shared evaluated(const std::string& key, const QueryLimits& limits,
                                      const ConcurrentQueries::Evaluate& evaluate) const;
  /// Warnings about late clusters, and the object that stands beside the result; empty if the
  /// request wants none.
  std::string completeness(const http::Request& request, const Expr& expr, const View& view,
                           const CompletenessRequest& asked,
                           std::vector<std::string>& warnings) const;
  http::Response format(const http::Request& request) const;
  http::Response parse(const http::Request& request) const;

  http::Response exemplars(const http::Request& request, const View& view) const;
  http::Response series(const http::Request& request, const View& view) const;
  http::Response label_names(const http::Request& request, const View& view) const;
  http::Response label_values(const http::Request& request, const View& view) const;
  http::Response metadata(const http::Request& request, const View& view) const;
  http::Response search_metric_names(const http::Request& request, const View& view) const;
  http::Response search_label_names(const http::Request& request, const View& view) const;
  http::Response search_label_values(const http::Request& request, const View& view) const;
  http::Response federate(const http::Request& request, const View& view) const;
  http::Response remote_read(const http::Request& request, const View& view) const;

  http::Response build_info(const http::Request& request) const;
  http::Response runtime_info(const http::Request& request) const;
  http::Response flags(const http::Request& request) const;
  http::Response storage_status(const http::Request& request) const;
  http::Response replay_status(const http::Request& request) const;
  http::Response features(const http::Request& request) const;
  http::Response queries(const http::Request& request) const;
  http::Response cancel_query(const http::Request& request);

  const QueryApiOptions options_;
  const Engine& engine_;
  const store::Store& store_;
  const Clock& clock_;
  const model::TimestampMs started_;
  QueryScheduler scheduler_;
  mutable ResultCache cache_;             // thread-safe
  mutable ConcurrentQueries concurrent_;  // thread-safe
};

}  // namespace aerie::query
