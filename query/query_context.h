#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/result.h"
#include "model/sample_source.h"
#include "query/annotations.h"
#include "query/engine.h"

namespace aerie::query {

/// Counts the samples that a query holds in memory at once. One query, one thread.
class SampleBudget {
 public:
  explicit SampleBudget(uint64_t limit) : limit_(limit) {}
  /// Errors: ResourceExhausted with Prometheus's text when more than the limit would be held.
  Status hold(uint64_t samples);
  void release(uint64_t samples) { held_ -= samples; }
  uint64_t peak() const { return peak_; }

 private:
  const uint64_t limit_;
  uint64_t held_ = 0;
  uint64_t peak_ = 0;
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
  QueryContext(const EngineOptions& options, const model::SampleSource& source, const Clock& clock,
               const QueryLimits& limits, Request request);

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
};

}  // namespace aerie::query
