#include "alerting/relay_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <utility>

namespace aerie::alerting {
namespace {

namespace json = boost::json;

/// What Go's JSON decoder would refuse.
Error broken(std::string what) { return Error(ErrorCode::Corruption, std::move(what)); }

/// A map of strings; nothing when the field is absent or null.
Result<std::optional<Annotations>> read_map(const json::object& alert, std::string_view field) {
  const json::value* value = alert.if_contains(json::string_view(field.data(), field.size()));
  if (value == nullptr || value->is_null()) return std::optional<Annotations>();
  const json::object* object = value->if_object();
  if (object == nullptr)
    return broken(fmt::format("{} in body must be an object of strings", field));
  Annotations pairs;
  for (const auto& [name, text] : *object) {
    if (!text.is_string())
      return broken(fmt::format("{} in body must be an object of strings", field));
    pairs.emplace_back(std::string(name.data(), name.size()), std::string(text.as_string()));
  }
  std::sort(pairs.begin(), pairs.end());
  return std::optional<Annotations>(std::move(pairs));
}

/// Nothing when the field is absent, null or Go's zero time.
Result<std::optional<model::TimestampMs>> read_time(const json::object& alert,
                                                    std::string_view field) {
  const json::value* value = alert.if_contains(json::string_view(field.data(), field.size()));
  if (value == nullptr || value->is_null()) return std::optional<model::TimestampMs>();
  if (!value->is_string()) return broken(fmt::format("{} in body must be a date-time", field));
  const std::string text(value->as_string());
  if (text.empty() || text.starts_with("0001-01-01")) return std::optional<model::TimestampMs>();
  auto time = model::parse_timestamp(text);
  if (!time || text.find('T') == std::string::npos) {
    return Error(ErrorCode::Corruption,
                 fmt::format("parsing {} date-time from \"{}\" failed", field, text));
  }
  return std::optional<model::TimestampMs>(*time);
}

std::string read_text(const json::object& alert, std::string_view field) {
  const json::value* value = alert.if_contains(json::string_view(field.data(), field.size()));
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

/// Why Alertmanager would not take it; empty if it would.
std::string problem_of(const OutgoingAlert& alert) {
  if (alert.labels.empty()) return "at least one label pair required";
  for (const auto& [name, value] : alert.labels) {
    if (name.empty() || !model::is_valid_utf8(name))
      return fmt::format("invalid label set: invalid name {}", model::go_quote(name));
    if (!model::is_valid_utf8(value))
      return fmt::format("invalid label set: invalid value {}", model::go_quote(value));
  }
  if (alert.ends_at < alert.starts_at) return "start time must be before end time";
  return {};
}

Result<OutgoingAlert> read_alert(const json::value& value, model::TimestampMs now) {
  const json::object* object = value.if_object();
  if (object == nullptr) return broken("body must be an array of objects");
  auto labels = read_map(*object, "labels");
  if (!labels) return std::move(labels).error();
  if (!*labels) return Error(ErrorCode::InvalidArgument, "labels in body is required");
  auto annotations = read_map(*object, "annotations");
  if (!annotations) return std::move(annotations).error();
  auto starts_at = read_time(*object, "startsAt");
  if (!starts_at) return std::move(starts_at).error();
  auto ends_at = read_time(*object, "endsAt");
  if (!ends_at) return std::move(ends_at).error();

  OutgoingAlert alert;
  std::vector<model::LabelView> views;
  for (const auto& [name, text] : **labels) views.push_back({name, text});
  alert.labels = model::Labels::from_pairs(std::move(views));
  if (*annotations) alert.annotations = std::move(**annotations);
  alert.generator_url = read_text(*object, "generatorURL");
  alert.starts_at = starts_at->value_or(ends_at->value_or(now));
  alert.ends_at = ends_at->value_or(now + kDefaultLease);
  alert.resolved = alert.ends_at <= now;
  return alert;
}

}  // namespace

Result<AlertRequest> parse_alert_request(std::string_view body, model::TimestampMs now) {
  boost::system::error_code failed;
  const json::value root = json::parse(json::string_view(body.data(), body.size()), failed);
  if (failed) return broken("parsing alerts body failed: " + failed.message());
  const json::array* array = root.if_array();
  if (array == nullptr) return broken("alerts in body must be an array");
  AlertRequest request;
  for (const json::value& value : *array) {
    auto alert = read_alert(value, now);
    if (!alert) return std::move(alert).error();
    std::string problem = problem_of(*alert);
    if (problem.empty()) {
      request.alerts.push_back(std::move(*alert));
    } else {
      request.problems.push_back(std::move(problem));
    }
  }
  return request;
}

}  // namespace aerie::alerting
