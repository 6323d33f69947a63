#include "alerting/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "http/json_writer.h"
#include "model/matcher.h"
#include "query/parser.h"

namespace aerie::alerting {
namespace {

using http::JsonWriter;
using http::Method;
using http::Request;
using http::Response;

double seconds(model::DurationMs duration) { return static_cast<double>(duration) / 1000; }

/// Go's zero time stands for "never".
std::string time_text(model::TimestampMs t) {
  return t == 0 ? "0001-01-01T00:00:00Z" : model::format_rfc3339(t);
}

/// Go's strconv 'e' with the shortest digits, as Prometheus shows an alert's value: `1e+00`.
std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[64];
  const auto written =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  return std::string(buffer, written.ptr);
}

void write_labels(JsonWriter& json, const model::Labels& labels) {
  json.begin_object();
  for (const auto& [name, value] : labels) json.field(name, value);
  json.end_object();
}
void write_templates(JsonWriter& json, const NamedTemplates& templates) {
  json.begin_object();
  for (const auto& [name, text] : templates) json.field(name, text.text());
  json.end_object();
}

void write_alert(JsonWriter& json, const Alert& alert) {
  json.begin_object();
  json.key("labels");
  write_labels(json, alert.labels);
  json.key("annotations").begin_object();
  for (const auto& [name, text] : alert.annotations) json.field(name, text);
  json.end_object();
  json.field("state", alert_state_name(alert.state)).field("activeAt", time_text(alert.active_at));
  if (alert.keep_firing_since) json.field("keepFiringSince", time_text(*alert.keep_firing_since));
  if (alert.held_since) json.field("heldSince", time_text(*alert.held_since));
  json.field("value", value_text(alert.value)).end_object();
}

void write_outcome(JsonWriter& json, const RuleStatus& status) {
  json.field("health", rule_health_name(status.health));
  if (!status.last_error.empty()) json.field("lastError", status.last_error);
  json.key("evaluationTime").number(status.evaluation_seconds);
  json.field("lastEvaluation", time_text(status.last_evaluation));
}

void write_alerting(JsonWriter& json, const RuleSpec& rule, const RuleStatus& status,
                    bool with_alerts) {
  AlertState state = AlertState::Inactive;
  for (const Alert& alert : status.alerts) state = std::max(state, alert.state);
  json.begin_object();
  json.field("state", alert_state_name(state))
      .field("name", rule.name)
      .field("query", rule.expr_text);
  json.key("duration").number(seconds(rule.hold));
  json.key("keepFiringFor").number(seconds(rule.keep_firing));
  json.key("labels");
  write_templates(json, rule.labels);
  json.key("annotations");
  write_templates(json, rule.annotations);
  json.key("alerts").begin_array();
  if (with_alerts) {
    for (const Alert& alert : status.alerts) write_alert(json, alert);
  }
  json.end_array();
  write_outcome(json, status);
  json.field("type", "alerting").end_object();
}

void write_recording(JsonWriter& json, const RuleSpec& rule, const RuleStatus& status) {
  json.begin_object();
  json.field("name", rule.name).field("query", rule.expr_text);
  json.key("labels");
  write_templates(json, rule.labels);
  write_outcome(json, status);
  json.field("type", "recording").end_object();
}

/// What the parameters select.
struct RuleFilter {
  std::optional<RuleSpec::Kind> kind;
  std::vector<std::string> names;
  std::vector<std::string> groups;
  std::vector<std::string> files;
  std::vector<model::Matchers> matchers;  // any of them
  bool exclude_alerts = false;

  static bool listed(const std::vector<std::string>& list, const std::string& text) {
    return list.empty() || std::find(list.begin(), list.end(), text) != list.end();
  }
  bool takes(const RuleSpec& rule) const {
    if (kind && rule.kind != *kind) return false;
    if (!listed(names, rule.name)) return false;
    if (matchers.empty()) return true;
    std::vector<model::LabelView> views;
    for (const auto& [name, text] : rule.labels) views.push_back({name, text.text()});
    const model::Labels labels = model::Labels::from_pairs(std::move(views));
    return std::any_of(matchers.begin(), matchers.end(),
                       [&](const model::Matchers& all) { return model::matches_all(all, labels); });
  }
};

Error bad_parameter(std::string_view name, std::string_view why) {
  return Error(ErrorCode::InvalidArgument, fmt::format("invalid parameter \"{}\": {}", name, why));
}

Result<RuleFilter> read_filter(const http::Parameters& params) {
  RuleFilter filter;
  const std::string_view type = params.get("type");
  if (type == "alert") {
    filter.kind = RuleSpec::Kind::Alerting;
  } else if (type == "record") {
    filter.kind = RuleSpec::Kind::Recording;
  } else if (!type.empty()) {
    return bad_parameter("type", fmt::format("not supported value {}", model::go_quote(type)));
  }
  const std::string_view exclude = params.get("exclude_alerts");
  if (exclude == "true" || exclude == "1" || exclude == "t" || exclude == "T" ||
      exclude == "TRUE" || exclude == "True") {
    filter.exclude_alerts = true;
  } else if (!exclude.empty() && exclude != "false" && exclude != "0" && exclude != "f") {
    return bad_parameter("exclude_alerts",
                         fmt::format("cannot parse {} as a boolean", model::go_quote(exclude)));
  }
  filter.names = params.all("rule_name[]");
  filter.groups = params.all("rule_group[]");
  filter.files = params.all("file[]");
  for (const std::string& text : params.all("match[]")) {
    auto matchers = query::parse_selector(text);
    if (!matchers) return bad_parameter("match[]", matchers.error().message());
    filter.matchers.push_back(std::move(*matchers));
  }
  return filter;
}

void write_group(JsonWriter& json, const GroupStatus& group, const RuleFilter& filter) {
  json.begin_object();
  json.field("name", group.spec->name).field("file", group.spec->file);
  json.key("rules").begin_array();
  for (size_t i = 0; i < group.rules.size(); ++i) {
    const RuleSpec& rule = group.spec->rules[i];
    if (!filter.takes(rule)) continue;
    if (rule.kind == RuleSpec::Kind::Alerting) {
      write_alerting(json, rule, group.rules[i], !filter.exclude_alerts);
    } else {
      write_recording(json, rule, group.rules[i]);
    }
  }
  json.end_array();
  json.key("interval").number(seconds(group.interval));
  json.field("limit", group.spec->limit);
  json.key("evaluationTime").number(group.evaluation_seconds);
  json.field("lastEvaluation", time_text(group.last_evaluation)).end_object();
}

Response success(const std::string& data) {
  return Response::json(200, http::success_envelope(data));
}

}  // namespace

Response rules_response(const RuleManager& manager, const http::Parameters& params) {
  auto filter = read_filter(params);
  if (!filter)
    return Response::json(400, http::error_envelope("bad_data", filter.error().message()));
  std::string data;
  JsonWriter json(data);
  json.begin_object().key("groups").begin_array();
  for (const auto& group : manager.groups()) {
    const GroupSpec& spec = *group->spec;
    if (!RuleFilter::listed(filter->groups, spec.name) ||
        !RuleFilter::listed(filter->files, spec.file))
      continue;
    // A group whose rules are all filtered out is left out; one without rules is shown only
    // unfiltered.
    const bool filtered = filter->kind || !filter->names.empty() || !filter->matchers.empty();
    const bool any = std::any_of(spec.rules.begin(), spec.rules.end(),
                                 [&](const RuleSpec& rule) { return filter->takes(rule); });
    if (any || !filtered) write_group(json, *group, *filter);
  }
  json.end_array().end_object();
  return success(data);
}

Response alerts_response(const RuleManager& manager) {
  std::string data;
  JsonWriter json(data);
  json.begin_object().key("alerts").begin_array();
  for (const auto& group : manager.groups()) {
    for (const RuleStatus& rule : group->rules) {
      for (const Alert& alert : rule.alerts) write_alert(json, alert);
    }
  }
  json.end_array().end_object();
  return success(data);
}

Response alertmanagers_response(const RuleManager& manager) {
  std::string data;
  JsonWriter json(data);
  json.begin_object().key("activeAlertmanagers").begin_array();
  for (const Notifier::TargetStatus& target : manager.notifier().targets()) {
    json.begin_object().field("url", target.url).end_object();
  }
  json.end_array().key("droppedAlertmanagers").begin_array().end_array().end_object();
  return success(data);
}

void register_routes(http::Router& router, WorkPool& pool, const RuleManager& manager) {
  router.blocking({Method::Get}, "/api/v1/rules", pool, [&manager](const Request& request) {
    return rules_response(manager, request.params);
  });
  router.blocking({Method::Get}, "/api/v1/alerts", pool,
                  [&manager](const Request&) { return alerts_response(manager); });
  router.blocking({Method::Get}, "/api/v1/alertmanagers", pool,
                  [&manager](const Request&) { return alertmanagers_response(manager); });
}

}  // namespace aerie::alerting
