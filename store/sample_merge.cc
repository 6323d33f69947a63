#include "store/sample_merge.h"

#include <algorithm>
#include <vector>

namespace aerie::store {
namespace {

void merge_floats(model::SeriesSamples& out, model::SeriesSamples& newer) {
  if (newer.timestamps.empty()) return;
  if (out.timestamps.empty() || out.timestamps.back() < newer.timestamps.front()) {
    out.timestamps.insert(out.timestamps.end(), newer.timestamps.begin(), newer.timestamps.end());
    out.values.insert(out.values.end(), newer.values.begin(), newer.values.end());
    return;
  }
  std::vector<model::TimestampMs> timestamps;
  std::vector<double> values;
  timestamps.reserve(out.timestamps.size() + newer.timestamps.size());
  values.reserve(timestamps.capacity());
  size_t a = 0;
  size_t b = 0;
  while (a < out.timestamps.size() || b < newer.timestamps.size()) {
    const bool from_newer =
        b < newer.timestamps.size() &&
        (a == out.timestamps.size() || newer.timestamps[b] <= out.timestamps[a]);
    const model::TimestampMs t = from_newer ? newer.timestamps[b] : out.timestamps[a];
    timestamps.push_back(t);
    values.push_back(from_newer ? newer.values[b] : out.values[a]);
    if (a < out.timestamps.size() && out.timestamps[a] == t) ++a;
    if (b < newer.timestamps.size() && newer.timestamps[b] == t) ++b;
  }
  out.timestamps.swap(timestamps);
  out.values.swap(values);
}

void merge_histograms(model::SeriesSamples& out, model::SeriesSamples& newer) {
  if (newer.histograms.empty()) return;
  const size_t middle = out.histograms.size();
  // Newer first among equals, so that unique() keeps them.
  out.histograms.insert(out.histograms.begin(), newer.histograms.begin(), newer.histograms.end());
  if (middle == 0) return;
  const auto less = [](const model::HistogramSample& a, const model::HistogramSample& b) {
    return a.t < b.t;
  };
  const auto same = [](const model::HistogramSample& a, const model::HistogramSample& b) {
    return a.t == b.t;
  };
  std::stable_sort(out.histograms.begin(), out.histograms.end(), less);
  out.histograms.erase(std::unique(out.histograms.begin(), out.histograms.end(), same),
                       out.histograms.end());
}

}  // namespace

void merge_samples(model::SeriesSamples& out, model::SeriesSamples& newer) {
  merge_floats(out, newer);
  merge_histograms(out, newer);
}

}  // namespace aerie::store
