#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/admission.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/sample_source.h"
#include "query/ast.h"
#include "query/value.h"

namespace aerie::query {

struct EngineOptions {
  model::DurationMs lookback = 5LL * 60 * 1000;  ///< `--query.lookback-delta`
  uint64_t max_samples = 50'000'000;             ///< `--query.max-samples`, held in memory at once
  std::chrono::milliseconds timeout{120'000};    ///< `--query.timeout`
  model::DurationMs default_subquery_step = 60'000;  ///< global evaluation interval
  /// `--query.max-memory`, `--query.max-total-memory`: of the samples that one query, that all
  /// queries hold at once; 0: no limit.
  uint64_t max_memory_bytes = 0;
  uint64_t max_total_memory_bytes = 0;
  LanguageFeatures features;
};

class PlanRecorder;

/// Takes the series of a matrix one after the other, sorted by labels. May change what it is given.
using SeriesSink = std::function<void(MatrixSeries& series)>;

/// What a matrix may hold before it goes to QueryLimits::overflow.
inline constexpr size_t kMaxCollectedSamples = size_t{1} << 18;

/// Per query. The engine looks at `cancelled` at least once per series and every few thousand
/// steps.
struct QueryLimits {
  model::DurationMs lookback = 0;               ///< 0: the engine's
  std::chrono::milliseconds timeout{0};         ///< 0: the engine's; a larger one is capped to it
  std::chrono::nanoseconds waited{0};           ///< of the timeout, spent before the evaluation
  std::function<bool()> cancelled;              ///< may be empty
  const model::SampleSource* source = nullptr;  ///< instead of the engine's: a part of it
  bool count_queryable = false;                 ///< fill QueryStats::queryable_samples
  std::string_view text;  ///< of an expression that is given parsed: notices point into it
  PlanRecorder* recorder = nullptr;  ///< writes down what each part costs
  /// range(): takes the series, in place of the result, when there are more than
  /// kMaxCollectedSamples samples (QueryResult::streamed). An error may still come after some.
  const SeriesSink* overflow = nullptr;
};

/// Evaluates PromQL over a source. Stateless between queries; thread-safe. Does not own threads:
/// runs on the caller's.
class Engine {
 public:
  Engine(EngineOptions options, const model::SampleSource& source,
         const Clock& clock);  // both outlive the engine

  /// At one time. The result has the expression's own type (a matrix for a range selector).
  /// Errors: InvalidArgument (parse), Execution (Prometheus's text), ResourceExhausted,
  /// DeadlineExceeded, Cancelled, IoError.
  Result<QueryResult> instant(std::string_view query, model::TimestampMs t,
                              const QueryLimits& limits = {}) const;
  Result<QueryResult> instant(const Expr& expr, model::TimestampMs t,
                              const QueryLimits& limits = {}) const;

  /// At start, start+step, … while <= end; always a MatrixValue. `step > 0`, `start <= end`; scalar
  /// or vector expressions only.
  Result<QueryResult> range(std::string_view query, model::TimestampMs start,
                            model::TimestampMs end, model::DurationMs step,
                            const QueryLimits& limits = {}) const;
  Result<QueryResult> range(const Expr& expr, model::TimestampMs start, model::TimestampMs end,
                            model::DurationMs step, const QueryLimits& limits = {}) const;

  const EngineOptions& options() const { return options_; }

 private:
  const EngineOptions options_;
  const model::SampleSource& source_;
  const Clock& clock_;
  const std::unique_ptr<Admission> memory_;  // of all queries; null: no limit
};

}  // namespace aerie::query
