#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/alert.h"
#include "alerting/alert_table.h"
#include "alerting/readiness.h"
#include "alerting/rule_file.h"
#include "base/metrics.h"
#include "base/result.h"
#include "model/labels.h"
#include "query/engine.h"
#include "store/store.h"

namespace aerie::alerting {

using OwnSamples = std::vector<store::Store::OwnSample>;

/// What all rules of one configuration share. Immutable; the references outlive it; the functions
/// are called from any thread of the `rules` pool.
struct RuleEnvironment {
  const query::Engine& engine;
  /// Store::write_own: what it wrote is visible to the next query when it returns.
  std::function<Status(const OwnSamples&)> write;
  /// Takes what shall be delivered; returns at once.
  std::function<void(std::vector<OutgoingAlert>)> notify;
  std::function<bool()> cancelled;        ///< may be empty
  AlertTable* table = nullptr;            ///< null: state lives in memory only
  ClusterReadiness* readiness = nullptr;  ///< null: no alert is held
  model::Labels external_labels;
  std::string external_url;  ///< without a slash at the end
  model::DurationMs resend_delay = 60'000;
};

/// One evaluation of one rule.
struct Evaluation {
  const RuleEnvironment& environment;
  model::TimestampMs t = 0;            ///< the slot
  model::DurationMs query_offset = 0;  ///< queries and samples are this much earlier
  model::DurationMs interval = 0;      ///< of the group
  int64_t limit = 0;                   ///< 0: none

  model::TimestampMs sample_time() const { return t - query_offset; }
};

/// The expression's result at the evaluation's sample time; a scalar becomes an element without
/// labels. Errors: of the engine; Execution for strings and range vectors.
Result<query::VectorValue> evaluate_expression(const RuleSpec& rule, const Evaluation& evaluation);

}  // namespace aerie::alerting
