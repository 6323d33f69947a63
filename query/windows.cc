#include "query/windows.h"

#include "query/row.h"

#include <xxhash.h>

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

/// What the windows of one clock are like: see WindowGeometry.
void measure(const std::vector<model::TimestampMs>& timestamps, const WindowGrid& grid,
             const std::vector<uint32_t>& firsts, const std::vector<uint32_t>& lasts,
             WindowGeometry& geometry) {
  const size_t steps = grid.steps.count;
  geometry.first_index.assign(steps, 0);
  geometry.last_index.assign(steps, 0);
  geometry.to_start.assign(steps, 0);
  geometry.to_end.assign(steps, 0);
  geometry.sampled.assign(steps, 1);
  geometry.enough.assign(grid.steps.words(), 0);
  geometry.occupied.assign(grid.steps.words(), 0);
  for (size_t i = 0; i < steps; ++i) {
    const uint32_t count = lasts[i] - firsts[i];
    if (count == 0) continue;
    const uint32_t first = firsts[i];
    const uint32_t last = lasts[i] - 1;
    geometry.first_index[i] = first;
    geometry.last_index[i] = last;
    mark_present(geometry.occupied.data(), i);
    if (count < 2) continue;
    mark_present(geometry.enough.data(), i);
    const double sampled = static_cast<double>(timestamps[last] - timestamps[first]) / 1000;
    const double average = sampled / static_cast<double>(count - 1);
    const double threshold = average * 1.1;
    const double to_start = static_cast<double>(timestamps[first] - grid.start_of(i)) / 1000;
    const double to_end = static_cast<double>(grid.end_of(i) - timestamps[last]) / 1000;
    geometry.sampled[i] = sampled;
    geometry.to_start[i] = to_start >= threshold ? average / 2 : to_start;
    geometry.to_end[i] = to_end >= threshold ? average / 2 : to_end;
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
  const Clock& clock = clock_of(samples.timestamps, grid);
  first = clock.first;
  last = clock.last;
  geometry = &clock.geometry;
}

const Windows::Clock& Windows::clock_of(const std::vector<model::TimestampMs>& timestamps,
                                        const WindowGrid& grid) {
  constexpr size_t kCacheBytes = 8 << 20;
  const uint64_t hash = XXH3_64bits(timestamps.data(), timestamps.size() * sizeof(timestamps[0]));
  const auto found = clocks_.find(hash);
  if (found != clocks_.end() && found->second.timestamps == timestamps) return found->second;
  if (overflow_.timestamps == timestamps && overflow_.first.size() == grid.steps.count)
    return overflow_;
  const size_t clock_bytes = timestamps.size() * sizeof(timestamps[0]) + grid.steps.count * 48;
  const bool fits = found == clocks_.end() && (clocks_.size() + 1) * clock_bytes <= kCacheBytes;
  Clock& clock = fits ? clocks_[hash] : overflow_;
  clock.timestamps = timestamps;
  const auto time_at = [&](uint32_t i) { return timestamps[i]; };
  locate_in(timestamps.size(), time_at, grid, clock.first, clock.last);
  measure(timestamps, grid, clock.first, clock.last, clock.geometry);
  return clock;
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
