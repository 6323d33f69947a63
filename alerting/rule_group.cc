#include "alerting/rule_group.h"

#include <xxhash.h>

#include <map>
#include <utility>

#include "alerting/recording_rule.h"
#include "base/log.h"

namespace aerie::alerting {
namespace {

/// Prometheus hashes the label set {file, name} of the group: name and value each followed by 0xff.
int64_t slot_phase(const GroupSpec& spec, model::DurationMs interval) {
  const std::string text = "file\xff" + spec.file + "\xff" + "name\xff" + spec.name + "\xff";
  const uint64_t interval_ns = static_cast<uint64_t>(interval) * 1'000'000;
  return static_cast<int64_t>(XXH64(text.data(), text.size(), 0) % interval_ns);
}

double seconds_between(int64_t start_ns, int64_t end_ns) {
  return static_cast<double>(end_ns - start_ns) / 1e9;
}

}  // namespace

std::string_view rule_health_name(RuleHealth health) {
  switch (health) {
    case RuleHealth::Unknown: return "unknown";
    case RuleHealth::Ok: return "ok";
    case RuleHealth::Error: return "err";
  }
  return "unknown";
}

RuleMetrics::RuleMetrics(MetricRegistry& registry)
    : evaluations(registry.counter("aerie_alerting_rule_evaluations_total",
                                   "Evaluations of single rules.")),
      failures(registry.counter("aerie_alerting_rule_evaluation_failures_total",
                                "Evaluations of single rules that ended with an error.")),
      missed(registry.counter(
          "aerie_alerting_group_iterations_missed_total",
          "Slots of rule groups that were skipped because the one before took too long.")),
      rule_seconds(registry.histogram("aerie_alerting_rule_evaluation_duration_seconds",
                                      "Time that the evaluation of one rule took.",
                                      {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10})),
      group_seconds(registry.histogram("aerie_alerting_group_evaluation_duration_seconds",
                                       "Time that the evaluation of one group took.",
                                       {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60})) {}

RuleGroup::RuleGroup(GroupSpec spec, model::DurationMs interval,
                     std::shared_ptr<const RuleEnvironment> environment, const Clock& clock,
                     RuleMetrics& metrics)
    : spec_(std::make_shared<const GroupSpec>(std::move(spec))),
      interval_(interval),
      phase_ns_(slot_phase(*spec_, interval)),
      environment_(std::move(environment)),
      clock_(clock),
      metrics_(metrics) {
  std::map<std::string, uint32_t> ordinals;
  for (const RuleSpec& rule : spec_->rules) {
    Rule running;
    running.spec = rule;
    running.key = RuleKey{spec_->file, spec_->name, rule.name, 0};
    if (rule.kind == RuleSpec::Kind::Alerting) {
      running.key.ordinal = ordinals[rule.name]++;
      running.alerting = std::make_unique<AlertingRule>(rule);
    }
    rules_.push_back(std::move(running));
  }
  GroupStatus first;
  first.rules.resize(rules_.size());
  publish(std::move(first));
}

void RuleGroup::publish(GroupStatus status) {
  status.spec = spec_;
  status.interval = interval_;
  auto published = std::make_shared<const GroupStatus>(std::move(status));
  status_.with([&](auto& current) { current.swap(published); });
}

void RuleGroup::evaluate(model::TimestampMs t) {
  const Gate::Pass pass = gate_.enter();
  if (!pass) return;
  const int64_t started = clock_.monotonic_ns();
  const Evaluation evaluation{*environment_, t, spec_->query_offset, interval_, spec_->limit};
  GroupStatus status = *this->status();
  for (size_t i = 0; i < rules_.size(); ++i) evaluate_rule(rules_[i], evaluation, status.rules[i]);
  if (!orphans_.empty()) {
    OwnSamples markers;
    for (const model::Labels& labels : std::exchange(orphans_, {})) {
      markers.push_back({labels, evaluation.sample_time(), model::stale_marker()});
    }
    environment_->write(markers).ignore("the series end by themselves after the lookback");
  }
  status.last_evaluation = t;
  status.evaluation_seconds = seconds_between(started, clock_.monotonic_ns());
  metrics_.group_seconds.observe(status.evaluation_seconds);
  publish(std::move(status));
}

void RuleGroup::evaluate_rule(Rule& rule, const Evaluation& evaluation, RuleStatus& status) {
  const int64_t started = clock_.monotonic_ns();
  metrics_.evaluations.add();
  auto samples = run(rule, evaluation);
  if (rule.alerting) {
    // Durable before anybody is told. After a failed evaluation what fires goes on firing: its
    // Alertmanager must not take our silence for a resolution.
    save(rule);
    auto due = rule.alerting->due(evaluation);
    if (!due.empty()) environment_->notify(std::move(due));
    status.alerts = rule.alerting->active();
  }
  Status outcome;
  if (samples) {
    outcome = write(rule, std::move(*samples), evaluation.sample_time());
  } else {
    outcome = std::move(samples).error();
  }
  status.last_evaluation = evaluation.t;
  status.evaluation_seconds = seconds_between(started, clock_.monotonic_ns());
  metrics_.rule_seconds.observe(status.evaluation_seconds);
  if (outcome) {
    status.health = RuleHealth::Ok;
    status.last_error.clear();
    return;
  }
  metrics_.failures.add();
  std::string text = std::move(outcome).error().message();
  if (status.health != RuleHealth::Error || status.last_error != text) {
    AERIE_LOG(Warn, "rule evaluation failed", {"group", spec_->name}, {"rule", rule.spec.name},
              {"reason", text});
  }
  status.health = RuleHealth::Error;
  status.last_error = std::move(text);
}

Result<OwnSamples> RuleGroup::run(Rule& rule, const Evaluation& evaluation) {
  return rule.alerting ? rule.alerting->evaluate(evaluation)
                       : evaluate_recording(rule.spec, evaluation);
}

Status RuleGroup::write(Rule& rule, OwnSamples samples, model::TimestampMs t) {
  SeriesSet now;
  for (const auto& sample : samples) now.insert(sample.labels);
  for (const model::Labels& labels : rule.written) {
    if (now.count(labels) == 0) samples.push_back({labels, t, model::stale_marker()});
  }
  if (!samples.empty()) {
    auto written = environment_->write(samples);
    if (!written) return std::move(written).error().with("write the rule's samples");
  }
  rule.written = std::move(now);
  return {};
}

void RuleGroup::save(Rule& rule) {
  const AlertingRule::Changes changes = rule.alerting->take_changes();
  if (environment_->table == nullptr || changes.empty()) return;
  auto saved = environment_->table->apply(rule.key, changes.changed, changes.removed);
  if (saved) return;
  // Delivered all the same: a page that a restart might repeat is better than none.
  AERIE_LOG(Error, "alert state not saved", {"rule", rule.spec.name},
            {"reason", saved.error().message()});
}

Status RuleGroup::restore(model::DurationMs outage, model::DurationMs tolerance) {
  if (environment_->table == nullptr) return {};
  for (Rule& rule : rules_) {
    if (!rule.alerting) continue;
    auto alerts = environment_->table->load(rule.key);
    if (!alerts) return std::move(alerts).error();
    if (outage > tolerance) {
      std::erase_if(*alerts, [](const Alert& alert) { return alert.state == AlertState::Pending; });
    }
    rule.alerting->adopt(std::move(*alerts));
  }
  GroupStatus status = *this->status();
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].alerting) status.rules[i].alerts = rules_[i].alerting->active();
  }
  publish(std::move(status));
  return {};
}

Status RuleGroup::take_over(RuleGroup& predecessor) {
  const auto old_status = predecessor.status();
  GroupStatus status = *this->status();
  status.last_evaluation = old_status->last_evaluation;
  std::vector<bool> taken(predecessor.rules_.size());
  for (size_t i = 0; i < rules_.size(); ++i) {
    Rule& rule = rules_[i];
    // Prometheus matches by name and labels; the n-th of equal rules takes over from the n-th.
    const auto same = [&](const Rule& old) {
      if (old.spec.kind != rule.spec.kind || old.spec.name != rule.spec.name) return false;
      if (old.spec.labels.size() != rule.spec.labels.size()) return false;
      for (size_t k = 0; k < old.spec.labels.size(); ++k) {
        if (old.spec.labels[k].first != rule.spec.labels[k].first) return false;
        if (old.spec.labels[k].second.text() != rule.spec.labels[k].second.text()) return false;
      }
      return true;
    };
    for (size_t k = 0; k < predecessor.rules_.size(); ++k) {
      if (taken[k] || !same(predecessor.rules_[k])) continue;
      taken[k] = true;
      rule.written = std::move(predecessor.rules_[k].written);
      if (rule.alerting) rule.alerting->adopt(predecessor.rules_[k].alerting->alerts());
      status.rules[i] = old_status->rules[k];
      break;
    }
  }
  orphans_ = std::move(predecessor.orphans_);
  for (size_t k = 0; k < predecessor.rules_.size(); ++k) {
    if (!taken[k]) orphans_.merge(predecessor.rules_[k].written);
  }
  publish(std::move(status));
  return save_all();
}

Status RuleGroup::save_all() const {
  if (environment_->table == nullptr) return {};
  std::vector<std::pair<RuleKey, std::vector<Alert>>> rows;
  for (const Rule& rule : rules_) {
    if (rule.alerting) rows.emplace_back(rule.key, rule.alerting->alerts());
  }
  return environment_->table->replace_group(spec_->file, spec_->name, rows);
}

Status RuleGroup::retire(model::TimestampMs t) {
  OwnSamples markers;
  for (const Rule& rule : rules_) {
    for (const model::Labels& labels : rule.written)
      markers.push_back({labels, t, model::stale_marker()});
  }
  for (const model::Labels& labels : orphans_)
    markers.push_back({labels, t, model::stale_marker()});
  if (!markers.empty())
    environment_->write(markers).ignore("the series end by themselves after the lookback");
  if (environment_->table == nullptr) return {};
  return environment_->table->replace_group(spec_->file, spec_->name, {});
}

}  // namespace aerie::alerting
