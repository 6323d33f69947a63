#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/work_pool.h"
#include "http/router.h"
#include "query/engine.h"
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
};

/// Prometheus's HTTP API for reading, /api/v1/…: envelope, codes, error texts and number formats of
/// Prometheus 3.14. Every endpoint answers GET and POST, because Grafana posts and takes a 404 for
/// a missing feature. Thread-safe, without state of its own.
class QueryApi {
 public:
  /// `engine`, `store` and `clock` outlive the router that serves the routes.
  QueryApi(QueryApiOptions options, const Engine& engine, const store::Store& store,
           const Clock& clock);

  /// Adds the routes; their work runs on `pool`. The API and the pool outlive the router.
  void register_routes(http::Router& router, WorkPool& pool) const;

 private:
  http::Response instant(const http::Request& request) const;
  http::Response range(const http::Request& request) const;
  http::Response format(const http::Request& request) const;
  http::Response parse(const http::Request& request) const;
  http::Response exemplars(const http::Request& request) const;

  http::Response series(const http::Request& request) const;
  http::Response label_names(const http::Request& request) const;
  http::Response label_values(const http::Request& request) const;
  http::Response metadata(const http::Request& request) const;

  http::Response build_info(const http::Request& request) const;
  http::Response runtime_info(const http::Request& request) const;
  http::Response flags(const http::Request& request) const;
  http::Response storage_status(const http::Request& request) const;

  const QueryApiOptions options_;
  const Engine& engine_;
  const store::Store& store_;
  const Clock& clock_;
  const model::TimestampMs started_;
};

}  // namespace aerie::query
