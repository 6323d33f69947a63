#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

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
  LanguageFeatures features;
};

/// Per query. The engine looks at `cancelled` now and then.
struct QueryLimits {
  model::DurationMs lookback = 0;        ///< 0: the engine's
  std::chrono::milliseconds timeout{0};  ///< 0: the engine's; a larger one is capped to it
  std::function<bool()> cancelled;       ///< may be empty
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
};

}  // namespace aerie::query
