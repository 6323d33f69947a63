#pragma once

#include <string>
#include <vector>

#include "model/sample_source.h"

namespace aerie::query {

/// A list of series, for tests. Not thread-safe while it is being filled.
class MemorySource final : public model::SampleSource {
 public:
  /// Labels may repeat nowhere; samples ascend in time.
  void add(model::Labels labels, model::SeriesSamples samples);
  /// Values at start, start + interval, …; NaN-boxed gaps are not possible here, use add() for
  /// them.
  void add(model::Labels labels, model::TimestampMs start, model::DurationMs interval,
           std::vector<double> values);

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   model::TimeRange range) const override;
  Result<std::vector<std::string>> label_names(const model::Matchers& matchers,
                                               model::TimeRange range) const override;
  Result<std::vector<std::string>> label_values(std::string_view name,
                                                const model::Matchers& matchers,
                                                model::TimeRange range) const override;

 private:
  struct Series {
    model::Labels labels;
    model::SeriesSamples samples;
  };
  class MemorySelection;
  std::vector<Series> series_;  // sorted by labels
};

}  // namespace aerie::query
