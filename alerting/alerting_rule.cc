#include "alerting/alerting_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "alerting/template_functions.h"
#include "base/log.h"

namespace aerie::alerting {
namespace {

constexpr std::string_view kAlertName = "alertname";
constexpr std::string_view kAlertState = "alertstate";
constexpr std::string_view kCluster = "cluster";
/// How long a resolved alert is kept and sent again.
constexpr model::DurationMs kResolvedRetention = 15LL * 60 * 1000;

TemplateEnvironment template_environment(const Evaluation& evaluation) {
  TemplateEnvironment result;
  result.now = evaluation.t;
  result.external_url = evaluation.environment.external_url;
  result.query = [&evaluation](std::string_view text) -> Result<std::vector<TemplateSample>> {
    query::QueryLimits limits;
    limits.cancelled = evaluation.environment.cancelled;
    auto answer = evaluation.environment.engine.instant(text, evaluation.t, limits);
    if (!answer) return std::move(answer).error();
    std::vector<TemplateSample> samples;
    if (const auto* vector = std::get_if<query::VectorValue>(&answer->value)) {
      for (const query::VectorElement& element : *vector)
        samples.push_back({element.labels, element.value});
    } else if (const auto* scalar = std::get_if<query::ScalarValue>(&answer->value)) {
      samples.push_back({model::Labels(), scalar->value});
    } else {
      return Error(ErrorCode::Execution, "query result is not a vector or scalar");
    }
    return samples;
  };
  return result;
}

}  // namespace

Result<AlertingRule::Alerts> AlertingRule::found_alerts(const Evaluation& evaluation) const {
  auto vector = evaluate_expression(spec_, evaluation);
  if (!vector) return std::move(vector).error();
  const TemplateEnvironment environment = template_environment(evaluation);
  Alerts found;
  for (const query::VectorElement& element : *vector) {
    const TemplateData data{element.labels, evaluation.environment.external_labels, element.value};
    std::vector<std::string> values;
    values.reserve(spec_.labels.size());  // the builder keeps views into it
    model::LabelsBuilder labels(element.labels);
    labels.remove(model::kMetricName);
    for (const auto& [name, value] : spec_.labels) {
      values.push_back(value.expand_or_explain(data, environment));
      labels.set(name, values.back());
    }
    labels.set(kAlertName, spec_.name);
    Alert alert;
    alert.labels = labels.build();
    alert.active_at = evaluation.t;
    alert.value = element.value;
    for (const auto& [name, text] : spec_.annotations) {
      alert.annotations.emplace_back(name, text.expand_or_explain(data, environment));
    }
    model::Labels key = alert.labels;
    if (!found.emplace(std::move(key), std::move(alert)).second) {
      return Error(ErrorCode::Execution,
                   "vector contains metrics with the same labelset after applying alert labels");
    }
  }
  return found;
}

Result<OwnSamples> AlertingRule::evaluate(const Evaluation& evaluation) {
  auto found = found_alerts(evaluation);
  if (!found) return std::move(found).error();
  for (auto& [labels, alert] : *found) {
    const auto known = alerts_.find(labels);
    if (known != alerts_.end() && known->second.state != AlertState::Inactive) {
      known->second.value = alert.value;
      known->second.annotations = alert.annotations;
      continue;
    }
    alerts_.insert_or_assign(labels, alert);
    changed_.insert(labels);
  }
  OwnSamples samples;
  int64_t active = 0;
  for (auto entry = alerts_.begin(); entry != alerts_.end();) {
    Alert& alert = entry->second;
    if (advance(alert, found->count(entry->first) > 0, evaluation)) {
      ++active;
      append_samples(alert, evaluation, samples);
      ++entry;
      continue;
    }
    const bool forget = alert.state != AlertState::Inactive ||
                        evaluation.t - alert.resolved_at.value_or(0) > kResolvedRetention;
    if (!forget) {
      ++entry;
      continue;
    }
    removed_.insert(entry->first);
    entry = alerts_.erase(entry);
  }
  if (evaluation.limit > 0 && active > evaluation.limit) {
    for (const auto& [labels, alert] : alerts_) removed_.insert(labels);
    alerts_.clear();
    return Error(ErrorCode::Execution,
                 fmt::format("exceeded limit of {} with {} alerts", evaluation.limit, active));
  }
  return samples;
}

bool AlertingRule::advance(Alert& alert, bool found, const Evaluation& evaluation) {
  if (!found) return advance_missing(alert, evaluation);
  if (std::exchange(alert.keep_firing_since, std::nullopt)) changed_.insert(alert.labels);
  alert.held_since.reset();
  const bool long_enough = evaluation.t - alert.active_at >= spec_.hold;
  if (alert.state == AlertState::Pending && long_enough) {
    alert.state = AlertState::Firing;
    alert.fired_at = evaluation.t;
    changed_.insert(alert.labels);
  } else if (alert.state == AlertState::Firing && !long_enough) {
    // `for` was made longer while it fired.
    alert.state = AlertState::Pending;
    alert.fired_at.reset();
    alert.last_sent_at.reset();
    changed_.insert(alert.labels);
  }
  return true;
}

bool AlertingRule::advance_missing(Alert& alert, const Evaluation& evaluation) {
  if (alert.state == AlertState::Inactive) return false;
  ClusterReadiness* readiness = evaluation.environment.readiness;
  if (readiness != nullptr &&
      !readiness->ready(alert.labels.get(kCluster), evaluation.sample_time())) {
    if (!alert.held_since) {
      alert.held_since = evaluation.t;
      AERIE_LOG(Info, "alert held: its cluster is silent", {"alert", alert.labels.to_string()});
    }
    return true;
  }
  if (alert.state == AlertState::Firing && spec_.keep_firing > 0) {
    if (!alert.keep_firing_since) {
      alert.keep_firing_since = evaluation.t;
      changed_.insert(alert.labels);
    }
    if (evaluation.t - *alert.keep_firing_since < spec_.keep_firing) return true;
  }
  if (alert.state == AlertState::Pending) return false;
  alert.state = AlertState::Inactive;
  alert.resolved_at = evaluation.t;
  alert.held_since.reset();
  changed_.insert(alert.labels);
  return false;
}

void AlertingRule::append_samples(const Alert& alert, const Evaluation& evaluation,
                                  OwnSamples& samples) const {
  model::LabelsBuilder labels(alert.labels);
  labels.set(model::kMetricName, "ALERTS").set(kAlertState, alert_state_name(alert.state));
  samples.push_back({labels.build(), evaluation.sample_time(), 1});
  labels.set(model::kMetricName, "ALERTS_FOR_STATE").remove(kAlertState);
  // Whole seconds, as Prometheus writes it.
  samples.push_back(
      {labels.build(), evaluation.sample_time(), static_cast<double>(alert.active_at / 1000)});
}

std::vector<OutgoingAlert> AlertingRule::due(const Evaluation& evaluation) {
  const model::DurationMs resend = evaluation.environment.resend_delay;
  std::vector<OutgoingAlert> outgoing;
  for (auto& [labels, alert] : alerts_) {
    if (alert.state == AlertState::Pending) continue;
    const bool resolved = alert.state == AlertState::Inactive;
    const bool news = !alert.last_sent_at || (resolved && *alert.resolved_at > *alert.last_sent_at);
    if (!news && evaluation.t - *alert.last_sent_at < resend) continue;
    alert.last_sent_at = evaluation.t;
    OutgoingAlert out;
    out.labels = labels;
    out.annotations = alert.annotations;
    out.starts_at = alert.fired_at.value_or(alert.active_at);
    out.resolved = resolved;
    // Several deliveries may be lost before the Alertmanager takes a firing alert for resolved.
    out.ends_at =
        resolved ? *alert.resolved_at : evaluation.t + 4 * std::max(resend, evaluation.interval);
    out.generator_url = evaluation.environment.external_url + table_link(spec_.expr_text);
    outgoing.push_back(std::move(out));
  }
  return outgoing;
}

AlertingRule::Changes AlertingRule::take_changes() {
  Changes changes;
  for (const model::Labels& labels : std::exchange(changed_, {})) {
    const auto found = alerts_.find(labels);
    if (found != alerts_.end()) changes.changed.push_back(found->second);
  }
  for (const model::Labels& labels : std::exchange(removed_, {})) {
    // It may have come back in the same evaluation.
    if (alerts_.count(labels) == 0) changes.removed.push_back(labels);
  }
  return changes;
}

void AlertingRule::adopt(std::vector<Alert> alerts) {
  for (Alert& alert : alerts) {
    model::Labels labels = alert.labels;
    alerts_.insert_or_assign(std::move(labels), std::move(alert));
  }
}

std::vector<Alert> AlertingRule::alerts() const {
  std::vector<Alert> all;
  for (const auto& [labels, alert] : alerts_) all.push_back(alert);
  return all;
}

std::vector<Alert> AlertingRule::active() const {
  std::vector<Alert> all = alerts();
  std::erase_if(all, [](const Alert& alert) { return alert.state == AlertState::Inactive; });
  return all;
}

}  // namespace aerie::alerting
