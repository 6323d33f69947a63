#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/sample_source.h"
#include "store/keyed_table.h"

namespace aerie::clusters::testing {

/// A sample source that is a plain list. Not thread-safe.
class MemorySource final : public model::SampleSource {
 public:
  void add(const model::Labels& labels, model::TimestampMs t, double value);
  /// Newest sample of the series, or empty; stale markers count.
  std::optional<model::Sample> newest(const model::Labels& labels) const;

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   model::TimeRange range) const override;
  Result<std::vector<std::string>> label_names(const model::Matchers&,
                                               model::TimeRange) const override {
    return std::vector<std::string>{};
  }
  Result<std::vector<std::string>> label_values(std::string_view, const model::Matchers&,
                                                model::TimeRange) const override {
    return std::vector<std::string>{};
  }

 private:
  std::map<model::Labels, model::SeriesSamples> series_;
};

class MemoryTable final : public store::KeyedTable {
 public:
  Result<std::optional<std::string>> get(std::string_view key) const override;
  Status apply(const std::vector<std::pair<std::string, std::string>>& puts,
               const std::vector<std::string>& removals) override;
  Result<std::vector<std::pair<std::string, std::string>>> scan(
      std::string_view prefix) const override;
  size_t size() const { return rows_.size(); }
  size_t writes() const { return writes_; }

 private:
  std::map<std::string, std::string, std::less<>> rows_;
  size_t writes_ = 0;
};

}  // namespace aerie::clusters::testing
