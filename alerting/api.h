#pragma once

#include <string>

#include "alerting/rule_manager.h"
#include "base/work_pool.h"
#include "http/router.h"

namespace aerie::alerting {

/// Registers /api/v1/rules, /api/v1/alerts and /api/v1/alertmanagers, as Prometheus has them.
/// `manager` and `pool` outlive the router.
void register_routes(http::Router& router, WorkPool& pool, const RuleManager& manager);

/// The answers' bodies, with the envelope.
http::Response rules_response(const RuleManager& manager, const http::Parameters& params);
http::Response alerts_response(const RuleManager& manager);
http::Response alertmanagers_response(const RuleManager& manager);

}  // namespace aerie::alerting
