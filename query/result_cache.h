#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "query/engine.h"
#include "query/reuse.h"
#include "query/steps.h"
#include "store/byte_cache.h"
#include "store/changes.h"

namespace aerie::query {

/// What came from the cache, for `stats` and explain.
struct CacheUse {
  std::string_view state = "bypass";  ///< `bypass`, `unusable`, `miss`, `partial`, `hit`
  size_t reused_steps = 0;
  size_t evaluated_steps = 0;
  uint64_t change = 0;  ///< number of the last change of the store that the answer knows for sure
};

/// Remembers answers to range queries and evaluates only what may have changed: what it answers is
/// what the engine would, to the bit, errors and notices included; but for limits, which count what
/// is really done. Answers with notices or histograms, and expressions that dependence_of() rules
/// out, go to the engine whole. Thread-safe. docs/decisions/0141.
class ResultCache {
 public:
  struct Options {
    size_t limit_bytes = 0;             ///< `--query.cache-size`; 0: nothing is remembered
    MetricRegistry* metrics = nullptr;  ///< outlives the cache; null: none
  };
  /// `engine` and `changes` (null: nothing is remembered) outlive the cache.
  ResultCache(Options options, const Engine& engine, const store::Changes* changes);

  struct Range {
    model::TimestampMs start = 0;
    model::TimestampMs end = 0;
    model::DurationMs step = 1;
  };
  /// As Engine::range. `scope` names the part of the store behind `limits.source`: equal names,
  /// equal parts.
  Result<QueryResult> range(const Expr& expr, const Range& range, std::string_view scope,
                            const QueryLimits& limits, CacheUse& use);
  /// What range() would reuse now. Evaluates nothing.
  CacheUse look(const Expr& expr, const Range& range, std::string_view scope,
                const QueryLimits& limits) const;

  size_t bytes() const { return answers_.bytes(); }

 private:
  /// One series over the steps of an answer.
  struct Column {
    model::Labels labels;
    std::vector<double> values;     // of all steps
    std::vector<uint64_t> present;  // bits
  };
  struct Answer {
    Steps steps;
    uint64_t change = 0;          // what was noted later is not in it for sure
    std::vector<Column> columns;  // sorted by labels
  };
  using AnswerPtr = std::shared_ptr<const Answer>;
  struct Found {
    AnswerPtr answer;
    size_t first = 0;     // of the answer's steps, that of the range's first step
    size_t reusable = 0;  // steps from there on that still hold
  };
  /// Steps of an answer.
  struct Part {
    const Answer* answer = nullptr;
    size_t first = 0;
    size_t count = 0;
  };
  struct Asked {
    std::string key;
    Steps steps;
    Dependence dependence;
  };

  std::optional<Asked> asked(const Expr& expr, const Range& range, std::string_view scope,
                             const QueryLimits& limits) const;
  static Found find(const Asked& asked, AnswerPtr answer, model::TimestampMs oldest);
  Result<QueryResult> reuse(const Expr& expr, const Range& range, std::string_view scope,
                            const QueryLimits& limits, CacheUse& use);
  Result<QueryResult> whole(const Expr& expr, const Range& range, const QueryLimits& limits) const;
  AnswerPtr remember(const Asked& asked, const Found& found, uint64_t change,
                     const MatrixValue& fresh);
  static Answer joined(const Part& old, const MatrixValue& fresh, const Steps& fresh_steps);
  static MatrixValue slice(const Answer& answer, size_t first, size_t count);
  void count(const CacheUse& use);

  struct Meters {
    Counter* steps_reused = nullptr;
    Counter* steps_evaluated = nullptr;
    Counter* queries[5] = {};
  };

  const Engine& engine_;
  const store::Changes* const changes_;
  const size_t limit_bytes_;
  Meters meters_;
  mutable store::ByteCache<std::string, Answer> answers_;
};

}  // namespace aerie::query
