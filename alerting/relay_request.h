#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alerting/alert.h"
#include "base/result.h"
#include "model/time.h"

namespace aerie::alerting {

/// How long an alert is vouched for that says nothing about its end (Alertmanager's
/// resolve_timeout).
inline constexpr model::DurationMs kDefaultLease = 5LL * 60 * 1000;

/// The alerts of a request to Alertmanager's API v2. Labels are as sent, without empty ones.
struct AlertRequest {
  std::vector<OutgoingAlert> alerts;
  std::vector<std::string> problems;  ///< one for each alert left out
};

/// Reads `[{labels, annotations?, startsAt?, endsAt?, generatorURL?}, …]`; unknown fields are
/// ignored. `now` stands for missing times. Errors: Corruption for broken JSON; InvalidArgument
/// when the shape is wrong (Alertmanager's 422).
Result<AlertRequest> parse_alert_request(std::string_view body, model::TimestampMs now);

}  // namespace aerie::alerting
