#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "alerting/alert.h"
#include "alerting/evaluation.h"

namespace aerie::alerting {

/// An alerting rule with its alerts: Prometheus's state machine (rules/alerting.go), and beside it:
/// alerts of a cluster that is silent are held as they are. Owned by its group; one thread at a
/// time.
class AlertingRule {
 public:
  explicit AlertingRule(RuleSpec spec) : spec_(std::move(spec)) {}

  /// One evaluation: pending, firing, resolved. Returns the ALERTS and ALERTS_FOR_STATE samples. On
  /// an error nothing has changed, except that a result above the limit forgets all alerts, as in
  /// Prometheus.
  Result<OwnSamples> evaluate(const Evaluation& evaluation);

  /// Firing and resolved alerts that must be told to the notifier now; notes them as sent.
  std::vector<OutgoingAlert> due(const Evaluation& evaluation);

  /// What changed durably since the last call.
  struct Changes {
    std::vector<Alert> changed;
    std::vector<model::Labels> removed;
    bool empty() const { return changed.empty() && removed.empty(); }
  };
  Changes take_changes();

  /// Begins with these alerts, from the table or from the rule's predecessor.
  void adopt(std::vector<Alert> alerts);
  /// All alerts, resolved ones included, sorted by labels.
  std::vector<Alert> alerts() const;
  /// Pending and firing ones.
  std::vector<Alert> active() const;

 private:
  using Alerts = std::map<model::Labels, Alert>;
  Result<Alerts> found_alerts(const Evaluation& evaluation) const;
  /// True if the alert counts as active after this evaluation; false also tells that `alert` may be
  /// erased.
  bool advance(Alert& alert, bool found, const Evaluation& evaluation);
  bool advance_missing(Alert& alert, const Evaluation& evaluation);
  void append_samples(const Alert& alert, const Evaluation& evaluation, OwnSamples& samples) const;

  const RuleSpec spec_;
  Alerts alerts_;
  std::set<model::Labels> changed_;
  std::set<model::Labels> removed_;
};

}  // namespace aerie::alerting
