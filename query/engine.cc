#include "query/engine.h"

#include <algorithm>
#include <unordered_map>

#include "query/extended_windows.h"
#include "query/label_projection.h"
#include "query/parser.h"
#include "query/planner.h"
#include "query/shared_parts.h"
#include "query/unique_series.h"
#include "query/windows.h"

namespace aerie::query {
namespace {

/// The end of delayed name removal, and the moment when labels are built at all.
void drop_names(std::vector<SeriesInfo>& series) {
  for (SeriesInfo& info : series) {
    if (!info.drop_name) continue;
    info.labels = without_metadata(info.labels);
    info.drop_name = false;
  }
}

/// Labels as the user sees them. Delayed removal may make series coincide only now.
StreamPtr with_final_names(StreamPtr stream, const Steps& steps, QueryContext& context) {
  class Renamed final : public SeriesStream {
   public:
    Renamed(StreamPtr input, std::vector<SeriesInfo> series)
        : SeriesStream(std::move(series)), input_(std::move(input)) {}
    Status produce(Row& row) override { return input_->next(row); }

   private:
    const StreamPtr input_;
  };
  std::vector<SeriesInfo> series = stream->take_series();
  drop_names(series);
  StreamPtr renamed = std::make_unique<Renamed>(std::move(stream), std::move(series));
  if (!context.features().delayed_name_removal) return renamed;
  return unique_series(std::move(renamed), EqualSeries::MergeSteps, LabelChange::Any, steps,
                       context);
}

Result<Value> to_vector(StreamPtr stream, const Steps& steps) {
  std::vector<SeriesInfo> series = stream->take_series();
  VectorValue vector;
  Row row;
  for (SeriesInfo& info : series) {
    if (auto read = stream->next(row); !read) return std::move(read).error();
    if (!row.has(0)) continue;
    VectorElement element{std::move(info.labels), steps.start, row.values[0], nullptr};
    if (row.is_histogram(0)) element.histogram = row.histograms[0];
    vector.push_back(std::move(element));
  }
  return Value(std::move(vector));
}

bool by_labels(const model::Labels& a, const model::Labels& b) { return (a <=> b) < 0; }

void sort_by_labels(MatrixValue& matrix) {
  std::sort(matrix.begin(), matrix.end(), [](const MatrixSeries& a, const MatrixSeries& b) {
    return by_labels(a.labels, b.labels);
  });
}

/// Keeps the series of a matrix, or hands them on when there are too many to keep.
class MatrixCollector {
 public:
  /// `sorted`: series are added in the order of their labels. `overflow` may be null.
  MatrixCollector(bool sorted, const SeriesSink* overflow) : sorted_(sorted), overflow_(overflow) {}

  void add(MatrixSeries series) {
    samples_ += series.values.size() + series.histograms.size();
    matrix_.push_back(std::move(series));
    if (sorted_ && overflows()) hand_on();
  }
  /// What is left; `streamed` says whether there was an overflow.
  MatrixValue finish(bool& streamed) {
    if (!sorted_) sort_by_labels(matrix_);
    if (overflows()) hand_on();
    streamed = overflows();
    return std::move(matrix_);
  }

 private:
  bool overflows() const { return overflow_ != nullptr && samples_ > kMaxCollectedSamples; }
  void hand_on() {
    for (MatrixSeries& series : matrix_) {
      (*overflow_)(series);
      series = MatrixSeries();  // its memory goes before the next one is written
    }
    matrix_.clear();
  }

  const bool sorted_;
  const SeriesSink* const overflow_;
  size_t samples_ = 0;
  MatrixValue matrix_;
};

MatrixSeries series_of(const Row& row, const Steps& steps, size_t samples,
                       const std::vector<model::TimestampMs>& times) {
  MatrixSeries out;
  if (samples == steps.count && row.histograms.empty()) {
    out.timestamps = times;
    out.values = row.values;
    return out;
  }
  out.timestamps.reserve(samples);
  out.values.reserve(samples);
  for_each_present(row.present, [&](size_t step) {
    if (row.is_histogram(step)) {
      out.histograms.emplace_back(steps.at(step), row.histograms[step]);
    } else {
      out.timestamps.push_back(steps.at(step));
      out.values.push_back(row.values[step]);
    }
  });
  return out;
}

Result<Value> to_matrix(StreamPtr stream, const Steps& steps, QueryContext& context,
                        bool& streamed) {
  std::vector<SeriesInfo> series = stream->take_series();
  std::vector<model::TimestampMs> times(steps.count);
  for (size_t i = 0; i < steps.count; ++i) times[i] = steps.at(i);
  const bool sorted = std::is_sorted(
      series.begin(), series.end(),
      [](const SeriesInfo& a, const SeriesInfo& b) { return by_labels(a.labels, b.labels); });
  MatrixCollector matrix(sorted, context.overflow());
  Row row;
  for (SeriesInfo& info : series) {
    if (auto read = stream->next(row); !read) return std::move(read).error();
    const size_t samples = count_present(row.present);
    if (samples == 0) continue;
    if (auto held = context.budget().hold(samples); !held) return std::move(held).error();
    MatrixSeries out = series_of(row, steps, samples, times);
    out.labels = std::move(info.labels);
    matrix.add(std::move(out));
  }
  return Value(matrix.finish(streamed));
}

/// A range selector by itself: its samples as they are.
Result<Value> raw_matrix(RangePtr range, QueryContext& context) {
  std::vector<SeriesInfo> series = range->take_series();
  drop_names(series);
  MatrixValue matrix;
  model::SeriesSamples samples;
  for (SeriesInfo& info : series) {
    if (auto read = range->next(samples); !read) return std::move(read).error();
    if (range->grid().mode != RangeMode::Plain) {
      if (auto extended = extend_to_edges(range->grid(), samples); !extended)
        return std::move(extended).error();
    }
    if (samples.empty()) continue;
    if (auto held = context.budget().hold(samples.values.size()); !held)
      return std::move(held).error();
    MatrixSeries out{std::move(info.labels), samples.timestamps, samples.values, {}};
    for (const model::HistogramSample& sample : samples.histograms)
      out.histograms.emplace_back(sample.t, sample.histogram);
    matrix.push_back(std::move(out));
  }
  sort_by_labels(matrix);
  return Value(std::move(matrix));
}

MatrixValue scalar_matrix(const ScalarColumn& scalar, const Steps& steps) {
  MatrixSeries series;
  for (size_t i = 0; i < steps.count; ++i) {
    series.timestamps.push_back(steps.at(i));
    series.values.push_back(scalar.at(i));
  }
  return {std::move(series)};
}

Result<Value> evaluate(const Expr& expr, const Steps& steps, QueryContext& context,
                       bool& streamed) {
  SharedParts shared(expr, context);
  Planner planner(context, &shared);
  const bool instant = context.request().step == 0;
  switch (value_type(expr)) {
    case ValueType::Scalar: {
      auto scalar = planner.scalar(expr, steps);
      if (!scalar) return std::move(scalar).error();
      if (instant) return Value(ScalarValue{steps.start, scalar->at(0)});
      return Value(scalar_matrix(*scalar, steps));
    }
    case ValueType::String: return Value(StringValue{steps.start, text_argument(expr)});
    case ValueType::Matrix: {
      auto range = planner.range(expr, steps);
      if (!range) return std::move(range).error();
      return raw_matrix(std::move(range).value(), context);
    }
    default: break;
  }
  auto stream = planner.vector(expr, steps);
  if (!stream) return std::move(stream).error();
  StreamPtr named = with_final_names(std::move(stream).value(), steps, context);
  if (instant) return to_vector(std::move(named), steps);
  return to_matrix(std::move(named), steps, context, streamed);
}

Result<QueryResult> run(const Expr& expr, std::string_view text,
                        const QueryContext::Request& request, const QueryLimits& limits,
                        const QueryContext::Services& engine) {
  const int64_t started_ns = engine.clock.monotonic_ns();
  QueryContext context(engine, limits, request);
  Steps steps{request.start, 1, 1};
  if (request.step > 0)
    steps = {request.start, request.step,
             static_cast<size_t>((request.end - request.start) / request.step) + 1};
  if (auto fits = context.check_steps(steps.count); !fits) return std::move(fits).error();
  QueryResult result;
  auto value = evaluate(expr, steps, context, result.streamed);
  if (!value) return std::move(value).error();
  result.value = std::move(value).value();
  result.annotations = context.annotations().render(text);
  result.range_dependent = context.range_dependent();
  result.stats.samples_read = context.samples_read();
  result.stats.queryable_samples = context.queryable_samples();
  result.stats.peak_samples = context.budget().peak();
  result.stats.eval_seconds = static_cast<double>(engine.clock.monotonic_ns() - started_ns) / 1e9;
  return result;
}

Status check_range(const Expr& expr, model::TimestampMs start, model::TimestampMs end,
                   model::DurationMs step) {
  if (step <= 0)
    return Error(ErrorCode::InvalidArgument,
                 "zero or negative query resolution step widths are not accepted");
  if (end < start)
    return Error(ErrorCode::InvalidArgument, "end timestamp must not be before start time");
  const ValueType type = value_type(expr);
  if (type == ValueType::Vector || type == ValueType::Scalar) return {};
  return Error(ErrorCode::InvalidArgument,
               "invalid expression type \"" + std::string(value_type_name(type)) +
                   "\" for range query, must be Scalar or instant Vector");
}

}  // namespace

Engine::Engine(EngineOptions options, const model::SampleSource& source, const Clock& clock)
    : options_(std::move(options)),
      source_(source),
      clock_(clock),
      memory_(options_.max_total_memory_bytes == 0
                  ? nullptr
                  : std::make_unique<Admission>(options_.max_total_memory_bytes)) {}

Result<QueryResult> Engine::instant(std::string_view query, model::TimestampMs t,
                                    const QueryLimits& limits) const {
  auto expr = parse_expr(query, options_.features);
  if (!expr) return std::move(expr).error();
  return run(**expr, query, {t, t, 0}, limits, {options_, source_, clock_, memory_.get()});
}

Result<QueryResult> Engine::instant(const Expr& expr, model::TimestampMs t,
                                    const QueryLimits& limits) const {
  return run(expr, limits.text, {t, t, 0}, limits, {options_, source_, clock_, memory_.get()});
}

Result<QueryResult> Engine::range(std::string_view query, model::TimestampMs start,
                                  model::TimestampMs end, model::DurationMs step,
                                  const QueryLimits& limits) const {
  auto expr = parse_expr(query, options_.features);
  if (!expr) return std::move(expr).error();
  if (auto valid = check_range(**expr, start, end, step); !valid) return std::move(valid).error();
  return run(**expr, query, {start, end, step}, limits, {options_, source_, clock_, memory_.get()});
}

Result<QueryResult> Engine::range(const Expr& expr, model::TimestampMs start,
                                  model::TimestampMs end, model::DurationMs step,
                                  const QueryLimits& limits) const {
  if (auto valid = check_range(expr, start, end, step); !valid) return std::move(valid).error();
  return run(expr, limits.text, {start, end, step}, limits,
             {options_, source_, clock_, memory_.get()});
}

}  // namespace aerie::query
