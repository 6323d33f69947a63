#pragma once

#include <functional>
#include <memory>
#include <string>

#include "alerting/notifier.h"
#include "alerting/rule_manager.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "query/engine.h"
#include "store/arrivals.h"
#include "tests/alerting/support/memory_source.h"
#include "tests/alerting/support/programs.h"

namespace aerie::alerting::testing {

/// 2026-01-01T00:00:00Z.
inline constexpr model::TimestampMs kStart = 1'767'225'600'000;
inline constexpr model::DurationMs kMinute = 60'000;

/// A rule manager over a list of samples and a clock that stands still, with tables that survive a
/// restart.
class Lab {
 public:
  Lab();

  /// Writes the one rule file and loads it. One group `g`, interval 1 m, unless `text` begins with
  /// "groups:".
  Status load_rules(const std::string& text);
  Status reload();
  /// A new sample of a series at the present time.
  void sample(const model::Labels& labels, double value) {
    source.add(labels, clock.now_ms(), value);
  }
  /// Moves the clock, slot by slot, and evaluates; `each` runs before every evaluation.
  void run_for(model::DurationMs duration, const std::function<void()>& each = {});
  /// One slot further.
  void step(const std::function<void()>& each = {});
  /// As after kill -9: everything in memory is gone, `away` later it runs again.
  void restart(model::DurationMs away);

  /// The time of the last evaluation of the first group.
  model::TimestampMs slot() const { return manager->groups().at(0)->last_evaluation; }
  /// The one rule's status (the n-th of the first group).
  RuleStatus rule(size_t index = 0) const { return manager->groups().at(0)->rules.at(index); }

  ManualClock clock{kStart};
  MemorySource source;
  std::shared_ptr<MemoryTable> alert_rows = std::make_shared<MemoryTable>();
  std::shared_ptr<MemoryTable> delivery_rows = std::make_shared<MemoryTable>();
  store::Arrivals arrivals{clock};
  bool hold_silent = false;  ///< whether the manager is given the arrivals; read by restart()
  AlertingOptions options;
  TemporaryFolder folder;

  std::unique_ptr<MetricRegistry> metrics;
  std::unique_ptr<query::Engine> engine;
  std::unique_ptr<Notifier> notifier;
  std::unique_ptr<RuleManager> manager;

 private:
  void build();
};

}  // namespace aerie::alerting::testing
