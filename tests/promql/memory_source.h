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
  using Floats = std::map<model::TimestampMs, double>;
  using Histograms = std::map<model::TimestampMs, std::shared_ptr<const model::NativeHistogram>>;
  struct Series {
    Floats floats;
    Histograms histograms;
  };

  /// A later sample of the same time replaces the earlier one.
  void add(const model::Labels& labels, model::TimestampMs t, double value);
  void add(const model::Labels& labels, model::TimestampMs t,
           std::shared_ptr<const model::NativeHistogram> histogram);

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
