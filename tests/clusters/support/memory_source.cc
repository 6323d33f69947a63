#include "tests/clusters/support/memory_source.h"

#include <memory>
#include <utility>

namespace aerie::clusters::testing {

namespace {

class ListSelection final : public model::Selection {
 public:
  using Entry = std::pair<model::Labels, model::SeriesSamples>;
  explicit ListSelection(std::vector<Entry> entries) : entries_(std::move(entries)) {}
  size_t size() const override { return entries_.size(); }
  const model::Labels& labels(size_t index) const override { return entries_[index].first; }
  Status read(size_t index, model::TimeRange range, model::SeriesSamples& out) const override {
    out.clear();
    const auto& all = entries_[index].second;
    for (size_t i = 0; i < all.timestamps.size(); ++i) {
      if (!range.contains(all.timestamps[i])) continue;
      out.timestamps.push_back(all.timestamps[i]);
      out.values.push_back(all.values[i]);
    }
    return {};
  }

 private:
  const std::vector<Entry> entries_;
};

}  // namespace

void MemorySource::add(const model::Labels& labels, model::TimestampMs t, double value) {
  auto& samples = series_[labels];
  samples.timestamps.push_back(t);
  samples.values.push_back(value);
}

std::optional<model::Sample> MemorySource::newest(const model::Labels& labels) const {
  const auto found = series_.find(labels);
  if (found == series_.end() || found->second.timestamps.empty()) return std::nullopt;
  return model::Sample{found->second.timestamps.back(), found->second.values.back()};
}

Result<std::unique_ptr<model::Selection>> MemorySource::select(const model::Matchers& matchers,
                                                               model::TimeRange) const {
  std::vector<ListSelection::Entry> entries;
  for (const auto& [labels, samples] : series_) {
    if (model::matches_all(matchers, labels)) entries.emplace_back(labels, samples);
  }
  return std::unique_ptr<model::Selection>(std::make_unique<ListSelection>(std::move(entries)));
}

Result<std::optional<std::string>> MemoryTable::get(std::string_view key) const {
  const auto found = rows_.find(key);
  if (found == rows_.end()) return std::optional<std::string>{};
  return std::optional<std::string>(found->second);
}

Status MemoryTable::apply(const std::vector<std::pair<std::string, std::string>>& puts,
                          const std::vector<std::string>& removals) {
  for (const auto& [key, value] : puts) rows_[key] = value;
  for (const auto& key : removals) rows_.erase(key);
  ++writes_;
  return {};
}

Result<std::vector<std::pair<std::string, std::string>>> MemoryTable::scan(
    std::string_view prefix) const {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& [key, value] : rows_) {
    if (key.starts_with(prefix)) rows.emplace_back(key, value);
  }
  return rows;
}

}  // namespace aerie::clusters::testing
