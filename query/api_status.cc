// What this server is, for Grafana and for people: /api/v1/status/….

#include <unistd.h>

#include <filesystem>
#include <thread>
#include <utility>

#include "http/json_writer.h"
#include "query/api.h"
#include "query/api_answer.h"

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

http::Response QueryApi::storage_status(const http::Request&) const {
  const model::TimeRange extent = store_.extent();
  const bool empty = extent.first > extent.last;
  ApiAnswer answer;
  http::JsonWriter json(answer.data());
  json.begin_object().key("headStats").begin_object();
  json.field("numSeries", static_cast<int64_t>(store_.active_series()))
      .field("numLabelPairs", int64_t{0})
      .field("chunkCount", int64_t{0})
      .field("minTime", empty ? int64_t{0} : extent.first)
      .field("maxTime", empty ? int64_t{0} : extent.last)
      .end_object();
  // TODO: fill when the store can count by metric and label without reading every series.
  for (const auto* list : {"seriesCountByMetricName", "labelValueCountByLabelName",
                           "memoryInBytesByLabelName", "seriesCountByLabelValuePair"})
    json.key(list).begin_array().end_array();
  json.end_object();
  return std::move(answer).finish();
}

}  // namespace aerie::query
