#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/sample_source.h"

namespace aerie::promqltest {

/// Samples in sorted maps: slow, plain and obviously right. Changed by one thread, read by many
/// while nobody changes it.
class MemorySource final : public model::SampleSource {
 public:
  struct Sample {
    double value = 0;
    std::shared_ptr<const model::NativeHistogram> histogram;  ///< instead of `value`
    model::TimestampMs start = 0;
  };
  using Series = std::map<model::TimestampMs, Sample>;

  /// A later sample of the same time replaces the earlier one.
  void add(const model::Labels& labels, model::TimestampMs t, Sample sample);

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   model::TimeRange range) const override;
  Result<std::vector<std::string>> label_names(const model::Matchers& matchers,
                                               model::TimeRange range) const override;
  Result<std::vector<std::string>> label_values(std::string_view name,
                                                const model::Matchers& matchers,
                                                model::TimeRange range) const override;

 private:
  std::map<model::Labels, Series> series_;
};

}  // namespace aerie::promqltest
