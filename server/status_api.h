#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/guarded.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/work_pool.h"
#include "http/router.h"
#include "server/flags.h"
#include "store/store.h"

namespace aerie::server {

/// The endpoints about the process itself: health, readiness, reload, quit, metrics,
/// configuration, admin. Thread-safe. Answers from the first moment: until ready() was called,
/// `/-/ready` tells what is being waited for.
class StatusApi {
 public:
  struct Actions {
    std::function<Status()> reload;  ///< may take seconds; one at a time
    std::function<void()> quit;      ///< begins the orderly stop and returns
    std::function<Status()> flush;   ///< seals everything in the head
    /// The name of the new folder below `snapshots`.
    std::function<Result<std::string>(store::Store::SnapshotScope)> snapshot;
    std::function<Result<store::CheckReport>(const store::CheckPace&)> check;  ///< may take long
    std::function<std::string()> config_text;  ///< the configuration in force, secrets masked
  };
  /// All references outlive the object.
  StatusApi(const Flags& flags, Actions actions, MetricRegistry& metrics);

  /// Health, readiness and metrics only, and 503 for every other path: what is served while the
  /// store opens.
  void register_starting_routes(http::Router& router, WorkPool& pool);
  /// All endpoints.
  void register_routes(http::Router& router, WorkPool& pool);

  /// What `/-/ready` says until ready(): `replaying the log`.
  void waiting_for(std::string what);
  void ready();
  /// From now on `/-/ready` answers 503: load balancers look elsewhere while requests drain.
  void stopping();

 private:
  void register_health(http::Router& router, WorkPool& pool);
  http::Response answer_ready() const;
  http::Response answer_reload();
  http::Response answer_quit();
  http::Response answer_flush() const;
  http::Response answer_snapshot(const http::Request& request) const;
  http::Response answer_check() const;
  http::Response answer_config() const;

  const Flags& flags_;
  const Actions actions_;
  MetricRegistry& metrics_;
  Guarded<std::string> waiting_for_;  // empty: ready
};

}  // namespace aerie::server
