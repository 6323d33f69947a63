#include "tests/promql/storage.h"

#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "query/literals.h"
#include "tests/promql/histogram_text.h"

namespace aerie::promqltest {
namespace {

struct Classic {
  std::map<double, double> buckets;
  std::optional<double> count;
  double sum = 0;
};
/// By the histogram's own labels, then by position in the sequence.
using Classics = std::map<model::Labels, std::map<size_t, Classic>>;

bool cut_suffix(std::string& name, std::string_view suffix) {
  if (name.size() < suffix.size() || name.substr(name.size() - suffix.size()) != suffix)
    return false;
  name.resize(name.size() - suffix.size());
  return true;
}

std::optional<double> bound_of(const model::Labels& labels) {
  std::string_view text = labels.get("le");
  const bool negative = !text.empty() && text[0] == '-';
  if (negative || (!text.empty() && text[0] == '+')) text.remove_prefix(1);
  const auto value = query::parse_number(text);
  if (!value || std::isnan(*value)) return std::nullopt;
  return negative ? -*value : *value;
}

void collect(const SeriesLine& series, Classics& classics) {
  std::string name(series.labels.metric_name());
  const bool bucket = cut_suffix(name, "_bucket");
  const bool count = !bucket && cut_suffix(name, "_count");
  const bool sum = !bucket && !count && cut_suffix(name, "_sum");
  if (!bucket && !count && !sum) return;
  const auto bound = bucket ? bound_of(series.labels) : std::optional<double>(0);
  if (!bound) return;
  model::LabelsBuilder builder(series.labels);
  auto& histogram = classics[builder.set(model::kMetricName, name).remove("le").build()];
  for (size_t i = 0; i < series.values.size(); ++i) {
    const auto& value = series.values[i];
    if (value.omitted || value.histogram) continue;
    if (bucket) {
      histogram[i].buckets[*bound] = value.value;
    } else {
      if (count) {
        histogram[i].count = value.value;
      } else {
        histogram[i].sum = value.value;
      }
    }
  }
}

}  // namespace

std::vector<SeriesLine> series_of(const Load& load) {
  std::map<model::Labels, Sequence> last;
  for (const auto& series : load.series) last[series.labels] = series.values;
  std::vector<SeriesLine> out;
  Classics classics;
  for (auto& [labels, values] : last) {
    out.push_back({labels, values});
    if (load.with_nhcb) collect(out.back(), classics);
  }
  for (const auto& [labels, points] : classics) {
    Sequence values;
    for (const auto& [position, point] : points) {
      SequenceValue gap;
      gap.omitted = true;
      values.resize(position, gap);
      // Without a series of counts the highest bucket tells.
      const double highest = point.buckets.empty() ? 0 : point.buckets.rbegin()->second;
      SequenceValue value;
      value.histogram = std::make_shared<model::NativeHistogram>(
          from_classic(point.buckets, point.count.value_or(highest), point.sum));
      values.push_back(std::move(value));
    }
    out.push_back({labels, std::move(values)});
  }
  return out;
}

}  // namespace aerie::promqltest
