#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/result.h"
#include "http/router.h"

namespace aerie::http {

/// HTTP/1.1 server on Beast: keep-alive, Expect: 100-continue, gzip of large answers, deadlines,
/// limits, CORS. Owns its io thread. 404 body is `404 page not found\n` (Grafana looks for it).
/// Thread-safe.
class Server {
 public:
  struct Options {
    std::string listen_address = "0.0.0.0:9707";  ///< `host:port` or `:port`; port 0 picks one
    size_t max_connections = 512;
    std::chrono::milliseconds read_timeout{std::chrono::minutes(5)};
    std::string cors_origin = ".*";
    std::string web_config_file;  ///< TLS, users, headers; empty: none of them
    std::string route_prefix;     ///< stripped from paths; "/prometheus" is always accepted as well
  };
  /// Binds and starts. Errors: IoError naming address, reason and what to do (port in use, not
  /// permitted), and those of the web configuration. `router` and `metrics` outlive the server.
  static Result<std::unique_ptr<Server>> start(Options options, const Router& router,
                                               MetricRegistry& metrics);
  virtual ~Server() = default;  ///< stops at once
  virtual uint16_t port() const = 0;
  /// From the next request on, these routes answer: lets the port be bound before the parts behind
  /// it are ready. Running requests finish with the old ones. `router` outlives the server.
  virtual void use(const Router& router) = 0;
  /// Stops accepting, lets running requests finish for at most `grace`, then cancels and closes.
  /// Idempotent.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace aerie::http
