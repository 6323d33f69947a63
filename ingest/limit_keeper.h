#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/guarded.h"
#include "ingest/options.h"
#include "ingest/refusal.h"

namespace aerie::ingest {

/// What a cluster uses of its limits.
struct ClusterUsage {
  uint64_t active_series = 0;        ///< with a sample in the last ten minutes, a minute ago
  double new_series_per_second = 0;  ///< over the minute before the last count
  double samples_per_second = 0;     ///< stored, over the same
};

/// Knows what each cluster uses and says no when a limit is reached. Limits on series refuse only
/// new series: what is known goes on. Thread-safe, lock rank 26.
class LimitKeeper {
 public:
  explicit LimitKeeper(const Clock& clock) : clock_(clock) {}  // `clock` outlives it

  /// A series that the store does not have wants to be created. Refused: ActiveSeriesLimit,
  /// NewSeriesLimit, with the key to change. Counts it otherwise.
  std::optional<Refused> admit_series(std::string_view cluster, const ClusterLimits& limits);
  /// `samples` are about to be stored. The seconds after which to try again, if there were too many
  /// lately; nothing is counted then. A cluster may save up 30 s of its rate.
  std::optional<double> admit_samples(std::string_view cluster, const ClusterLimits& limits,
                                      uint64_t samples);
  /// The exact numbers of active series, of all clusters that have any, and how many samples of
  /// each have been stored since the start.
  void recount(const std::map<std::string, uint64_t, std::less<>>& active_series,
               const std::map<std::string, uint64_t, std::less<>>& samples_stored = {});
  /// True once a minute, to one caller: it is time to count.
  bool recount_due();
  /// All clusters that have been heard of.
  std::map<std::string, ClusterUsage, std::less<>> usage() const;

 private:
  // Holds up to `burst` and gains `rate` a second; below zero nothing is given.
  struct Bucket {
    double tokens = 0;
    int64_t filled_ns = 0;
    void fill(double rate, double burst, int64_t now_ns);
  };
  struct Entry {
    uint64_t active = 0;   // at the last count
    uint64_t created = 0;  // since
    uint64_t stored = 0;   // samples, at the last count
    int64_t counted_ns = 0;
    double new_rate = 0;  // a second, between the last two counts
    double sample_rate = 0;
    Bucket new_series;
    Bucket samples;
  };
  struct State {
    std::map<std::string, Entry, std::less<>> clusters;
    int64_t counted_ns = 0;
  };
  static Entry& entry_of(State& state, std::string_view cluster);

  const Clock& clock_;
  Guarded<State> state_;
};

}  // namespace aerie::ingest
