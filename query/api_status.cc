// What this server is, for Grafana and for people: /api/v1/status/….

#include <unistd.h>

#include <filesystem>
#include <thread>
#include <utility>

#include "http/json_writer.h"
#include "query/api.h"
#include "query/api_answer.h"
#include "query/cardinality.h"

namespace aerie::query {
namespace {

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string();
}

std::string working_folder() {
  std::error_code error;
  const auto path = std::filesystem::current_path(error);
  return error ? std::string() : path.string();
}

/// What is counted when no range is given.
constexpr model::DurationMs kNewest = 3600 * 1000;

void append_lists(http::JsonWriter& json, const SeriesCounts& counted) {
  const std::pair<const char*, const std::vector<CountedName>*> lists[] = {
      {"seriesCountByMetricName", &counted.series_by_metric},
      {"labelValueCountByLabelName", &counted.values_by_label},
      {"memoryInBytesByLabelName", &counted.bytes_by_label},
      {"seriesCountByLabelValuePair", &counted.series_by_pair}};
  for (const auto& [name, list] : lists) {
    json.key(name).begin_array();
    for (const CountedName& one : *list)
      json.begin_object()
          .field("name", one.name)
          .field("value", static_cast<int64_t>(one.count))
          .end_object();
    json.end_array();
  }
}

}  // namespace

/// Without `features`: with them Grafana takes us for Mimir and expects its rule API.
http::Response QueryApi::build_info(const http::Request&) const {
  ApiAnswer answer;
  http::JsonWriter(answer.data())
      .begin_object()
      .field("version", options_.prometheus_version)
      .field("revision", options_.revision)
      .field("branch", options_.branch)
      .field("buildUser", options_.build_user)
      .field("buildDate", options_.build_date)
      .field("goVersion", "")
      .field("application", "aerie")
      .end_object();
  return std::move(answer).finish();
}

http::Response QueryApi::runtime_info(const http::Request&) const {
  ApiAnswer answer;
  const std::string started = model::format_rfc3339(started_);
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  http::JsonWriter(answer.data())
      .begin_object()
      .field("startTime", started)
      .field("CWD", working_folder())
      .field("hostname", host_name())
      .field("serverTime", model::format_rfc3339(clock_.now_ms()))
      .key("reloadConfigSuccess")
      .boolean(true)
      .field("lastConfigTime", started)
      .field("corruptionCount", int64_t{0})
      .field("goroutineCount", int64_t{0})
      .field("GOMAXPROCS", cores)
      .field("GOMEMLIMIT", int64_t{0})
      .field("GOGC", "")
      .field("GODEBUG", "")
      .field("storageRetention", options_.storage_retention)
      .end_object();
  return std::move(answer).finish();
}

http::Response QueryApi::flags(const http::Request&) const {
  ApiAnswer answer;
  http::JsonWriter json(answer.data());
  json.begin_object();
  for (const auto& [name, value] : options_.flags) json.field(name, value);
  json.end_object();
  return std::move(answer).finish();
}

/// Prometheus's cardinality lists, of the newest hour of samples or of what `start`, `end` and
/// `match[]` say; with `by`, of each value of a label apart as well.
http::Response QueryApi::storage_status(const http::Request& request) const {
  const model::TimeRange extent = store_.extent();
  const bool empty = extent.first > extent.last;
  const auto limit = limit_parameter(request.params);
  if (!limit) return bad_parameter("limit", limit.error());
  const auto times = range_parameters(request.params);
  if (times.refusal) return *times.refusal;
  const auto selectors = match_parameters(request.params);
  if (!selectors) return bad_parameter("match[]", selectors.error());
  if (selectors->size() > 1)
    return bad_parameter("match[]", {ErrorCode::InvalidArgument, "at most one is counted"});
  CountQuestion question;
  if (!selectors->empty()) question.matchers = (*selectors)[0];
  question.range = times.range;
  const bool asked_for = request.params.has("start") || request.params.has("end");
  if (!asked_for && !empty) question.range = {extent.last - kNewest + 1, extent.last};
  if (*limit > 0) question.limit = *limit;
  question.by = std::string(request.params.get("by"));
  const auto counted = count_series(store_, question);
  if (!counted) return error_answer(counted.error());

  ApiAnswer answer;
  http::JsonWriter json(answer.data());
  json.begin_object().key("headStats").begin_object();
  json.field("numSeries", static_cast<int64_t>(store_.active_series()))
      .field("numLabelPairs", static_cast<int64_t>((*counted)[0].label_pairs))
      .field("chunkCount", int64_t{0})
      .field("minTime", empty ? int64_t{0} : extent.first)
      .field("maxTime", empty ? int64_t{0} : extent.last)
      .end_object();
  append_lists(json, (*counted)[0]);
  json.field("seriesCount", static_cast<int64_t>((*counted)[0].series));
  if (!question.by.empty()) {
    json.key("groups").begin_array();
    for (size_t i = 1; i < counted->size(); ++i) {
      const SeriesCounts& group = (*counted)[i];
      json.begin_object()
          .field("name", group.group)
          .field("seriesCount", static_cast<int64_t>(group.series))
          .field("numLabelPairs", static_cast<int64_t>(group.label_pairs));
      append_lists(json, group);
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
  return std::move(answer).finish();
}

}  // namespace aerie::query
