#include "query/windows.h"

#include <algorithm>

namespace aerie::query {
namespace {

template <class TimeAt>
void locate_in(size_t count, TimeAt time_at, const WindowGrid& grid, std::vector<uint32_t>& first,
               std::vector<uint32_t>& last) {
  const size_t steps = grid.steps.count;
  first.resize(steps);
  last.resize(steps);
  uint32_t lo = 0;
  uint32_t hi = 0;
  for (size_t i = 0; i < steps; ++i) {
    const model::TimestampMs end = grid.end_of(i) + grid.after;
    const model::TimestampMs start = grid.start_of(i) - grid.before;
    while (hi < count && time_at(hi) <= end) ++hi;
    while (lo < hi && time_at(lo) <= start) ++lo;
    first[i] = lo;
    last[i] = hi;
  }
}

}  // namespace

void Windows::locate(const model::SeriesSamples& samples, const WindowGrid& grid) {
  histogram_first.clear();
  histogram_last.clear();
  if (!samples.histograms.empty()) {
    const auto time_at = [&](uint32_t i) { return samples.histograms[i].t; };
    locate_in(samples.histograms.size(), time_at, grid, histogram_first, histogram_last);
  }
  // Series of one scrape share their timestamps: most of the time the previous answer still holds.
  if (first.size() == grid.steps.count && samples.timestamps == located_) return;
  const auto time_at = [&](uint32_t i) { return samples.timestamps[i]; };
  locate_in(samples.timestamps.size(), time_at, grid, first, last);
  located_ = samples.timestamps;
  ++version_;
}

void remove_stale(model::SeriesSamples& samples) {
  size_t kept = 0;
  const size_t count = samples.values.size();
  while (kept < count && !model::is_stale(samples.values[kept])) ++kept;
  for (size_t i = kept; i < count; ++i) {
    if (model::is_stale(samples.values[i])) continue;
    samples.values[kept] = samples.values[i];
    samples.timestamps[kept] = samples.timestamps[i];
    ++kept;
  }
  samples.values.resize(kept);
  samples.timestamps.resize(kept);
  std::erase_if(samples.histograms, [](const model::HistogramSample& sample) {
    return model::is_stale(sample.histogram->sum);
  });
}

}  // namespace aerie::query
