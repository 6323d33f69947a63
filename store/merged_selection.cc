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

/// Adds what is later.
void append(model::SeriesSamples& out, const model::SeriesSamples& later) {
  out.timestamps.insert(out.timestamps.end(), later.timestamps.begin(), later.timestamps.end());
  out.values.insert(out.values.end(), later.values.begin(), later.values.end());
  out.histograms.insert(out.histograms.end(), later.histograms.begin(), later.histograms.end());
}

}  // namespace

void merge_samples(model::SeriesSamples& out, model::SeriesSamples& newer) {
  merge_floats(out, newer);
  merge_histograms(out, newer);
}

MergedSelection::MergedSelection(Sources sources) : sources_(std::move(sources)) {
  const HeadTable& head = *sources_.head;
  const model::Selection& partitions = *sources_.partitions;
  entries_.reserve(std::max(head.labels.size(), partitions.size()));
  size_t p = 0;
  const auto add_partition = [&] {
    entries_.push_back({&partitions.labels(p), {}, p});
    ++p;
  };
  for (size_t h = 0; h < head.labels.size(); ++h) {
    const SeriesHandle handle = head.handles[h];
    if (!has_samples(handle)) continue;
    const model::Labels& labels = head.labels[h];
    // Mostly both have the same series, and equality is cheaper to find out than order.
    while (p < partitions.size() && partitions.labels(p) != labels && partitions.labels(p) < labels)
      add_partition();
    const bool in_both = p < partitions.size() && partitions.labels(p) == labels;
    entries_.push_back({&labels, handle, in_both ? p++ : kNone});
  }
  while (p < partitions.size()) add_partition();
}

bool MergedSelection::has_samples(SeriesHandle series) const {
  return std::any_of(sources_.blocks.begin(), sources_.blocks.end(), [&](const auto& block) {
    const Column* column = block->find(series.slot);
    return column != nullptr && column->generation == series.generation;
  });
}

void MergedSelection::read_head(SeriesHandle series, model::TimeRange range,
                                model::SeriesSamples& out) const {
  // Newest first: the writer goes on meanwhile, and what it puts into an older block before it goes
  // on to a newer one must not be missed between the two.
  model::SeriesSamples older;
  for (auto block = sources_.blocks.rbegin(); block != sources_.blocks.rend(); ++block) {
    const Column* column = (*block)->find(series.slot);
    if (column == nullptr || column->generation != series.generation) continue;
    if (out.empty()) {
      (*block)->read(*column, range, out);
      continue;
    }
    older.clear();
    (*block)->read(*column, range, older);
    append(older, out);
    std::swap(out, older);
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
