#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/time.h"

namespace aerie::alerting {

/// Name and text, sorted by name; empty texts are kept.
using Annotations = std::vector<std::pair<std::string, std::string>>;

enum class AlertState : uint8_t { Inactive = 0, Pending = 1, Firing = 2 };
/// `inactive`, `pending`, `firing`.
std::string_view alert_state_name(AlertState state);

/// One alert of one rule: an element of its expression's result and what became of it. A value
/// type. Times are those of evaluations.
struct Alert {
  model::Labels labels;  ///< with `alertname`; its identity within the rule
  Annotations annotations;
  AlertState state = AlertState::Pending;
  double value = 0;
  model::TimestampMs active_at = 0;
  std::optional<model::TimestampMs> fired_at;
  std::optional<model::TimestampMs> resolved_at;
  std::optional<model::TimestampMs> keep_firing_since;
  std::optional<model::TimestampMs>
      held_since;  ///< no result, but its cluster is silent. Not stored
  std::optional<model::TimestampMs> last_sent_at;  ///< handed to the notifier. Not stored
};

/// docs/formats/alert-state.md.
std::string encode_alert(const Alert& alert);
/// Errors: Corruption.
Result<Alert> decode_alert(std::string_view bytes);

/// What an Alertmanager is told about an alert.
struct OutgoingAlert {
  model::Labels labels;
  Annotations annotations;
  model::TimestampMs starts_at = 0;
  model::TimestampMs ends_at = 0;  ///< of a firing alert: until when it is vouched for
  bool resolved = false;
  std::string generator_url;
  bool operator==(const OutgoingAlert&) const = default;
};

std::string encode_outgoing(const OutgoingAlert& alert);
Result<OutgoingAlert> decode_outgoing(std::string_view bytes);

/// The JSON object of Alertmanager's API v2 `postableAlert`.
std::string outgoing_json(const OutgoingAlert& alert);

}  // namespace aerie::alerting
