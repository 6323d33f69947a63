#include "tests/promql/memory_source.h"

#include <iterator>
#include <set>
#include <utility>

#include "tests/promql/storage.h"

namespace aerie::promqltest {
namespace {

bool has_samples(const MemorySource::Series& series, model::TimeRange range) {
  const auto first = series.lower_bound(range.first);
  return first != series.end() && first->first <= range.last;
}

class MemorySelection final : public model::Selection {
 public:
  using Entry = std::pair<const model::Labels, MemorySource::Series>;
  explicit MemorySelection(std::vector<const Entry*> entries) : entries_(std::move(entries)) {}

  size_t size() const override { return entries_.size(); }
  const model::Labels& labels(size_t index) const override { return entries_[index]->first; }

  Status read(size_t index, model::TimeRange range, model::SeriesSamples& out) const override {
    out.clear();
    const auto& series = entries_[index]->second;
    for (auto at = series.lower_bound(range.first); at != series.end() && at->first <= range.last;
         ++at) {
      const auto& [t, sample] = *at;
      if (sample.histogram) {
        out.histograms.push_back({t, sample.histogram, sample.start});
      } else {
        out.add(t, sample.value, sample.start);
      }
    }
    return {};
  }

 private:
  const std::vector<const Entry*> entries_;
};

class MemoryStorage final : public Storage {
 public:
  Status load(const Load& load) override {
    for (const auto& series : series_of(load)) {
      model::TimestampMs t = 0;
      for (const auto& value : series.values) {
        if (value.histogram || !value.omitted)
          source_.add(series.labels, t, {value.value, value.histogram, value.start_at(t)});
        t += load.interval;
      }
    }
    return {};
  }
  const model::SampleSource& source() const override { return source_; }

 private:
  MemorySource source_;
};

}  // namespace

void MemorySource::add(const model::Labels& labels, model::TimestampMs t, Sample sample) {
  Series& series = series_[labels];
  const auto next = series.lower_bound(t);
  if (sample.histogram) {
    const model::NativeHistogram* before =
        next == series.begin() ? nullptr : std::prev(next)->second.histogram.get();
    auto hinted = std::make_shared<model::NativeHistogram>(*sample.histogram);
    hinted->reset_hint = model::hint_after(before, *sample.histogram);
    sample.histogram = std::move(hinted);
  }
  series[t] = std::move(sample);
}

Result<std::unique_ptr<model::Selection>> MemorySource::select(const model::Matchers& matchers,
                                                               model::TimeRange range) const {
  std::vector<const MemorySelection::Entry*> found;
  for (const auto& entry : series_) {
    if (model::matches_all(matchers, entry.first) && has_samples(entry.second, range))
      found.push_back(&entry);
  }
  return std::unique_ptr<model::Selection>(std::make_unique<MemorySelection>(std::move(found)));
}

Result<std::vector<std::string>> MemorySource::label_names(const model::Matchers& matchers,
                                                           model::TimeRange range) const {
  std::set<std::string> names;
  for (const auto& [labels, series] : series_) {
    if (!model::matches_all(matchers, labels) || !has_samples(series, range)) continue;
    for (const auto& label : labels) names.emplace(label.name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<std::string>> MemorySource::label_values(std::string_view name,
                                                            const model::Matchers& matchers,
                                                            model::TimeRange range) const {
  std::set<std::string> values;
  for (const auto& [labels, series] : series_) {
    if (!model::matches_all(matchers, labels) || !has_samples(series, range)) continue;
    if (labels.has(name)) values.emplace(labels.get(name));
  }
  return std::vector<std::string>(values.begin(), values.end());
}

std::unique_ptr<Storage> make_memory_storage() { return std::make_unique<MemoryStorage>(); }

}  // namespace aerie::promqltest
