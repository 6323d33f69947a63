#pragma once

#include <map>
#include <string>
#include <utility>

#include "base/metrics.h"

namespace aerie::http {

/// The server's own metrics. Looks the per-handler ones up once and keeps them: io thread only.
class ServerMetrics {
 public:
  explicit ServerMetrics(MetricRegistry& registry);  // outlives this object
  /// Counts one answered request. `handler` is the route's pattern; empty for requests that reached
  /// none.
  void record(const std::string& handler, int status, double seconds);

  Gauge& connections;
  Counter& refused_connections;
  Counter& read_timeouts;
  Counter& failed_handshakes;

 private:
  MetricRegistry& registry_;
  std::map<std::pair<std::string, int>, Counter*> requests_;
  std::map<std::string, Histogram*> durations_;
};

}  // namespace aerie::http
