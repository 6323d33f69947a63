#include "store/arrivals.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

namespace aerie::store {
namespace {

constexpr model::DurationMs kAssumedInterval = 15'000;
constexpr model::DurationMs kShortestSilence = 60'000;
constexpr model::DurationMs kLadder[] = {1'000,  5'000,  10'000,  15'000, 20'000,
                                         30'000, 60'000, 120'000, 300'000};
constexpr size_t kWindow = 31;
constexpr size_t kEnough = 4;
// Farther behind than this is backlog and says nothing about how long data takes.
constexpr model::DurationMs kLiveLag = 5 * 60 * 1000;

/// The last kWindow observations.
struct Window {
  std::array<int64_t, kWindow> values{};
  size_t count = 0;
  size_t next = 0;

  void add(int64_t value) {
    values[next] = value;
    next = (next + 1) % kWindow;
    count = std::min(count + 1, kWindow);
  }
  /// The value below which `part` of 100 lie; `count > 0`.
  int64_t percentile(size_t part) const {
    auto sorted = values;
    const size_t at = (count - 1) * part / 100;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<long>(at),
                     sorted.begin() + static_cast<long>(count));
    return sorted[at];
  }
};

/// Scrapes are configured in round steps: the next one at or above, with 10 % for jitter.
model::DurationMs round_up_to_ladder(int64_t observed) {
  for (const model::DurationMs step : kLadder) {
    if (observed <= step + step / 10) return step;
  }
  return observed;
}

}  // namespace

struct Arrivals::Entry {
  bool seen = false;  // since we run
  int64_t last_arrival_ns = 0;
  model::TimestampMs last_arrival_ms = 0;
  model::TimestampMs watermark = model::kMinTimestamp;
  Window advances;  // of the watermark, ms
  Window lags;      // of live batches, ms; negative: the cluster's clock is ahead
};

struct Arrivals::Ledger {
  int64_t started_ns = 0;
  std::map<std::string, Entry, std::less<>> clusters;

  ClusterArrival describe(const std::string& cluster, const Entry& entry, int64_t now_ns) const {
    ClusterArrival out;
    out.cluster = cluster;
    out.last_arrival_ms = entry.last_arrival_ms;
    out.watermark = entry.watermark;
    // What is known from the log alone has been silent at least since we run.
    out.silence = (now_ns - (entry.seen ? entry.last_arrival_ns : started_ns)) / 1'000'000;
    out.interval = kAssumedInterval;
    // A fleet of targets moves the watermark in small steps, a single one by its interval: nine of
    // ten steps are not longer.
    if (entry.advances.count >= kEnough)
      out.interval =
          std::max(kAssumedInterval / 3, round_up_to_ladder(entry.advances.percentile(90)));
    if (entry.lags.count > 0) {
      out.lag = std::max<int64_t>(0, entry.lags.percentile(50));
      out.clock_skew = std::max<int64_t>(0, -entry.lags.percentile(0));
    }
    out.silent = out.silence > std::max(3 * out.interval, kShortestSilence);
    return out;
  }
};

Arrivals::Arrivals(const Clock& clock) : clock_(clock) {
  auto ledger = std::make_shared<Ledger>();
  ledger->started_ns = clock.monotonic_ns();
  ledger_.with([&](std::shared_ptr<Ledger>& mine) { mine = std::move(ledger); });
}

void Arrivals::note(std::string_view cluster, model::TimestampMs newest_sample) {
  const int64_t now_ns = clock_.monotonic_ns();
  const model::TimestampMs now_ms = clock_.now_ms();
  ledger_.with([&](std::shared_ptr<Ledger>& ledger) {
    auto at = ledger->clusters.find(cluster);
    if (at == ledger->clusters.end())
      at = ledger->clusters.emplace(std::string(cluster), Entry()).first;
    Entry& entry = at->second;
    entry.last_arrival_ns = now_ns;
    entry.last_arrival_ms = now_ms;
    const bool first = !std::exchange(entry.seen, true);
    if (newest_sample <= entry.watermark) return;
    // Subtraction of unchecked times from the wire: only near ones are used.
    const bool live = newest_sample > now_ms - kLiveLag && newest_sample < now_ms + kLiveLag;
    if (live) entry.lags.add(now_ms - newest_sample);
    if (live && !first && entry.watermark > now_ms - 2 * kLiveLag)
      entry.advances.add(newest_sample - entry.watermark);
    entry.watermark = newest_sample;
  });
}

void Arrivals::restore(std::string_view cluster, model::TimestampMs watermark) {
  ledger_.with([&](std::shared_ptr<Ledger>& ledger) {
    Entry& entry = ledger->clusters[std::string(cluster)];
    entry.watermark = std::max(entry.watermark, watermark);
  });
}

std::optional<ClusterArrival> Arrivals::find(std::string_view cluster) const {
  const int64_t now_ns = clock_.monotonic_ns();
  return ledger_.with([&](const std::shared_ptr<Ledger>& ledger) -> std::optional<ClusterArrival> {
    const auto at = ledger->clusters.find(cluster);
    if (at == ledger->clusters.end()) return std::nullopt;
    return ledger->describe(at->first, at->second, now_ns);
  });
}

std::vector<ClusterArrival> Arrivals::all() const {
  const int64_t now_ns = clock_.monotonic_ns();
  return ledger_.with([&](const std::shared_ptr<Ledger>& ledger) {
    std::vector<ClusterArrival> out;
    for (const auto& [cluster, entry] : ledger->clusters)
      out.push_back(ledger->describe(cluster, entry, now_ns));
    return out;
  });
}

}  // namespace aerie::store
