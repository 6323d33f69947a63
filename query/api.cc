#include "query/api.h"

#include <fmt/core.h>

#include <cmath>
#include <utility>

#include "http/json_writer.h"
#include "query/api_answer.h"
#include "query/parser.h"
#include "query/result_json.h"
#include "query/tree_json.h"

namespace aerie::query {
namespace {

constexpr int64_t kMaxPoints = 11'000;

Error invalid(std::string text) { return {ErrorCode::InvalidArgument, std::move(text)}; }

/// What `timeout`, `lookback_delta` and the client's patience say.
struct LimitsParameter {
  QueryLimits limits;
  std::optional<http::Response> refusal;
};

LimitsParameter limits_of(const http::Request& request) {
  LimitsParameter out;
  if (const auto text = request.params.get("timeout"); !text.empty()) {
    const auto seconds = duration_seconds(text);
    if (!seconds) {
      out.refusal = bad_parameter("timeout", seconds.error());
      return out;
    }
    // Zero would mean "the engine's own"; what is over already gets the shortest there is.
    const double milliseconds = std::fmin(std::fmax(*seconds * 1000, 1), 1e15);
    out.limits.timeout = std::chrono::milliseconds(static_cast<int64_t>(milliseconds));
  }
  if (const auto text = request.params.get("lookback_delta"); !text.empty()) {
    const auto seconds = duration_seconds(text);
    if (!seconds) {
      out.refusal =
          error_answer(Error(seconds.error()).with("error parsing lookback delta duration"));
      return out;
    }
    out.limits.lookback = static_cast<model::DurationMs>(std::fmax(*seconds, 0) * 1000);
  }
  out.limits.cancelled = [cancellation = request.cancellation] {
    return cancellation && cancellation->cancelled();
  };
  return out;
}

void append_stats(std::string& out, const QueryStats& stats) {
  out += ",\"stats\":";
  http::JsonWriter json(out);
  json.begin_object().key("timings").begin_object();
  json.key("evalTotalTime").number(stats.eval_seconds);
  json.key("resultSortTime").number(0);
  json.key("queryPreparationTime").number(0);
  json.key("innerEvalTime").number(stats.eval_seconds);
  json.key("execQueueTime").number(0);
  json.key("execTotalTime").number(stats.eval_seconds);
  json.end_object().key("samples").begin_object();
  json.field("totalQueryableSamples", static_cast<int64_t>(stats.samples_read));
  json.field("samplesRead", static_cast<int64_t>(stats.samples_read));
  json.field("peakSamples", static_cast<int64_t>(stats.peak_samples));
  json.end_object().end_object();
}

http::Response result_answer(const http::Request& request, Result<QueryResult> result,
                             size_t limit) {
  if (!result) {
    const Error& error = result.error();
    return error.code() == ErrorCode::InvalidArgument ? bad_parameter("query", error)
                                                      : error_answer(error);
  }
  ApiAnswer answer;
  answer.add(std::move(result->annotations));
  if (append_result(answer.data(), result->value, limit)) answer.warn(std::string(kTruncated));
  const std::string_view stats = request.params.get("stats");
  if (!stats.empty()) append_stats(answer.data(), result->stats);
  answer.data() += '}';
  if (!stats.empty() && stats != "true" && stats != "all") {
    answer.warn(
        fmt::format("value {} for parameter \"stats\" is deprecated and will be rejected in the "
                    "next major release, use \"true\" or \"all\"",
                    model::go_quote(stats)));
  }
  return std::move(answer).finish();
}

/// Milliseconds between points. Errors: InvalidArgument.
Result<model::DurationMs> step_parameter(const http::Parameters& params) {
  const auto seconds = duration_seconds(params.get("step"));
  if (!seconds) return seconds.error();
  const auto step = static_cast<model::DurationMs>(*seconds * 1000);
  if (step > 0) return step;
  return invalid(
      "zero or negative query resolution step widths are not accepted. Try a positive integer");
}

/// Whether an expression reads any series.
bool has_selector(const Expr& expr);

struct SelectorFinder {
  bool operator()(const NumberLiteral&) const { return false; }
  bool operator()(const StringLiteral&) const { return false; }
  bool operator()(const VectorSelector&) const { return true; }
  bool operator()(const MatrixSelector&) const { return true; }
  bool operator()(const Subquery& node) const { return has_selector(*node.expr); }
  bool operator()(const Unary& node) const { return has_selector(*node.expr); }
  bool operator()(const Paren& node) const { return has_selector(*node.expr); }
  bool operator()(const Binary& node) const {
    return has_selector(*node.left) || has_selector(*node.right);
  }
  bool operator()(const Aggregate& node) const {
    return has_selector(*node.expr) || (node.parameter && has_selector(*node.parameter));
  }
  bool operator()(const Call& node) const {
    for (const auto& arg : node.args) {
      if (has_selector(*arg)) return true;
    }
    return false;
  }
};

bool has_selector(const Expr& expr) { return std::visit(SelectorFinder{}, expr.node); }

}  // namespace

QueryApi::QueryApi(QueryApiOptions options, const Engine& engine, const store::Store& store,
                   const Clock& clock)
    : options_(std::move(options)),
      engine_(engine),
      store_(store),
      clock_(clock),
      started_(clock.now_ms()) {}

void QueryApi::register_routes(http::Router& router, WorkPool& pool) const {
  using Handler = http::Response (QueryApi::*)(const http::Request&) const;
  const std::pair<std::string_view, Handler> routes[] = {
      {"/api/v1/query", &QueryApi::instant},
      {"/api/v1/query_range", &QueryApi::range},
      {"/api/v1/query_exemplars", &QueryApi::exemplars},
      {"/api/v1/format_query", &QueryApi::format},
      {"/api/v1/parse_query", &QueryApi::parse},
      {"/api/v1/series", &QueryApi::series},
      {"/api/v1/labels", &QueryApi::label_names},
      {"/api/v1/label/{name}/values", &QueryApi::label_values},
      {"/api/v1/metadata", &QueryApi::metadata},
      {"/api/v1/status/buildinfo", &QueryApi::build_info},
      {"/api/v1/status/runtimeinfo", &QueryApi::runtime_info},
      {"/api/v1/status/flags", &QueryApi::flags},
      {"/api/v1/status/tsdb", &QueryApi::storage_status},
  };
  for (const auto& [pattern, handler] : routes) {
    router.blocking({http::Method::Get, http::Method::Post}, pattern, pool,
                    [this, handler = handler](const http::Request& request) {
                      return (this->*handler)(request);
                    });
  }
}

http::Response QueryApi::instant(const http::Request& request) const {
  const auto limit = limit_parameter(request.params);
  if (!limit) return bad_parameter("limit", limit.error());
  const auto time = time_parameter(request.params, "time", clock_.now_ms());
  if (!time) return bad_parameter("time", time.error());
  auto limits = limits_of(request);
  if (limits.refusal) return std::move(*limits.refusal);
  return result_answer(request, engine_.instant(request.params.get("query"), *time, limits.limits),
                       *limit);
}

http::Response QueryApi::range(const http::Request& request) const {
  const auto limit = limit_parameter(request.params);
  if (!limit) return bad_parameter("limit", limit.error());
  const auto start = time_parameter(request.params, "start", std::nullopt);
  if (!start) return bad_parameter("start", start.error());
  const auto end = time_parameter(request.params, "end", std::nullopt);
  if (!end) return bad_parameter("end", end.error());
  if (*end < *start)
    return bad_parameter("end", invalid("end timestamp must not be before start time"));
  const auto step = step_parameter(request.params);
  if (!step) return bad_parameter("step", step.error());
  const uint64_t span = static_cast<uint64_t>(*end) - static_cast<uint64_t>(*start);
  if (span / static_cast<uint64_t>(*step) > kMaxPoints) {
    return error_answer(
        invalid("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the "
                "query resolution (?step=XX)"));
  }
  auto limits = limits_of(request);
  if (limits.refusal) return std::move(*limits.refusal);
  return result_answer(
      request, engine_.range(request.params.get("query"), *start, *end, *step, limits.limits),
      *limit);
}

http::Response QueryApi::format(const http::Request& request) const {
  const auto expr = parse_expr(request.params.get("query"), engine_.options().features);
  if (!expr) return bad_parameter("query", expr.error());
  ApiAnswer answer;
  http::append_json_string(answer.data(), pretty(**expr));
  return std::move(answer).finish();
}

http::Response QueryApi::parse(const http::Request& request) const {
  const auto expr = parse_expr(request.params.get("query"), engine_.options().features);
  if (!expr) return bad_parameter("query", expr.error());
  ApiAnswer answer;
  append_tree(answer.data(), **expr);
  return std::move(answer).finish();
}

http::Response QueryApi::exemplars(const http::Request& request) const {
  const auto times = range_parameters(request.params);
  if (times.refusal) return *times.refusal;
  if (times.range.last < times.range.first)
    return error_answer(invalid("end timestamp must not be before start timestamp"));
  const auto expr = parse_expr(request.params.get("query"), engine_.options().features);
  if (!expr) return error_answer(expr.error());
  if (!has_selector(**expr)) return http::Response::no_content();
  // TODO: return what the store keeps once it can be read by series.
  ApiAnswer answer;
  answer.data() += "[]";
  return std::move(answer).finish();
}

}  // namespace aerie::query
