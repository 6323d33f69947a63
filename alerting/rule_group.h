#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "alerting/alerting_rule.h"
#include "alerting/evaluation.h"
#include "alerting/rule_file.h"
#include "base/gate.h"
#include "base/guarded.h"

namespace aerie::alerting {

enum class RuleHealth : uint8_t { Unknown, Ok, Error };
/// `unknown`, `ok`, `err`.
std::string_view rule_health_name(RuleHealth health);

/// What the API shows of one rule. Immutable once published.
struct RuleStatus {
  RuleHealth health = RuleHealth::Unknown;
  std::string last_error;
  model::TimestampMs last_evaluation = 0;  ///< 0: never
  double evaluation_seconds = 0;
  std::vector<Alert> alerts;  ///< pending and firing
};
struct GroupStatus {
  std::shared_ptr<const GroupSpec> spec;
  model::DurationMs interval = 0;
  model::TimestampMs last_evaluation = 0;
  double evaluation_seconds = 0;
  std::vector<RuleStatus> rules;  ///< in the order of the spec
};

/// Counters of all groups.
struct RuleMetrics {
  explicit RuleMetrics(MetricRegistry& registry);
  Counter& evaluations;
  Counter& failures;
  Counter& missed;
  Histogram& rule_seconds;
  Histogram& group_seconds;
};

/// A running rule group: rules one after the other, each sees what those before it wrote.
/// evaluate() by one thread at a time, everything else from any thread.
class RuleGroup {
 public:
  /// `environment` and `metrics` outlive the group. `interval` is the group's own or the global
  /// one.
  RuleGroup(GroupSpec spec, model::DurationMs interval,
            std::shared_ptr<const RuleEnvironment> environment, const Clock& clock,
            RuleMetrics& metrics);

  const GroupSpec& spec() const { return *spec_; }
  model::DurationMs interval() const { return interval_; }
  /// Phase of the group's slots in nanoseconds, [0, interval): that of Prometheus for the same file
  /// and name.
  int64_t phase_ns() const { return phase_ns_; }

  /// Evaluates all rules for the slot `t`: queries, writes samples and stale markers, makes state
  /// durable, notifies. Does nothing after close().
  void evaluate(model::TimestampMs t);
  /// Refuses further evaluations and waits for the running one.
  void close() { gate_.close(); }

  std::shared_ptr<const GroupStatus> status() const { return status_.copy(); }

  /// Before the first evaluation: reads the alerts from the table. Pending ones are dropped if
  /// `outage` (how long nothing was evaluated) is above `tolerance`. Errors: IoError.
  Status restore(model::DurationMs outage, model::DurationMs tolerance);
  /// Before the first evaluation: takes over the alerts and series of a closed predecessor; what no
  /// rule takes over gets stale markers.
  Status take_over(RuleGroup& predecessor);
  /// After close(): marks all that was written as stale and forgets it.
  Status retire(model::TimestampMs t);

 private:
  using SeriesSet = std::unordered_set<model::Labels, model::LabelsHash>;
  struct Rule {
    RuleSpec spec;
    RuleKey key;
    std::unique_ptr<AlertingRule> alerting;  // null for a recording rule
    SeriesSet written;                       // by the last evaluation
  };
  void evaluate_rule(Rule& rule, const Evaluation& evaluation, RuleStatus& status);
  Result<OwnSamples> run(Rule& rule, const Evaluation& evaluation);
  Status write(Rule& rule, OwnSamples samples, model::TimestampMs t);
  void save(Rule& rule);
  Status save_all() const;
  void publish(GroupStatus status);

  const std::shared_ptr<const GroupSpec> spec_;
  const model::DurationMs interval_;
  const int64_t phase_ns_;
  const std::shared_ptr<const RuleEnvironment> environment_;
  const Clock& clock_;
  RuleMetrics& metrics_;
  Gate gate_;
  std::vector<Rule> rules_;  // owned by whoever evaluates
  SeriesSet orphans_;        // of rules that are gone; owned by whoever evaluates
  Guarded<std::shared_ptr<const GroupStatus>> status_;
};

}  // namespace aerie::alerting
