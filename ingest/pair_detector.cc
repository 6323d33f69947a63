#include "ingest/pair_detector.h"

#include <algorithm>
#include <cstdlib>

namespace aerie::ingest {
namespace {

constexpr model::DurationMs kLongestInterval = 10 * 60'000;
constexpr size_t kJudgeEvery = 16;  // samples of watched series
constexpr size_t kEnoughSeries = 3;
constexpr size_t kWatchedClusters = 4096;
constexpr model::DurationMs kMemory = 3'600'000;  // of the samples, which are never near overflow

}  // namespace

bool PairDetector::Window::alternates() const {
  if (seen < kWindow) return false;
  std::array<model::TimestampMs, kWindow> sorted = times;
  std::sort(sorted.begin(), sorted.end());
  const model::DurationMs interval = sorted[2] - sorted[0];
  if (interval <= 0 || interval > kLongestInterval) return false;
  const model::DurationMs tolerance = std::max<model::DurationMs>(interval / 50, 4);
  for (size_t i = 2; i < kWindow; ++i) {
    if (std::llabs(sorted[i] - sorted[i - 2] - interval) > tolerance) return false;
  }
  const model::DurationMs first = sorted[1] - sorted[0];
  // One sender's gaps differ by its jitter; two senders' by their phases.
  return first > 0 && std::llabs(2 * first - interval) > interval / 10;
}

bool PairDetector::observe(std::string_view cluster, std::span<const Observation> samples) {
  return clusters_.with([&](auto& clusters) {
    auto found = clusters.find(cluster);
    if (found == clusters.end()) {
      if (clusters.size() >= kWatchedClusters) return false;
      found = clusters.emplace(std::string(cluster), Cluster{}).first;
    }
    Cluster& entry = found->second;
    for (const Observation& sample : samples) {
      auto watched = entry.series.find(sample.series);
      if (watched == entry.series.end()) {
        if (entry.series.size() >= kWatchedSeries) continue;
        watched = entry.series.emplace(sample.series, Window{}).first;
      }
      Window& window = watched->second;
      if (std::find(window.times.begin(), window.times.end(), sample.t) != window.times.end())
        continue;  // sent again
      window.times[window.seen++ % kWindow] = sample.t;
      ++entry.since_judged;
      if (sample.t > model::kMinTimestamp / 4 && sample.t < model::kMaxTimestamp / 4)
        entry.newest = std::max(entry.newest, sample.t);
    }
    if (entry.since_judged < kJudgeEvery) return entry.pair;
    entry.since_judged = 0;
    size_t full = 0;
    size_t alternating = 0;
    for (const auto& [series, window] : entry.series) {
      full += window.seen >= kWindow ? 1 : 0;
      alternating += window.alternates() ? 1 : 0;
    }
    if (full < kEnoughSeries) return entry.pair;
    // On when half of them show it, off when none has for long: the spacing rule does not harm a
    // single sender meanwhile.
    if (alternating > 0) entry.alternated = entry.newest;
    entry.pair = entry.pair ? entry.newest < entry.alternated + kMemory : alternating * 2 >= full;
    return entry.pair;
  });
}

bool PairDetector::is_pair(std::string_view cluster) const {
  return clusters_.with([&](const auto& clusters) {
    const auto found = clusters.find(cluster);
    return found != clusters.end() && found->second.pair;
  });
}

}  // namespace aerie::ingest
