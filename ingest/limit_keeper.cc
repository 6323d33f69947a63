#include "ingest/limit_keeper.h"

#include <fmt/core.h>

#include <algorithm>

namespace aerie::ingest {
namespace {

constexpr double kBurstSeconds = 30;
constexpr int64_t kCountIntervalNs = 60'000'000'000;

}  // namespace

void LimitKeeper::Bucket::fill(double rate, double burst, int64_t now_ns) {
  const double gained =
      filled_ns == 0 ? burst : rate * static_cast<double>(now_ns - filled_ns) * 1e-9;
  tokens = std::min(burst, tokens + gained);
  filled_ns = now_ns;
}

LimitKeeper::Entry& LimitKeeper::entry_of(State& state, std::string_view cluster) {
  auto found = state.clusters.find(cluster);
  if (found == state.clusters.end())
    found = state.clusters.emplace(std::string(cluster), Entry{}).first;
  return found->second;
}

std::optional<Refused> LimitKeeper::admit_series(std::string_view cluster,
                                                 const ClusterLimits& limits) {
  const int64_t now_ns = clock_.monotonic_ns();
  return state_.with([&](State& state) -> std::optional<Refused> {
    Entry& entry = entry_of(state, cluster);
    const uint64_t used = entry.active + entry.created;
    if (limits.active_series > 0 && used >= limits.active_series) {
      return Refused{
          Refusal::ActiveSeriesLimit,
          fmt::format("cluster \"{}\" has {} active series, its limit is {}: new series are "
                      "refused, known ones go on; drop series at the sender, or raise "
                      "limits.active_series",
                      cluster, used, limits.active_series)};
    }
    if (limits.new_series_per_second > 0) {
      const double rate = limits.new_series_per_second;
      entry.new_series.fill(rate, rate * kBurstSeconds, now_ns);
      if (entry.new_series.tokens < 1) {
        return Refused{
            Refusal::NewSeriesLimit,
            fmt::format("cluster \"{}\" creates more than {} series a second: the newest are "
                        "refused for now; look for labels that change all the time, or raise "
                        "limits.new_series_per_second",
                        cluster, rate)};
      }
      entry.new_series.tokens -= 1;
    }
    ++entry.created;
    return std::nullopt;
  });
}

std::optional<double> LimitKeeper::admit_samples(std::string_view cluster,
                                                 const ClusterLimits& limits, uint64_t samples) {
  const double rate = limits.samples_per_second;
  if (rate <= 0) return std::nullopt;
  const int64_t now_ns = clock_.monotonic_ns();
  return state_.with([&](State& state) -> std::optional<double> {
    Entry& entry = entry_of(state, cluster);
    entry.samples.fill(rate, rate * kBurstSeconds, now_ns);
    // Into debt rather than never: a request may be larger than what can be saved up.
    if (entry.samples.tokens <= 0) return -entry.samples.tokens / rate;
    entry.samples.tokens -= static_cast<double>(samples);
    return std::nullopt;
  });
}

void LimitKeeper::recount(const std::map<std::string, uint64_t, std::less<>>& active_series,
                          const std::map<std::string, uint64_t, std::less<>>& samples_stored) {
  const int64_t now_ns = clock_.monotonic_ns();
  state_.with([&](State& state) {
    for (const auto& [cluster, stored] : samples_stored) state.clusters[cluster];
    for (auto& [cluster, entry] : state.clusters) {
      const auto total = samples_stored.find(cluster);
      const uint64_t stored = total == samples_stored.end() ? entry.stored : total->second;
      const double seconds = static_cast<double>(now_ns - entry.counted_ns) * 1e-9;
      if (entry.counted_ns != 0 && seconds > 0) {
        entry.new_rate = static_cast<double>(entry.created) / seconds;
        entry.sample_rate = static_cast<double>(stored - entry.stored) / seconds;
      }
      entry.counted_ns = now_ns;
      entry.stored = stored;
      const auto found = active_series.find(cluster);
      entry.active = found == active_series.end() ? 0 : found->second;
      entry.created = 0;
    }
    for (const auto& [cluster, active] : active_series) {
      if (!state.clusters.contains(cluster)) state.clusters[cluster].active = active;
    }
  });
}

bool LimitKeeper::recount_due() {
  const int64_t now_ns = clock_.monotonic_ns();
  return state_.with([now_ns](State& state) {
    if (state.counted_ns != 0 && now_ns - state.counted_ns < kCountIntervalNs) return false;
    state.counted_ns = now_ns;
    return true;
  });
}

std::map<std::string, ClusterUsage, std::less<>> LimitKeeper::usage() const {
  return state_.with([](const State& state) {
    std::map<std::string, ClusterUsage, std::less<>> all;
    for (const auto& [cluster, entry] : state.clusters) {
      all.emplace(cluster,
                  ClusterUsage{entry.active + entry.created, entry.new_rate, entry.sample_rate});
    }
    return all;
  });
}

}  // namespace aerie::ingest
