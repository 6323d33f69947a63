#pragma once

#include "model/sample_source.h"

namespace aerie::query {

/// The part of a source that some label matchers select, as if nothing else existed: what a caller
/// may see who is bound to, say, `cluster="rohan"`. Thread-safe. docs/decisions/0153.
class ScopedSource final : public model::SampleSource {
 public:
  /// `source` outlives this. Without matchers everything is seen.
  ScopedSource(const model::SampleSource& source, model::Matchers scope)
      : source_(source), scope_(std::move(scope)) {}

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   model::TimeRange range) const override {
    return source_.select(narrowed(matchers), range);
  }
  Result<std::vector<std::string>> label_names(const model::Matchers& matchers,
                                               model::TimeRange range) const override {
    return source_.label_names(narrowed(matchers), range);
  }
  Result<std::vector<std::string>> label_values(std::string_view name,
                                                const model::Matchers& matchers,
                                                model::TimeRange range) const override {
    return source_.label_values(name, narrowed(matchers), range);
  }
  Result<std::vector<model::SeriesExemplars>> exemplars(
      const std::vector<model::Matchers>& selectors, model::TimeRange range) const override {
    std::vector<model::Matchers> all;
    for (const model::Matchers& matchers : selectors) all.push_back(narrowed(matchers));
    return source_.exemplars(all, range);
  }

 private:
  model::Matchers narrowed(const model::Matchers& matchers) const;

  const model::SampleSource& source_;
  const model::Matchers scope_;
};

}  // namespace aerie::query
