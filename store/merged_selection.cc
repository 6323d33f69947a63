#include "store/merged_selection.h"

#include <algorithm>
#include <utility>

namespace aerie::store {
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
    const model::Labels& labels = head.labels[h];
    if (!has_samples(handle, labels)) continue;
    // Mostly both have the same series, and equality is cheaper to find out than order.
    while (p < partitions.size() && partitions.labels(p) != labels && partitions.labels(p) < labels)
      add_partition();
    const bool in_both = p < partitions.size() && partitions.labels(p) == labels;
    entries_.push_back({&labels, handle, in_both ? p++ : kNone});
  }
  while (p < partitions.size()) add_partition();
}

bool MergedSelection::has_samples(SeriesHandle series, const model::Labels& labels) const {
  return std::any_of(sources_.blocks.begin(), sources_.blocks.end(), [&](const auto& block) {
    const Column* column = block->find(series.slot);
    return column != nullptr && column->generation == series.generation &&
           !sources_.erased.hides(*block, labels);
  });
}

void MergedSelection::read_head(const Entry& entry, model::TimeRange range,
                                model::SeriesSamples& out) const {
  // Newest first: the writer goes on meanwhile, and what it puts into an older block before it goes
  // on to a newer one must not be missed between the two. Blocks overlap where late samples came
  // after a cut.
  const SeriesHandle series = entry.head;
  model::SeriesSamples older;
  for (auto block = sources_.blocks.rbegin(); block != sources_.blocks.rend(); ++block) {
    const Column* column = (*block)->find(series.slot);
    if (column == nullptr || column->generation != series.generation) continue;
    if (out.empty()) {
      sources_.erased.read(**block, series.slot, *column, *entry.labels, range, out);
      continue;
    }
    older.clear();
    sources_.erased.read(**block, series.slot, *column, *entry.labels, range, older);
    if (older.empty()) continue;
    model::merge_samples(older, std::move(out));
    std::swap(out, older);
  }
}

Status MergedSelection::read(size_t index, model::TimeRange range,
                             model::SeriesSamples& out) const {
  const Entry& entry = entries_[index];
  out.clear();
  if (entry.partition == kNone) {
    read_head(entry, range, out);
    return {};
  }
  if (auto read = sources_.partitions->read(entry.partition, range, out); !read) return read;
  if (entry.head.generation == 0) return {};
  model::SeriesSamples newer;
  read_head(entry, range, newer);
  model::merge_samples(out, std::move(newer));
  return {};
}

}  // namespace aerie::store
