#include "query/windows.h"

#include "query/row.h"
#include "query/sliding.h"

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
  for (size_t i = 0; i < steps; ++i) {
    const uint32_t count = lasts[i] - firsts[i];
    if (count == 0) continue;
    const uint32_t first = firsts[i];
    const uint32_t last = lasts[i] - 1;
    geometry.first_index[i] = first;
    geometry.last_index[i] = last;
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

void find_newest(const std::vector<model::TimestampMs>& timestamps, const WindowGrid& grid,
                 NewestSamples& newest) {
  const size_t steps = grid.steps.count;
  newest.index.resize(steps);
  newest.occupied.assign(grid.steps.words(), 0);
  const uint32_t count = static_cast<uint32_t>(timestamps.size());
  const model::DurationMs step = grid.at ? 0 : grid.steps.step;
  model::TimestampMs end = grid.end_of(0);
  uint32_t next = 0;
  for (size_t i = 0; i < steps; ++i, end += step) {
    while (next < count && timestamps[next] <= end) ++next;
    const uint32_t index = next == 0 ? 0 : next - 1;
    const bool inside = next > 0 && timestamps[index] > end - grid.range;
    newest.index[i] = inside ? index : 0;
    newest.occupied[i / 64] |= static_cast<uint64_t>(inside) << (i % 64);
  }
}

}  // namespace

void Windows::locate(const model::SeriesSamples& samples) {
  histogram_first.clear();
  histogram_last.clear();
  if (!samples.histograms.empty()) {
    const auto time_at = [&](uint32_t i) { return samples.histograms[i].t; };
    locate_in(samples.histograms.size(), time_at, grid_, histogram_first, histogram_last);
  }
  Clock& clock = clock_of(samples.timestamps);
  if (clock.first.empty()) {
    const auto time_at = [&](uint32_t i) { return clock.timestamps[i]; };
    locate_in(clock.timestamps.size(), time_at, grid_, clock.first, clock.last);
  }
  first = clock.first;
  last = clock.last;
}

const WindowGeometry& Windows::geometry() const {
  Clock& clock = *current_;
  if (clock.geometry.sampled.empty())
    measure(clock.timestamps, grid_, clock.first, clock.last, clock.geometry);
  return clock.geometry;
}

std::vector<uint64_t> Windows::occupied() const {
  std::vector<uint64_t> out(grid_.steps.words(), 0);
  for (size_t i = 0; i < first.size(); ++i)
    out[i / 64] |= static_cast<uint64_t>(first[i] != last[i]) << (i % 64);
  return out;
}

const NewestSamples& Windows::newest(const model::SeriesSamples& samples) {
  Clock& clock = clock_of(samples.timestamps);
  if (clock.newest.index.empty()) find_newest(clock.timestamps, grid_, clock.newest);
  return clock.newest;
}

Windows::Clock& Windows::clock_of(const std::vector<model::TimestampMs>& timestamps) {
  constexpr size_t kCacheBytes = 8 << 20;
  if (current_ != nullptr && current_->timestamps == timestamps) return *current_;
  const uint64_t hash = XXH3_64bits(timestamps.data(), timestamps.size() * sizeof(timestamps[0]));
  const auto found = clocks_.find(hash);
  if (found != clocks_.end() && found->second.timestamps == timestamps)
    return *(current_ = &found->second);
  const size_t clock_bytes = timestamps.size() * sizeof(timestamps[0]) + grid_.steps.count * 48;
  const bool fits = found == clocks_.end() && (clocks_.size() + 1) * clock_bytes <= kCacheBytes;
  current_ = fits ? &clocks_[hash] : &overflow_;
  *current_ = Clock();
  current_->timestamps = timestamps;
  return *current_;
}

namespace {

void remove_stale_floats(model::SeriesSamples& samples) {
  size_t kept = 0;
  const size_t count = samples.values.size();
  while (kept < count && !model::is_stale(samples.values[kept])) ++kept;
  for (size_t i = kept; i < count; ++i) {
    if (model::is_stale(samples.values[i])) continue;
    samples.values[kept] = samples.values[i];
    samples.timestamps[kept] = samples.timestamps[i];
    if (!samples.starts.empty()) samples.starts[kept] = samples.starts[i];
    ++kept;
  }
  samples.values.resize(kept);
  samples.timestamps.resize(kept);
  samples.pad_starts();
}

}  // namespace

void remove_stale(model::SeriesSamples& samples) {
  if (has_stale(samples.values)) remove_stale_floats(samples);
  std::erase_if(samples.histograms, [](const model::HistogramSample& sample) {
    return model::is_stale(sample.histogram->sum);
  });
}

}  // namespace aerie::query
