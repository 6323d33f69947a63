#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "alerting/evaluation.h"
#include "model/sample_source.h"
#include "store/keyed_table.h"

namespace aerie::alerting::testing {

/// A sample source that is a plain list, written as Store::write_own does: late samples are
/// dropped. Thread-safe.
class MemorySource final : public model::SampleSource {
 public:
  void add(const model::Labels& labels, model::TimestampMs t, double value);
  Status write(const OwnSamples& samples);
  /// Newest sample of the series; stale markers count.
  std::optional<model::Sample> newest(const model::Labels& labels) const;

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   model::TimeRange range) const override;
  Result<std::vector<std::string>> label_names(const model::Matchers& matchers,
                                               model::TimeRange range) const override;
  Result<std::vector<std::string>> label_values(std::string_view name,
                                                const model::Matchers& matchers,
                                                model::TimeRange range) const override;

 private:
  mutable std::mutex mutex_;
  std::map<model::Labels, model::SeriesSamples> series_;
};

/// A table that a test can keep while what uses it is restarted. Thread-safe.
class MemoryTable final : public store::KeyedTable {
 public:
  Result<std::optional<std::string>> get(std::string_view key) const override;
  Status apply(const std::vector<std::pair<std::string, std::string>>& puts,
               const std::vector<std::string>& removals) override;
  Result<std::vector<std::pair<std::string, std::string>>> scan(
      std::string_view prefix) const override;
  size_t rows(std::string_view prefix) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> rows_;
};

}  // namespace aerie::alerting::testing
