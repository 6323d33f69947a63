// What runs, what ran, what this server can do.

#include <charconv>
#include <utility>

#include "http/json_writer.h"
#include "query/api.h"
#include "query/api_answer.h"
#include "query/functions_table.h"

namespace aerie::query {
namespace {

constexpr std::string_view kOperators[] = {"!=", "!~",  "%",     "*",  "+",     "-",  "/",
                                           "<",  "<=",  "==",    "=~", ">",     ">=", "@",
                                           "^",  "and", "atan2", "or", "unless"};

void append_who(http::JsonWriter& json, std::string_view dashboard, std::string_view panel) {
  if (!dashboard.empty()) json.field("dashboard", dashboard);
  if (!panel.empty()) json.field("panel", panel);
}

void append_switch(http::JsonWriter& json, std::string_view name, bool on) {
  json.key(name).boolean(on);
}

}  // namespace

http::Response QueryApi::queries(const http::Request& request) const {
  if (options_.scope) {
    const auto scope = options_.scope(request);
    if (!scope) return error_answer(scope.error());
    if (!scope->empty())
      return error_answer(
          Error(ErrorCode::PermissionDenied, "queries of others are not shown to a scoped caller"));
  }
  ApiAnswer answer;
  http::JsonWriter json(answer.data());
  json.begin_object().key("active").begin_array();
  for (const QueryScheduler::ActiveQuery& active : scheduler_.active()) {
    const QueryRecord& record = *active.record;
    json.begin_object().field("id", static_cast<int64_t>(record.id)).field("query", record.query);
    json.field("endpoint", record.endpoint).field("client", record.client);
    append_who(json, record.dashboard, record.panel);
    json.field("state", record.started_ns == 0 ? "waiting" : "running");
    json.key("waitedSeconds").number(active.waited_seconds);
    json.key("runningSeconds").number(active.running_seconds);
    json.end_object();
  }
  json.end_array().key("top").begin_array();
  for (const QueryCost& cost : scheduler_.costly()) {
    json.begin_object().field("query", cost.query);
    append_who(json, cost.dashboard, cost.panel);
    json.field("count", static_cast<int64_t>(cost.count));
    json.field("failed", static_cast<int64_t>(cost.failed));
    json.key("totalSeconds").number(cost.total_seconds);
    json.key("longestSeconds").number(cost.longest_seconds);
    json.field("samplesRead", static_cast<int64_t>(cost.samples_read));
    json.end_object();
  }
  json.end_array().end_object();
  return std::move(answer).finish();
}

http::Response QueryApi::cancel_query(const http::Request& request) {
  if (options_.scope) {
    const auto scope = options_.scope(request);
    if (!scope) return error_answer(scope.error());
    if (!scope->empty())
      return error_answer(
          Error(ErrorCode::PermissionDenied, "a scoped caller cannot end queries of others"));
  }
  const auto param = request.path_params.find("id");
  const std::string text = param == request.path_params.end() ? std::string() : param->second;
  uint64_t id = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return error_answer(
        Error(ErrorCode::InvalidArgument, "not the number of a query: " + model::go_quote(text)));
  if (!scheduler_.cancel(id))
    return error_answer(
        Error(ErrorCode::NotFound, "no query " + text + " waits or runs; it may have ended"));
  return http::Response::no_content();
}

/// The log is replayed before anything answers.
http::Response QueryApi::replay_status(const http::Request&) const {
  ApiAnswer answer;
  http::JsonWriter(answer.data())
      .begin_object()
      .field("min", int64_t{0})
      .field("max", int64_t{0})
      .field("current", int64_t{0})
      .end_object();
  return std::move(answer).finish();
}

http::Response QueryApi::features(const http::Request&) const {
  const LanguageFeatures& language = engine_.options().features;
  ApiAnswer answer;
  http::JsonWriter json(answer.data());
  json.begin_object().key("api").begin_object();
  for (const std::string_view name :
       {"completeness", "exclude_alerts", "explain", "label_values_match", "lifecycle",
        "native_histograms_json", "query_stats", "query_warnings", "remote_read",
        "remote_write_receiver", "search", "search_fuzz_alg_jarowinkler",
        "search_fuzz_alg_subsequence", "time_range_labels", "time_range_series"})
    append_switch(json, name, true);
  json.end_object().key("promql").begin_object();
  append_switch(json, "anchored", language.extended_range_selectors);
  append_switch(json, "at_modifier", true);
  append_switch(json, "bool", true);
  append_switch(json, "by", true);
  append_switch(json, "delayed_name_removal", language.delayed_name_removal);
  append_switch(json, "duration_expr", true);
  append_switch(json, "fill", language.binop_fill_modifiers);
  append_switch(json, "group_left", true);
  append_switch(json, "group_right", true);
  append_switch(json, "ignoring", true);
  append_switch(json, "negative_offset", true);
  append_switch(json, "offset", true);
  append_switch(json, "on", true);
  append_switch(json, "smoothed", language.extended_range_selectors);
  append_switch(json, "subqueries", true);
  append_switch(json, "type_and_unit_labels", language.type_and_unit_labels);
  append_switch(json, "use_start_timestamps", language.use_start_timestamps);
  append_switch(json, "without", true);
  json.end_object().key("promql_functions").begin_object();
  for (const FunctionSignature& function : all_functions())
    append_switch(json, function.name, !function.experimental || language.experimental_functions);
  json.end_object().key("promql_operators").begin_object();
  for (const std::string_view name : kOperators) append_switch(json, name, true);
  json.end_object().end_object();
  return std::move(answer).finish();
}

}  // namespace aerie::query
