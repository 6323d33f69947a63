#include "query/api.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "http/json_writer.h"
#include "query/api_answer.h"
#include "query/explain.h"
#include "query/parser.h"
#include "query/result_json.h"
#include "query/tree_json.h"

namespace aerie::query {
namespace {

constexpr int64_t kMaxPoints = 11'000;

/// Start, end and step of a range query; a step of 0: at one time.
using RangeParameters = ResultCache::Range;

Error invalid(std::string text) { return {ErrorCode::InvalidArgument, std::move(text)}; }

/// What `timeout`, `lookback_delta` and the client's patience say.
struct LimitsParameter {
  QueryLimits limits;
  std::optional<http::Response> refusal;
};

LimitsParameter limits_of(const http::Request& request, const QueryRecord& record,
                          const model::SampleSource& source) {
  LimitsParameter out;
  out.limits.waited = std::chrono::nanoseconds(record.started_ns - record.arrived_ns);
  out.limits.source = &source;
  out.limits.count_queryable = !request.params.get("stats").empty();
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

void append_cache(std::string& out, const CacheUse& use) {
  http::JsonWriter json(out);
  json.begin_object().field("state", use.state);
  json.field("reusedSteps", static_cast<int64_t>(use.reused_steps));
  json.field("evaluatedSteps", static_cast<int64_t>(use.evaluated_steps));
  json.field("change", static_cast<int64_t>(use.change)).end_object();
}

/// With or without what the cache did: of range queries only.
void append_stats(std::string& out, const QueryStats& stats, const QueryRecord& record,
                  const CacheUse* use) {
  const double waited = static_cast<double>(record.started_ns - record.arrived_ns) / 1e9;
  out += ",\"stats\":";
  http::JsonWriter json(out);
  json.begin_object().key("timings").begin_object();
  json.key("evalTotalTime").number(stats.eval_seconds);
  json.key("resultSortTime").number(0);
  json.key("queryPreparationTime").number(0);
  json.key("innerEvalTime").number(stats.eval_seconds);
  json.key("execQueueTime").number(waited);
  json.key("execTotalTime").number(stats.eval_seconds + waited);
  json.end_object().key("samples").begin_object();
  json.field("totalQueryableSamples", static_cast<int64_t>(stats.queryable_samples));
  json.field("samplesRead", static_cast<int64_t>(stats.samples_read));
  json.field("peakSamples", static_cast<int64_t>(stats.peak_samples));
  json.end_object();
  if (use != nullptr) {
    std::string cache;
    append_cache(cache, *use);
    json.key("cache").raw(cache);
  }
  json.end_object();
}

/// Names what a caller may see, for the cache.
std::string scope_name(const model::Matchers& scope) {
  std::string name;
  for (const model::Matcher& matcher : scope) name += matcher.to_string() + ",";
  return name;
}

bool wants_no_cache(const http::Parameters& params) {
  const std::string_view text = params.get("nocache");
  return !text.empty() && text != "0" && text != "false";
}

/// What equal queries agree in.
std::string key_of(std::string_view query, const RangeParameters& times, std::string_view scope,
                   const QueryLimits& limits) {
  return fmt::format("{}{}{} {} {} {} {} {}", scope, '\0', times.start, times.end, times.step,
                     limits.lookback, limits.count_queryable, query);
}

/// Writes the series of a large matrix while they are evaluated.
class StreamedMatrix {
 public:
  /// `answer` outlives this.
  StreamedMatrix(ApiAnswer& answer, size_t limit) : answer_(answer), limit_(limit) {}
  SeriesSink sink() {
    return [this](MatrixSeries& series) {
      if (!writer_) writer_.emplace(answer_.data(), limit_);
      writer_->add(series);
      answer_.pack();
    };
  }
  /// True if some series were left out.
  bool finish() { return writer_->finish(); }

 private:
  ApiAnswer& answer_;
  const size_t limit_;
  std::optional<MatrixWriter> writer_;
};

struct Answered {
  ConcurrentQueries::ResultPtr result;
  size_t limit = 0;
  std::string completeness;  ///< JSON, or empty
  std::vector<std::string> late;
  std::optional<CacheUse> cache;
  StreamedMatrix* streamed = nullptr;  ///< of range queries
};

/// Writes what is not written yet.
bool append_value(ApiAnswer& answer, const QueryResult& result, size_t limit,
                  StreamedMatrix* streamed) {
  if (result.streamed) return streamed->finish();
  return append_result(answer.data(), result.value, limit);
}

http::Response result_answer(const http::Request& request, ApiAnswer& answer, Answered answered,
                             QueryRecord& record) {
  const Result<QueryResult>& result = *answered.result;
  if (!result) {
    const Error& error = result.error();
    return error.code() == ErrorCode::InvalidArgument ? bad_parameter("query", error)
                                                      : error_answer(error);
  }
  record.samples_read = result->stats.samples_read;
  answer.add(result->annotations);
  for (std::string& late : answered.late) answer.warn(std::move(late));
  if (append_value(answer, *result, answered.limit, answered.streamed))
    answer.warn(std::string(kTruncated));
  const std::string_view stats = request.params.get("stats");
  if (!stats.empty())
    append_stats(answer.data(), result->stats, record, answered.cache ? &*answered.cache : nullptr);
  if (!answered.completeness.empty()) {
    answer.data() += ",\"completeness\":";
    answer.data() += answered.completeness;
  }
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

/// The response when something is wrong with it.
std::optional<http::Response> range_of(const http::Parameters& params, RangeParameters& out) {
  const auto start = time_parameter(params, "start", std::nullopt);
  if (!start) return bad_parameter("start", start.error());
  const auto end = time_parameter(params, "end", std::nullopt);
  if (!end) return bad_parameter("end", end.error());
  if (*end < *start)
    return bad_parameter("end", invalid("end timestamp must not be before start time"));
  const auto step = step_parameter(params);
  if (!step) return bad_parameter("step", step.error());
  const uint64_t span = static_cast<uint64_t>(*end) - static_cast<uint64_t>(*start);
  if (span / static_cast<uint64_t>(*step) > kMaxPoints) {
    return error_answer(
        invalid("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the "
                "query resolution (?step=XX)"));
  }
  out = {*start, *end, *step};
  return std::nullopt;
}

}  // namespace

QueryApi::QueryApi(QueryApiOptions options, const Engine& engine, const store::Store& store,
                   const Clock& clock)
    : options_(std::move(options)),
      engine_(engine),
      store_(store),
      clock_(clock),
      started_(clock.now_ms()),
      scheduler_(clock),
      cache_({options_.cache_bytes, options_.metrics}, engine, store.changes()),
      concurrent_(options_.metrics) {}

http::Response QueryApi::instant(const http::Request& request, const View& view,
                                 QueryRecord& record) const {
  const auto limit = limit_parameter(request.params);
  if (!limit) return bad_parameter("limit", limit.error());
  const auto time = time_parameter(request.params, "time", clock_.now_ms());
  if (!time) return bad_parameter("time", time.error());
  auto limits = limits_of(request, record, view.source);
  if (limits.refusal) return std::move(*limits.refusal);
  const std::string_view query = request.params.get("query");
  const auto expr = parse_expr(query, engine_.options().features);
  if (!expr) return bad_parameter("query", expr.error());
  limits.limits.text = query;
  const auto evaluate = [&](const QueryLimits& left) {
    return engine_.instant(**expr, *time, left);
  };
  const std::string key = key_of(query, {*time, *time, 0}, scope_name(view.scope), limits.limits);
  Answered answered{evaluated(key, limits.limits, evaluate).result, *limit, {}, {}, {}, nullptr};
  answered.completeness =
      completeness(request, **expr, view, {*time, *time, clock_.now_ms()}, answered.late);
  ApiAnswer answer;
  return result_answer(request, answer, std::move(answered), record);
}

http::Response QueryApi::range(const http::Request& request, const View& view,
                               QueryRecord& record) const {
  const auto limit = limit_parameter(request.params);
  if (!limit) return bad_parameter("limit", limit.error());
  RangeParameters times;
  if (auto refusal = range_of(request.params, times)) return std::move(*refusal);
  auto limits = limits_of(request, record, view.source);
  if (limits.refusal) return std::move(*limits.refusal);
  const std::string_view query = request.params.get("query");
  const auto expr = parse_expr(query, engine_.options().features);
  if (!expr) return bad_parameter("query", expr.error());
  limits.limits.text = query;
  CacheUse use;
  const std::string scope = scope_name(view.scope);
  ApiAnswer answer(http::preferred_coding(request.headers.get("Accept-Encoding")));
  StreamedMatrix streamed(answer, *limit);
  const SeriesSink sink = streamed.sink();
  limits.limits.overflow = &sink;
  Answered answered{nullptr, *limit, {}, {}, {}, &streamed};
  if (wants_no_cache(request.params)) {
    answered.result = std::make_shared<const Result<QueryResult>>(
        engine_.range(**expr, times.start, times.end, times.step, limits.limits));
  } else {
    const auto evaluate = [&](const QueryLimits& left) {
      return cache_.range(**expr, times, scope, left, use);
    };
    auto shared = evaluated(key_of(query, times, scope, limits.limits), limits.limits, evaluate);
    answered.result = std::move(shared.result);
    if (shared.waited) use.state = "shared";
  }
  answered.cache = use;
  answered.completeness =
      completeness(request, **expr, view, {times.start, times.end, clock_.now_ms()}, answered.late);
  return result_answer(request, answer, std::move(answered), record);
}

http::Response QueryApi::explain(const http::Request& request, const View& view,
                                 QueryRecord& record) const {
  auto limits = limits_of(request, record, view.source);
  if (limits.refusal) return std::move(*limits.refusal);
  PlanRecorder recorder(clock_);
  limits.limits.recorder = &recorder;
  limits.limits.count_queryable = true;
  const std::string_view query = request.params.get("query");
  const auto expr = parse_expr(query, engine_.options().features);
  if (!expr) return bad_parameter("query", expr.error());
  limits.limits.text = query;
  Result<QueryResult> result = invalid("");
  std::optional<CacheUse> use;
  if (request.params.has("start")) {
    RangeParameters times;
    if (auto refusal = range_of(request.params, times)) return std::move(*refusal);
    use = cache_.look(**expr, times, scope_name(view.scope), limits.limits);
    result = engine_.range(**expr, times.start, times.end, times.step, limits.limits);
  } else {
    const auto time = time_parameter(request.params, "time", clock_.now_ms());
    if (!time) return bad_parameter("time", time.error());
    result = engine_.instant(**expr, *time, limits.limits);
  }
  if (!result) {
    const Error& error = result.error();
    return error.code() == ErrorCode::InvalidArgument ? bad_parameter("query", error)
                                                      : error_answer(error);
  }
  record.samples_read = result->stats.samples_read;
  ApiAnswer answer;
  answer.add(std::move(result->annotations));
  answer.data() += "{\"plan\":";
  if (recorder.root() != nullptr) {
    append_plan(answer.data(), *recorder.root());
  } else {
    answer.data() += "null";
  }
  append_stats(answer.data(), result->stats, record, use ? &*use : nullptr);
  answer.data() += '}';
  return std::move(answer).finish();
}

ConcurrentQueries::Shared QueryApi::evaluated(const std::string& key, const QueryLimits& limits,
                                              const ConcurrentQueries::Evaluate& evaluate) const {
  const store::Changes* changes = store_.changes();
  if (changes == nullptr)
    return {std::make_shared<const Result<QueryResult>>(evaluate(limits)), false};
  // Who asks after a change must see it.
  return concurrent_.run(fmt::format("{} {}", changes->number(), key), limits, evaluate);
}

std::string QueryApi::completeness(const http::Request& request, const Expr& expr, const View& view,
                                   const CompletenessRequest& asked,
                                   std::vector<std::string>& warnings) const {
  const std::string_view wanted = request.params.get("completeness");
  if (wanted == "0" || wanted == "false" || !options_.arrivals) return {};
  std::vector<store::ClusterArrival> known = options_.arrivals();
  std::erase_if(known, [&](const store::ClusterArrival& arrival) {
    return std::any_of(view.scope.begin(), view.scope.end(), [&](const model::Matcher& matcher) {
      return matcher.name() == "cluster" && !matcher.matches(arrival.cluster);
    });
  });
  if (known.empty()) return {};
  const auto clusters = completeness_of(expr, asked, known);
  if (clusters.empty()) return {};
  for (const ClusterCompleteness& cluster : clusters)
    if (cluster.late) warnings.push_back(describe_late(cluster));
  std::string json;
  append_completeness(json, clusters, wanted == "all");
  return json;
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

}  // namespace aerie::query
