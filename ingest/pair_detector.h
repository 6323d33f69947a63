#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/guarded.h"
#include "model/time.h"

namespace aerie::ingest {

/// Notices that two servers send the same series without a replica label. A Prometheus scrapes a
/// target at a fixed phase of its interval, so the timestamps of one sender are evenly spaced, and
/// those of two alternate between two gaps that add up to the interval. Watches a few series per
/// cluster. Two phases exactly half an interval apart look like one sender with half the interval:
/// only the configuration can tell those. A pair stays one for an hour of its samples after the
/// second phase was last seen: one of the two may be down for a while, and on its return nothing
/// must be doubled. Thread-safe, lock rank 22.
class PairDetector {
 public:
  struct Observation {
    uint64_t series = 0;  ///< any number that names the stored series
    model::TimestampMs t = 0;
  };
  /// Notes samples of a cluster as they arrive, kept or not, in any order. True if the cluster is a
  /// pair.
  bool observe(std::string_view cluster, std::span<const Observation> samples);
  /// The last answer of observe().
  bool is_pair(std::string_view cluster) const;

  static constexpr size_t kWatchedSeries = 32;  ///< per cluster
  static constexpr size_t kWindow = 8;          ///< timestamps per series

 private:
  struct Window {
    std::array<model::TimestampMs, kWindow> times{};
    size_t seen = 0;
    bool alternates() const;
  };
  struct Cluster {
    std::unordered_map<uint64_t, Window> series;
    bool pair = false;
    size_t since_judged = 0;
    model::TimestampMs newest = model::kMinTimestamp;
    model::TimestampMs alternated = model::kMinTimestamp;  // newest when it last did
  };
  Guarded<std::map<std::string, Cluster, std::less<>>> clusters_;
};

}  // namespace aerie::ingest
