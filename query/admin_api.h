#pragma once

#include "base/work_pool.h"
#include "http/router.h"
#include "store/store.h"

namespace aerie::query {

/// Prometheus's endpoints that delete: POST and PUT /api/v1/admin/tsdb/delete_series and
/// clean_tombstones, with its answers. Thread-safe.
class AdminApi {
 public:
  /// `store` outlives the router that serves the routes. Unless `enabled` (--web.enable-admin-api)
  /// everything is refused.
  AdminApi(bool enabled, store::Store& store) : enabled_(enabled), store_(store) {}

  /// Adds the routes; their work runs on `pool`. The API and the pool outlive the router.
  void register_routes(http::Router& router, WorkPool& pool);

 private:
  http::Response delete_series(const http::Request& request);
  http::Response clean_tombstones();

  const bool enabled_;
  store::Store& store_;
};

}  // namespace aerie::query
