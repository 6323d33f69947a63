#pragma once

#include "base/work_pool.h"
#include "http/router.h"

namespace aerie::dashboards {

/// Adds the routes of the web pages: `/`, `/fleet`, `/deployments`, `/query`, `/graph` and
/// `/alerts` answer the one page (its script looks at the address), `/assets/…` and `/licenses.txt`
/// the files. `pool` outlives the router.
void register_web(http::Router& router, WorkPool& pool);

}  // namespace aerie::dashboards
