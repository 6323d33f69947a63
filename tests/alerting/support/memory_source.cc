#include "tests/alerting/support/memory_source.h"

#include <algorithm>
#include <set>

namespace aerie::alerting::testing {
namespace {

class MemorySelection final : public model::Selection {
 public:
  explicit MemorySelection(std::vector<std::pair<model::Labels, model::SeriesSamples>> series)
      : series_(std::move(series)) {}
  size_t size() const override { return series_.size(); }
  const model::Labels& labels(size_t index) const override { return series_[index].first; }
  Status read(size_t index, model::TimeRange range, model::SeriesSamples& out) const override {
    out.clear();
    const model::SeriesSamples& all = series_[index].second;
    for (size_t i = 0; i < all.timestamps.size(); ++i) {
      if (!range.contains(all.timestamps[i])) continue;
      out.timestamps.push_back(all.timestamps[i]);
      out.values.push_back(all.values[i]);
    }
    return {};
  }

 private:
  std::vector<std::pair<model::Labels, model::SeriesSamples>> series_;
};

}  // namespace

void MemorySource::add(const model::Labels& labels, model::TimestampMs t, double value) {
  const std::lock_guard lock(mutex_);
  model::SeriesSamples& samples = series_[labels];
  if (!samples.timestamps.empty() && samples.timestamps.back() >= t) return;
  samples.timestamps.push_back(t);
  samples.values.push_back(value);
}

Status MemorySource::write(const OwnSamples& samples) {
  for (const auto& sample : samples) add(sample.labels, sample.t, sample.value);
  return {};
}

std::optional<model::Sample> MemorySource::newest(const model::Labels& labels) const {
  const std::lock_guard lock(mutex_);
  const auto found = series_.find(labels);
  if (found == series_.end() || found->second.timestamps.empty()) return std::nullopt;
  return model::Sample{found->second.timestamps.back(), found->second.values.back()};
}

Result<std::unique_ptr<model::Selection>> MemorySource::select(const model::Matchers& matchers,
                                                               model::TimeRange range) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<model::Labels, model::SeriesSamples>> found;
  for (const auto& [labels, samples] : series_) {
    if (!model::matches_all(matchers, labels) || samples.timestamps.empty()) continue;
    if (samples.timestamps.front() > range.last || samples.timestamps.back() < range.first)
      continue;
    found.emplace_back(labels, samples);
  }
  return std::unique_ptr<model::Selection>(std::make_unique<MemorySelection>(std::move(found)));
}

Result<std::vector<std::string>> MemorySource::label_names(const model::Matchers&,
                                                           model::TimeRange) const {
  return std::vector<std::string>{};
}
Result<std::vector<std::string>> MemorySource::label_values(std::string_view,
                                                            const model::Matchers&,
                                                            model::TimeRange) const {
  return std::vector<std::string>{};
}

Result<std::optional<std::string>> MemoryTable::get(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(key);
  return found == rows_.end() ? std::nullopt : std::optional<std::string>(found->second);
}

Status MemoryTable::apply(const std::vector<std::pair<std::string, std::string>>& puts,
                          const std::vector<std::string>& removals) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, value] : puts) rows_[key] = value;
  for (const std::string& key : removals) rows_.erase(key);
  return {};
}

Result<std::vector<std::pair<std::string, std::string>>> MemoryTable::scan(
    std::string_view prefix) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [key, value] : rows_) {
    if (key.starts_with(prefix)) found.emplace_back(key, value);
  }
  return found;
}

size_t MemoryTable::rows(std::string_view prefix) const { return scan(prefix)->size(); }

}  // namespace aerie::alerting::testing
