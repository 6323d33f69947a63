#include "store/merged_selection.h"

#include <algorithm>
#include <utility>

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

MergedSelection::MergedSelection(Sources sources) : sources_(std::move(sources)) {
  std::vector<SeriesIndex::Match>& head = sources_.head;
  std::erase_if(head, [&](const SeriesIndex::Match& match) {
    return std::none_of(sources_.blocks.begin(), sources_.blocks.end(), [&](const auto& block) {
      const Column* column = block->find(match.handle.slot);
      return column != nullptr && column->generation == match.handle.generation;
    });
  });
  std::sort(head.begin(), head.end(), [](const SeriesIndex::Match& a, const SeriesIndex::Match& b) {
    return a.labels < b.labels;
  });
  const model::Selection& partitions = *sources_.partitions;
  entries_.reserve(head.size() + partitions.size());
  size_t h = 0;
  size_t p = 0;
  while (h < head.size() || p < partitions.size()) {
    const bool more_head = h < head.size();
    const bool more_partitions = p < partitions.size();
    const auto order = !more_head         ? std::strong_ordering::greater
                       : !more_partitions ? std::strong_ordering::less
                                          : head[h].labels <=> partitions.labels(p);
    Entry entry;
    if (order >= 0) {
      entry.partition = p;
      if (order > 0) entry.labels = partitions.labels(p);
      ++p;
    }
    if (order <= 0) {
      entry.labels = std::move(head[h].labels);
      entry.head = head[h].handle;
      ++h;
    }
    entries_.push_back(std::move(entry));
  }
  head.clear();
  head.shrink_to_fit();
}

void MergedSelection::read_head(SeriesHandle series, model::TimeRange range,
                                model::SeriesSamples& out) const {
  for (const auto& block : sources_.blocks) {
    const Column* column = block->find(series.slot);
    if (column != nullptr && column->generation == series.generation)
      block->read(*column, range, out);
  }
}

Status MergedSelection::read(size_t index, model::TimeRange range,
                             model::SeriesSamples& out) const {
  const Entry& entry = entries_[index];
  out.clear();
  if (entry.partition == kNone) {
    read_head(entry.head, range, out);
    return {};
  }
  if (auto read = sources_.partitions->read(entry.partition, range, out); !read) return read;
  if (entry.head.generation == 0) return {};
  model::SeriesSamples newer;
  read_head(entry.head, range, newer);
  merge_samples(out, newer);
  return {};
}

}  // namespace aerie::store
