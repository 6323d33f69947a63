#include "query/cardinality.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace aerie::query {
namespace {

/// Counts of one group, by label name and value.
class Tally {
 public:
  void add(const model::Labels& labels) {
    ++series_;
    for (const model::LabelView& label : labels) {
      auto name = names_.find(label.name);
      if (name == names_.end()) name = names_.emplace(label.name, Values()).first;
      scratch_ = label.value;
      ++name->second[scratch_];
    }
  }

  SeriesCounts report(std::string group, size_t limit) const {
    SeriesCounts out;
    out.group = std::move(group);
    out.series = series_;
    for (const auto& [name, values] : names_) {
      out.label_pairs += values.size();
      uint64_t bytes = 0;
      for (const auto& [value, series] : values) {
        bytes += value.size() * series;
        out.series_by_pair.push_back({name + "=" + value, series});
        if (name == model::kMetricName) out.series_by_metric.push_back({value, series});
      }
      out.values_by_label.push_back({name, values.size()});
      out.bytes_by_label.push_back({name, bytes});
      keep_largest(out.series_by_pair, limit);
    }
    for (auto* list : {&out.series_by_metric, &out.values_by_label, &out.bytes_by_label})
      keep_largest(*list, limit);
    return out;
  }

 private:
  using Values = std::unordered_map<std::string, uint64_t>;

  static void keep_largest(std::vector<CountedName>& list, size_t limit) {
    const size_t kept = limit == 0 ? list.size() : std::min(limit, list.size());
    const auto larger = [](const CountedName& a, const CountedName& b) {
      return a.count != b.count ? a.count > b.count : a.name < b.name;
    };
    std::partial_sort(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(kept), list.end(),
                      larger);
    list.resize(kept);
  }

  uint64_t series_ = 0;
  std::map<std::string, Values, std::less<>> names_;
  std::string scratch_;
};

}  // namespace

Result<std::vector<SeriesCounts>> count_series(const model::SampleSource& source,
                                               const CountQuestion& question) {
  auto metrics = source.label_values(model::kMetricName, question.matchers, question.range);
  if (!metrics) return std::move(metrics).error();
  metrics->emplace_back();  // series without a name
  Tally whole;
  std::map<std::string, Tally, std::less<>> groups;
  model::Matchers matchers = question.matchers;
  for (const std::string& metric : *metrics) {
    matchers.push_back(model::Matcher::equal(std::string(model::kMetricName), metric));
    auto selection = source.select(matchers, question.range);
    if (!selection) return std::move(selection).error();
    for (size_t i = 0; i < (*selection)->size(); ++i) {
      const model::Labels& labels = (*selection)->labels(i);
      whole.add(labels);
      if (!question.by.empty()) groups[std::string(labels.get(question.by))].add(labels);
    }
    matchers.pop_back();
  }
  std::vector<SeriesCounts> out{whole.report({}, question.limit)};
  for (const auto& [name, tally] : groups) out.push_back(tally.report(name, question.limit));
  std::stable_sort(out.begin() + 1, out.end(), [](const SeriesCounts& a, const SeriesCounts& b) {
    return a.series > b.series;
  });
  return out;
}

}  // namespace aerie::query
