#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "alerting/alert_table.h"
#include "alerting/evaluation.h"
#include "alerting/notifier.h"
#include "alerting/readiness.h"
#include "alerting/rule_group.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/work_pool.h"
#include "query/engine.h"
#include "store/store.h"

namespace aerie::alerting {

/// What the configuration says about rules and alerts. A value.
struct AlertingOptions {
  std::vector<std::string>
      rule_files;  ///< paths or shell globs; relative ones from the working directory
  model::DurationMs evaluation_interval = 60'000;  ///< of groups without their own
  std::vector<AlertmanagerTarget> alertmanagers;
  model::Labels external_labels;            ///< added to outgoing alerts that lack them
  std::string external_url;                 ///< how users reach aerie; without a slash at the end
  model::DurationMs resend_delay = 60'000;  ///< `--rules.alert.resend-delay`
  /// `--rules.alert.for-outage-tolerance`: after a longer outage pending alerts begin anew.
  /// (Prometheus's for-grace-period has no counterpart: the state is exact.)
  model::DurationMs for_outage_tolerance = 3'600'000;
};

/// Loads the rule files and evaluates their groups, each at its own slots. Thread-safe. Before
/// destruction: stop().
class RuleManager {
 public:
  /// What the manager works with; all of it outlives the manager.
  struct Services {
    const query::Engine& engine;
    std::function<Status(const OwnSamples&)> write;  ///< Store::write_own
    std::shared_ptr<store::KeyedTable> table;        ///< for alert state; null: in memory only
    const store::Arrivals* arrivals = nullptr;  ///< null: alerts of silent clusters are not held
    Notifier& notifier;
    WorkPool* pool = nullptr;  ///< where groups run; null: only evaluate_due() runs them
    const Clock& clock;
    MetricRegistry& metrics;
  };
  /// Engine, own writes, arrivals and the table `alerts` of a store. Errors: of Store::table().
  static Result<Services> services_of(store::Store& store, const query::Engine& engine,
                                      Notifier& notifier, WorkPool& pool, const Clock& clock,
                                      MetricRegistry& metrics);
  explicit RuleManager(Services services);
  ~RuleManager();  ///< stop()
  RuleManager(const RuleManager&) = delete;
  RuleManager& operator=(const RuleManager&) = delete;

  /// Loads the files and switches over: unchanged groups go on, changed ones keep their alerts,
  /// removed ones end. Also hands targets and external labels to the notifier. Errors: of
  /// load_rule_files(); then everything stays as it was. Waits for running evaluations of changed
  /// groups.
  Status reload(const AlertingOptions& options);

  /// Starts the thread that hands due groups to the pool.
  void start();
  /// No evaluation runs afterwards. Idempotent.
  void stop();

  /// Runs the groups whose slot has come on this thread, in the order of their slots; returns how
  /// many. For tests.
  size_t evaluate_due();
  /// When the next slot of any group comes, in ms; kMaxTimestamp without groups.
  model::TimestampMs next_slot() const;

  /// Sorted by file and name.
  std::vector<std::shared_ptr<const GroupStatus>> groups() const;
  const Notifier& notifier() const { return services_.notifier; }

 private:
  struct Scheduled {
    std::shared_ptr<RuleGroup> group;
    int64_t next_ns = 0;
    bool running = false;
  };
  /// What load() found, before it is put in place.
  struct Plan;
  struct Due {
    std::shared_ptr<RuleGroup> group;
    int64_t slot_ns = 0;
  };

  std::vector<Due> take_due();
  void finished(const RuleGroup* group);
  void schedule_loop();
  void note_alive();
  Status switch_over(Plan plan);
  Scheduled planned(GroupSpec spec, const Plan& plan, RuleGroup* predecessor);
  void retire_all_but(const std::set<std::pair<std::string, std::string>>& names,
                      const std::vector<Scheduled>& old);
  void count_alerts();

  const Services services_;
  std::unique_ptr<AlertTable> table_;
  std::unique_ptr<ClusterReadiness> readiness_;
  RuleMetrics metrics_;
  Gauge& group_count_;
  Gauge& pending_count_;
  Gauge& firing_count_;
  std::atomic<bool> stopping_{false};

  std::mutex reload_mutex_;  // one reload at a time; taken before mutex_
  model::DurationMs outage_ = 0;
  bool loaded_ = false;
  std::string environment_fingerprint_;  // of the last reload

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Scheduled> groups_;  // guarded by mutex_; sorted by file and name
  int64_t last_alive_ms_ = 0;      // guarded by mutex_
  std::thread scheduler_;
};

}  // namespace aerie::alerting
