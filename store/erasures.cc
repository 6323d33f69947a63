#include "store/erasures.h"

#include <algorithm>

namespace aerie::store {

bool contains(const TimeRanges& ranges, model::TimestampMs t) {
  const auto at = std::lower_bound(
      ranges.begin(), ranges.end(), t,
      [](const model::TimeRange& range, model::TimestampMs time) { return range.last < time; });
  return at != ranges.end() && at->first <= t;
}

bool Erasure::matches(const model::Labels& labels) const {
  return std::any_of(selectors.begin(), selectors.end(), [&](const model::Matchers& selector) {
    return matches_all(selector, labels);
  });
}

std::vector<const Erasure*> Erasures::concerning(uint64_t applied, model::TimeRange extent) const {
  std::vector<const Erasure*> out;
  for (const Erasure& one : all_)
    if (one.number > applied && one.range.overlaps(extent)) out.push_back(&one);
  return out;
}

TimeRanges Erasures::ranges(const model::Labels& labels, uint64_t applied,
                            model::TimeRange extent) const {
  TimeRanges out;
  for (const Erasure& one : all_)
    if (one.number > applied && one.range.overlaps(extent) && one.matches(labels))
      out.push_back(one.range);
  return united(std::move(out));
}

uint64_t Erasures::last_number() const {
  uint64_t last = 0;
  for (const Erasure& one : all_)
    if (one.number != Erasure::kAlways) last = std::max(last, one.number);
  return last;
}

TimeRanges united(TimeRanges ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  TimeRanges out;
  for (const model::TimeRange& range : ranges) {
    const bool joins = !out.empty() && (out.back().last == model::kMaxTimestamp ||
                                        range.first <= out.back().last + 1);
    if (joins) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

bool covers(const TimeRanges& ranges, model::TimeRange range) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const model::TimeRange& one) {
    return one.first <= range.first && range.last <= one.last;
  });
}

void erase_samples(model::SeriesSamples& samples, const TimeRanges& ranges) {
  if (ranges.empty()) return;
  size_t kept = 0;
  for (size_t i = 0; i < samples.timestamps.size(); ++i) {
    if (contains(ranges, samples.timestamps[i])) continue;
    samples.timestamps[kept] = samples.timestamps[i];
    samples.values[kept] = samples.values[i];
    if (!samples.starts.empty()) samples.starts[kept] = samples.starts[i];
    ++kept;
  }
  samples.timestamps.resize(kept);
  samples.values.resize(kept);
  samples.pad_starts();
  std::vector<model::HistogramSample> left;
  bool neighbours = true;
  for (model::HistogramSample& sample : samples.histograms) {
    const bool erased = contains(ranges, sample.t);
    if (!erased)
      left.push_back(neighbours ? std::move(sample) : model::forget_neighbour(std::move(sample)));
    neighbours = !erased;
  }
  samples.histograms = std::move(left);
}

void erase_exemplars(std::vector<model::Exemplar>& exemplars, const TimeRanges& ranges) {
  if (ranges.empty()) return;
  std::erase_if(exemplars, [&](const model::Exemplar& one) { return contains(ranges, one.t); });
}

}  // namespace aerie::store
