#pragma once

#include <cstdint>
#include <vector>

#include "base/admission.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/sample_source.h"
#include "query/annotations.h"
#include "query/engine.h"

namespace aerie::query {

/// Counts the samples that a query holds in memory at once. One query, one thread.
class SampleBudget {
 public:
  struct Limits {
    uint64_t samples = 0;
    uint64_t bytes = 0;          ///< 0: no limit
    Admission* total = nullptr;  ///< of all queries; null: no limit; outlives the budget
  };
  explicit SampleBudget(Limits limits) : limits_(limits) {}
  /// Errors: ResourceExhausted with Prometheus's text when more than the limit would be held, or
  /// with ours when that would take more memory than one query may; Unavailable when all queries
  /// together would take more than they may.
  Status hold(uint64_t samples);
  void release(uint64_t samples) { held_ -= samples; }
  uint64_t peak() const { return peak_; }

 private:
  Status take_memory();

  const Limits limits_;
  uint64_t held_ = 0;
  uint64_t peak_ = 0;
  uint64_t taken_bytes_ = 0;
  std::vector<Admission::Permit> permits_;
};

/// What the operators of one query share: where samples come from, its limits, its notices.
/// Outlives its operators.
class QueryContext {
 public:
  struct Request {
    model::TimestampMs start = 0;
    model::TimestampMs end = 0;
    model::DurationMs step = 0;  ///< 0: an instant query
  };
  /// What belongs to the engine; outlives the query.
  struct Services {
    const EngineOptions& options;
    const model::SampleSource& source;
    const Clock& clock;
    Admission* memory = nullptr;
  };
  QueryContext(const Services& engine, const QueryLimits& limits, Request request);

  /// Errors: Cancelled, DeadlineExceeded. Called at least once per series.
  Status check() const;

  /// Refuses, before anything is allocated, so many steps that one series over them would be past
  /// the limit of samples. Errors: ResourceExhausted.
  Status check_steps(uint64_t steps) const;

  const model::SampleSource& source() const { return source_; }
  const LanguageFeatures& features() const { return options_.features; }
  const EngineOptions& options() const { return options_; }
  const Request& request() const { return request_; }
  model::DurationMs lookback() const { return lookback_; }
  SampleBudget& budget() { return budget_; }
  AnnotationSet& annotations() { return annotations_; }
  void count_samples_read(uint64_t samples) { samples_read_ += samples; }
  uint64_t samples_read() const { return samples_read_; }
  PlanRecorder* recorder() const { return recorder_; }
  const SeriesSink* overflow() const { return overflow_; }

  /// Notes that the answer over a part of the range may be another one than that part of the
  /// answer: series with different names may have become equal.
  void mark_range_dependent() { range_dependent_ = true; }
  bool range_dependent() const { return range_dependent_; }

  /// How often a sample counts as queryable that is looked at once by what is being planned: as
  /// often as it is repeated over steps, not at all inside of a subquery or when nobody asked.
  uint64_t counted_times() const { return counted_times_; }
  void count_queryable(uint64_t samples) { queryable_samples_ += samples; }
  uint64_t queryable_samples() const { return queryable_samples_; }
  /// Multiplies counted_times() while it lives.
  class Counted {
   public:
    Counted(QueryContext& context, uint64_t times)
        : context_(context), before_(context.counted_times_) {
      context.counted_times_ *= times;
    }
    ~Counted() { context_.counted_times_ = before_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

   private:
    QueryContext& context_;
    const uint64_t before_;
  };

 private:
  const EngineOptions& options_;
  const model::SampleSource& source_;
  const Clock& clock_;
  const Request request_;
  const model::DurationMs lookback_;
  const std::function<bool()>& cancelled_;
  int64_t deadline_ns_ = 0;
  SampleBudget budget_;
  AnnotationSet annotations_;
  uint64_t samples_read_ = 0;
  PlanRecorder* const recorder_;
  const SeriesSink* const overflow_;
  uint64_t counted_times_;
  uint64_t queryable_samples_ = 0;
  bool range_dependent_ = false;
  mutable uint32_t checks_ = 0;
};

}  // namespace aerie::query
