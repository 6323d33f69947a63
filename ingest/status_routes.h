#pragma once

#include "base/work_pool.h"
#include "http/router.h"
#include "ingest/remote_write_api.h"
#include "store/arrivals.h"

namespace aerie::ingest {

/// GET /api/v1/clusters/{cluster}/ingest: received, written, refused by reason, lag, clock skew,
/// limits and their use, elected replicas, last error of one cluster, in the Prometheus envelope;
/// 404 for one that has never sent anything. GET /api/v1/ingest: the same of all. All of them
/// outlive the router.
void register_status_routes(http::Router& router, WorkPool& pool, const RemoteWriteApi& api,
                            const store::Arrivals& arrivals);

}  // namespace aerie::ingest
