#include "alerting/readiness.h"

#include <algorithm>

namespace aerie::alerting {

bool ClusterReadiness::ready(std::string_view cluster, model::TimestampMs t) {
  if (!cluster.empty()) {
    const auto arrival = arrivals_.find(cluster);
    return !arrival || ready(*arrival, t);
  }
  const auto all = arrivals_.all();
  bool any = all.empty();
  // Every cluster is asked, so that each one's return is noticed.
  for (const store::ClusterArrival& arrival : all) any = ready(arrival, t) || any;
  return any;
}

bool ClusterReadiness::ready(const store::ClusterArrival& arrival, model::TimestampMs t) {
  const model::DurationMs tolerance =
      std::max<model::DurationMs>(3 * arrival.interval, 60'000) + arrival.lag;
  const bool behind = arrival.watermark < t - tolerance;
  return ready_from_.with([&](auto& ready_from) {
    const auto known = ready_from.find(arrival.cluster);
    if (arrival.silent || behind) {
      // The first request after a silence does not carry every series: two more intervals do.
      ready_from[arrival.cluster] = t + 2 * arrival.interval;
      return false;
    }
    if (known == ready_from.end()) return true;
    if (t < known->second) return false;
    ready_from.erase(known);
    return true;
  });
}

}  // namespace aerie::alerting
