#include "alerting/rule_manager.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "base/log.h"

namespace aerie::alerting {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kAliveEveryMs = 30'000;
using GroupName = std::pair<std::string, std::string>;

GroupName name_of(const GroupSpec& spec) { return {spec.file, spec.name}; }

/// The first slot after `now`: slots lie at phase, phase + interval, …
int64_t first_slot_after(int64_t now_ns, const RuleGroup& group) {
  const int64_t interval_ns = group.interval() * kNsPerMs;
  const int64_t since_phase = now_ns - group.phase_ns();
  int64_t within = since_phase % interval_ns;
  if (within < 0) within += interval_ns;
  return now_ns - within + interval_ns;
}

/// Everything but the rules that a group's evaluation depends on.
std::string fingerprint_of(const AlertingOptions& options) {
  return fmt::format("{}|{}|{}|{}", options.evaluation_interval, options.external_labels.encoded(),
                     options.external_url, options.resend_delay);
}

}  // namespace

struct RuleManager::Plan {
  std::vector<GroupSpec> specs;
  std::string fingerprint;
  model::DurationMs evaluation_interval = 0;
  model::DurationMs outage_tolerance = 0;
  std::shared_ptr<const RuleEnvironment> environment;
};

Result<RuleManager::Services> RuleManager::services_of(store::Store& store,
                                                       const query::Engine& engine,
                                                       Notifier& notifier, WorkPool& pool,
                                                       const Clock& clock,
                                                       MetricRegistry& metrics) {
  auto table = store.table("alerts");
  if (!table) return std::move(table).error().with("open alert state");
  const auto write = [&store](const OwnSamples& samples) { return store.write_own(samples); };
  return Services{engine, write,  std::move(*table), &store.arrivals(), notifier, &pool,
                  clock,  metrics};
}

RuleManager::RuleManager(Services services)
    : services_(std::move(services)),
      metrics_(services_.metrics),
      group_count_(
          services_.metrics.gauge("aerie_alerting_rule_groups", "Rule groups that are evaluated.")),
      pending_count_(services_.metrics.gauge(
          "aerie_alerting_alerts", "Alerts of own rules by state.", {{"state", "pending"}})),
      firing_count_(services_.metrics.gauge(
          "aerie_alerting_alerts", "Alerts of own rules by state.", {{"state", "firing"}})) {
  if (services_.table) table_ = std::make_unique<AlertTable>(services_.table);
  if (services_.arrivals != nullptr)
    readiness_ = std::make_unique<ClusterReadiness>(*services_.arrivals);
}

void RuleManager::count_alerts() {
  size_t pending = 0;
  size_t firing = 0;
  const auto all = groups();
  for (const auto& group : all) {
    for (const RuleStatus& rule : group->rules) {
      for (const Alert& alert : rule.alerts)
        ++(alert.state == AlertState::Firing ? firing : pending);
    }
  }
  group_count_.set(static_cast<double>(all.size()));
  pending_count_.set(static_cast<double>(pending));
  firing_count_.set(static_cast<double>(firing));
}

RuleManager::~RuleManager() { stop(); }

Status RuleManager::reload(const AlertingOptions& options) {
  const std::lock_guard reloading(reload_mutex_);
  if (options.evaluation_interval <= 0) {
    return Error(ErrorCode::InvalidArgument, "the evaluation interval must be above 0");
  }
  auto specs = load_rule_files(options.rule_files, services_.engine.options().features);
  if (!specs) return std::move(specs).error();
  Plan plan;
  plan.specs = std::move(*specs);
  plan.fingerprint = fingerprint_of(options);
  plan.evaluation_interval = options.evaluation_interval;
  plan.outage_tolerance = options.for_outage_tolerance;
  RuleEnvironment environment{
      services_.engine,
      services_.write,
      [this](std::vector<OutgoingAlert> alerts) { services_.notifier.submit(std::move(alerts)); },
      [this] { return stopping_.load(); },
      table_.get(),
      readiness_.get(),
      options.external_labels,
      options.external_url,
      options.resend_delay};
  plan.environment = std::make_shared<const RuleEnvironment>(std::move(environment));
  services_.notifier.configure(options.alertmanagers, options.external_labels);
  return switch_over(std::move(plan));
}

RuleManager::Scheduled RuleManager::planned(GroupSpec spec, const Plan& plan,
                                            RuleGroup* predecessor) {
  const model::DurationMs interval = spec.interval > 0 ? spec.interval : plan.evaluation_interval;
  auto group = std::make_shared<RuleGroup>(std::move(spec), interval, plan.environment,
                                           services_.clock, metrics_);
  Status adopted;
  if (predecessor != nullptr) {
    predecessor->close();
    adopted = group->take_over(*predecessor);
  } else if (!loaded_) {
    // Only at the start can the table hold something for a group that nobody runs.
    adopted = group->restore(outage_, plan.outage_tolerance);
  }
  if (!adopted) {
    AERIE_LOG(Error, "alert state not taken over", {"group", group->spec().name},
              {"reason", adopted.error().message()});
  }
  const int64_t next_ns = first_slot_after(services_.clock.now_ms() * kNsPerMs, *group);
  return {std::move(group), next_ns, false};
}

void RuleManager::retire_all_but(const std::set<std::pair<std::string, std::string>>& names,
                                 const std::vector<Scheduled>& old) {
  for (const Scheduled& entry : old) {
    if (names.count(name_of(entry.group->spec())) > 0) continue;
    entry.group->close();
    entry.group->retire(services_.clock.now_ms())
        .ignore("rows of groups that are gone are removed below");
  }
  if (!table_) return;
  auto cleaned = table_->keep_groups(names);
  if (!cleaned)
    AERIE_LOG(Warn, "old alert state not removed", {"reason", cleaned.error().message()});
}

Status RuleManager::switch_over(Plan plan) {
  std::vector<Scheduled> old;
  {
    const std::lock_guard lock(mutex_);
    old = groups_;
  }
  if (!loaded_ && table_) {
    const auto alive = table_->last_alive();
    outage_ = alive && *alive > 0 ? services_.clock.now_ms() - *alive : 0;
  }
  const bool same_environment = plan.fingerprint == environment_fingerprint_;
  std::vector<Scheduled> next;
  std::set<GroupName> names;
  for (GroupSpec& spec : plan.specs) {
    names.insert(name_of(spec));
    const auto known = std::find_if(old.begin(), old.end(), [&](const Scheduled& entry) {
      return name_of(entry.group->spec()) == name_of(spec);
    });
    const bool unchanged = known != old.end() && same_environment &&
                           known->group->spec().fingerprint() == spec.fingerprint();
    RuleGroup* predecessor = known == old.end() ? nullptr : known->group.get();
    next.push_back(unchanged ? *known : planned(std::move(spec), plan, predecessor));
  }
  retire_all_but(names, old);
  std::sort(next.begin(), next.end(), [](const Scheduled& a, const Scheduled& b) {
    return name_of(a.group->spec()) < name_of(b.group->spec());
  });
  {
    const std::lock_guard lock(mutex_);
    // Unchanged groups went on meanwhile: their slots are those of now, not those copied above.
    for (Scheduled& entry : next) {
      for (const Scheduled& current : groups_) {
        if (current.group == entry.group) entry = current;
      }
    }
    groups_ = std::move(next);
  }
  loaded_ = true;
  environment_fingerprint_ = std::move(plan.fingerprint);
  count_alerts();
  wake_.notify_all();
  return {};
}

void RuleManager::start() {
  AERIE_CHECK(services_.pool != nullptr, "the rule manager needs a pool to run groups on");
  scheduler_ = std::thread([this] { schedule_loop(); });
}

void RuleManager::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (scheduler_.joinable()) scheduler_.join();
  std::vector<std::shared_ptr<RuleGroup>> running;
  {
    const std::lock_guard lock(mutex_);
    for (const Scheduled& entry : groups_) running.push_back(entry.group);
  }
  for (const auto& group : running) group->close();
}

std::vector<RuleManager::Due> RuleManager::take_due() {
  const int64_t now_ns = services_.clock.now_ms() * kNsPerMs;
  std::vector<Due> due;
  const std::lock_guard lock(mutex_);
  for (Scheduled& entry : groups_) {
    if (entry.running || entry.next_ns > now_ns) continue;
    const int64_t interval_ns = entry.group->interval() * kNsPerMs;
    // Slots that were missed are skipped, as in Prometheus.
    const int64_t missed = (now_ns - entry.next_ns) / interval_ns;
    metrics_.missed.add(static_cast<uint64_t>(missed));
    const int64_t slot_ns = entry.next_ns + missed * interval_ns;
    entry.next_ns = slot_ns + interval_ns;
    entry.running = true;
    due.push_back({entry.group, slot_ns});
  }
  std::sort(due.begin(), due.end(),
            [](const Due& a, const Due& b) { return a.slot_ns < b.slot_ns; });
  return due;
}

void RuleManager::finished(const RuleGroup* group) {
  const std::lock_guard lock(mutex_);
  for (Scheduled& entry : groups_) {
    if (entry.group.get() == group) entry.running = false;
  }
}

size_t RuleManager::evaluate_due() {
  const std::vector<Due> due = take_due();
  for (const Due& entry : due) {
    entry.group->evaluate(entry.slot_ns / kNsPerMs);
    finished(entry.group.get());
  }
  note_alive();
  if (!due.empty()) count_alerts();
  return due.size();
}

void RuleManager::note_alive() {
  if (!table_) return;
  const int64_t now_ms = services_.clock.now_ms();
  {
    const std::lock_guard lock(mutex_);
    if (now_ms < last_alive_ms_ + kAliveEveryMs) return;
    last_alive_ms_ = now_ms;
  }
  table_->note_alive(now_ms).ignore("only the length of an outage becomes less exact");
}

void RuleManager::schedule_loop() {
  pthread_setname_np(pthread_self(), "rule-schedule");
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (stopping_) return;
      int64_t wait_ms = 1000;
      const int64_t now_ms = services_.clock.now_ms();
      for (const Scheduled& entry : groups_) {
        if (!entry.running) wait_ms = std::min(wait_ms, entry.next_ns / kNsPerMs + 1 - now_ms);
      }
      if (wait_ms > 0) wake_.wait_for(lock, std::chrono::milliseconds(wait_ms));
      if (stopping_) return;
    }
    note_alive();
    for (const Due& entry : take_due()) {
      const auto job = [this, entry] {
        entry.group->evaluate(entry.slot_ns / kNsPerMs);
        finished(entry.group.get());
        count_alerts();
        wake_.notify_all();
      };
      if (services_.pool->submit(job)) continue;
      metrics_.missed.add();
      finished(entry.group.get());
    }
  }
}

model::TimestampMs RuleManager::next_slot() const {
  const std::lock_guard lock(mutex_);
  int64_t next_ns = model::kMaxTimestamp;
  for (const Scheduled& entry : groups_) next_ns = std::min(next_ns, entry.next_ns);
  // Rounded up: at that millisecond the slot has come.
  return next_ns == model::kMaxTimestamp ? next_ns : (next_ns + kNsPerMs - 1) / kNsPerMs;
}

std::vector<std::shared_ptr<const GroupStatus>> RuleManager::groups() const {
  std::vector<std::shared_ptr<RuleGroup>> running;
  {
    const std::lock_guard lock(mutex_);
    for (const Scheduled& entry : groups_) running.push_back(entry.group);
  }
  std::vector<std::shared_ptr<const GroupStatus>> statuses;
  for (const auto& group : running) statuses.push_back(group->status());
  return statuses;
}

}  // namespace aerie::alerting
