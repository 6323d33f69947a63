#include "http/server_metrics.h"

namespace aerie::http {

ServerMetrics::ServerMetrics(MetricRegistry& registry)
    : connections(registry.gauge("aerie_http_connections", "Open client connections.")),
      refused_connections(registry.counter("aerie_http_connections_refused_total",
                                           "Connections refused by --web.max-connections.")),
      read_timeouts(registry.counter(
          "aerie_http_read_timeouts_total",
          "Connections closed because a request did not arrive within --web.read-timeout.")),
      failed_handshakes(registry.counter(
          "aerie_http_tls_handshakes_failed_total",
          "Connections without a good TLS handshake or with an unwanted certificate.")),
      registry_(registry) {}

void ServerMetrics::record(const std::string& handler, int status, double seconds) {
  Counter*& count = requests_[{handler, status}];
  if (count == nullptr) {
    count = &registry_.counter("aerie_http_requests_total", "Answered requests.",
                               {{"code", std::to_string(status)}, {"handler", handler}});
  }
  count->add();
  Histogram*& duration = durations_[handler];
  if (duration == nullptr) {
    duration = &registry_.histogram("aerie_http_request_duration_seconds",
                                    "From the request's header to the beginning of the answer.",
                                    {0.001, 0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 60},
                                    {{"handler", handler}});
  }
  duration->observe(seconds);
}

}  // namespace aerie::http
