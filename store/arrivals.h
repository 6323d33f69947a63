#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "model/time.h"

namespace aerie::store {

/// What is known about the data of one cluster. Times named *_ms are wall clock, silence is
/// measured on the monotonic clock.
struct ClusterArrival {
  std::string cluster;
  model::TimestampMs last_arrival_ms = 0;  ///< our clock, when the newest acknowledged request came
  model::TimestampMs watermark = model::kMinTimestamp;  ///< newest sample timestamp seen
  model::DurationMs silence = 0;                        ///< since the last arrival
  model::DurationMs interval = 15'000;                  ///< learned scrape interval
  model::DurationMs lag = 0;         ///< arrival minus sample time, running median of live batches
  model::DurationMs clock_skew = 0;  ///< > 0: the cluster's clock is ahead of ours
  bool silent = false;               ///< silence > max(3 intervals, 60 s)
};

/// The one ledger of who sent what when. Everybody who asks "is this cluster alive?" asks here.
/// Thread-safe. Series that aerie writes itself never move it.
class Arrivals {
 public:
  explicit Arrivals(const Clock& clock);  // `clock` outlives the ledger
  /// Notes an acknowledged request: the cluster and the newest sample time in it.
  void note(std::string_view cluster, model::TimestampMs newest_sample);
  /// Used by recovery: the cluster is known, its data reaches to `watermark`, but nothing has
  /// arrived since we run.
  void restore(std::string_view cluster, model::TimestampMs watermark);
  std::optional<ClusterArrival> find(std::string_view cluster) const;
  /// All clusters, sorted by name.
  std::vector<ClusterArrival> all() const;

 private:
  struct Entry;
  struct Ledger;
  const Clock& clock_;
  Guarded<std::shared_ptr<Ledger>> ledger_;
};

}  // namespace aerie::store
