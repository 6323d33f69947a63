#include "tests/query/support/memory_source.h"

#include <algorithm>
#include <set>

namespace aerie::query {

class MemorySource::MemorySelection final : public model::Selection {
 public:
  explicit MemorySelection(std::vector<const Series*> series) : series_(std::move(series)) {}
  size_t size() const override { return series_.size(); }
  const model::Labels& labels(size_t index) const override { return series_[index]->labels; }
  Status read(size_t index, model::TimeRange range, model::SeriesSamples& out) const override {
    out.clear();
    const model::SeriesSamples& all = series_[index]->samples;
    const auto first = std::lower_bound(all.timestamps.begin(), all.timestamps.end(), range.first);
    const auto last = std::upper_bound(first, all.timestamps.end(), range.last);
    out.timestamps.assign(first, last);
    out.values.assign(all.values.begin() + (first - all.timestamps.begin()),
                      all.values.begin() + (last - all.timestamps.begin()));
    for (const model::HistogramSample& sample : all.histograms)
      if (range.contains(sample.t)) out.histograms.push_back(sample);
    return {};
  }

 private:
  const std::vector<const Series*> series_;
};

void MemorySource::add(model::Labels labels, model::SeriesSamples samples) {
  const auto place = std::lower_bound(
      series_.begin(), series_.end(), labels,
      [](const Series& s, const model::Labels& l) { return (s.labels <=> l) < 0; });
  series_.insert(place, Series{std::move(labels), std::move(samples)});
}

void MemorySource::add(model::Labels labels, model::TimestampMs start, model::DurationMs interval,
                       std::vector<double> values) {
  model::SeriesSamples samples;
  for (size_t i = 0; i < values.size(); ++i)
    samples.timestamps.push_back(start + static_cast<int64_t>(i) * interval);
  samples.values = std::move(values);
  add(std::move(labels), std::move(samples));
}

Result<std::unique_ptr<model::Selection>> MemorySource::select(const model::Matchers& matchers,
                                                               model::TimeRange) const {
  std::vector<const Series*> found;
  for (const Series& series : series_)
    if (model::matches_all(matchers, series.labels)) found.push_back(&series);
  return std::unique_ptr<model::Selection>(std::make_unique<MemorySelection>(std::move(found)));
}

Result<std::vector<std::string>> MemorySource::label_names(const model::Matchers& matchers,
                                                           model::TimeRange) const {
  std::set<std::string> names;
  for (const Series& series : series_) {
    if (!model::matches_all(matchers, series.labels)) continue;
    for (const model::LabelView& label : series.labels) names.emplace(label.name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<std::string>> MemorySource::label_values(std::string_view name,
                                                            const model::Matchers& matchers,
                                                            model::TimeRange) const {
  std::set<std::string> values;
  for (const Series& series : series_)
    if (model::matches_all(matchers, series.labels) && series.labels.has(name))
      values.emplace(series.labels.get(name));
  return std::vector<std::string>(values.begin(), values.end());
}

}  // namespace aerie::query
