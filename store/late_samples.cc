#include "store/late_samples.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>

namespace aerie::store {
namespace {

constexpr size_t kEntryBytes = 64;  // of a column in the table

bool earlier(const LateSamples::Sample& sample, model::TimestampMs t) { return sample.t < t; }

}  // namespace

void LateSamples::insert(const void* column, Sample sample) {
  const std::unique_lock lock(mutex_);
  std::vector<Sample>& samples = columns_[column];
  const size_t before = samples.capacity();
  const auto at = std::lower_bound(samples.begin(), samples.end(), sample.t, earlier);
  samples.insert(at, std::move(sample));
  bytes_.fetch_add((samples.capacity() - before) * sizeof(Sample) + (before == 0 ? kEntryBytes : 0),
                   std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_release);
}

std::vector<LateSamples::Sample> LateSamples::find(const void* column,
                                                   model::TimeRange range) const {
  if (empty()) return {};
  const std::shared_lock lock(mutex_);
  const auto found = columns_.find(column);
  if (found == columns_.end()) return {};
  const auto& samples = found->second;
  const auto first = std::lower_bound(samples.begin(), samples.end(), range.first, earlier);
  auto last = first;
  while (last != samples.end() && last->t <= range.last) ++last;
  return {first, last};
}

void LateSamples::merge_into(const void* column, model::TimeRange range,
                             model::SeriesSamples& out) const {
  model::SeriesSamples late;
  for (Sample& sample : find(column, range)) {
    if (sample.histogram) {
      late.histograms.push_back({sample.t, std::move(sample.histogram), sample.start});
    } else {
      late.add(sample.t, std::bit_cast<double>(sample.bits), sample.start);
    }
  }
  if (!late.empty()) model::merge_samples(out, std::move(late));
}

}  // namespace aerie::store
