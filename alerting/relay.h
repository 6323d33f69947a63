#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "alerting/alert.h"
#include "alerting/notifier.h"
#include "alerting/readiness.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/work_pool.h"
#include "http/router.h"
#include "store/keyed_table.h"

namespace aerie::alerting {

/// Who a member is. Empty fields set no label.
struct ClusterIdentity {
  std::string cluster;
  std::string environment;
  std::string zone;
};

struct RelayOptions {
  /// Finds the member whose credential a request carries. Called from any thread. An empty
  /// function: everybody may send, labels stay as they were sent.
  std::function<std::optional<ClusterIdentity>(const http::Request& request)> identify;
  /// Labels that tell replicas of a pair apart; dropped.
  std::vector<std::string> replica_labels = {"prometheus_replica", "__replica__"};
};

/// Takes alerts from member Prometheuses as an Alertmanager would (API v2) and hands them on to the
/// notifier. An alert fires as long as any replica of a pair says so; it is resolved when all that
/// still speak say so. What was answered with 200 is on disk. Alerts of a cluster that has gone
/// silent are vouched for on its behalf. Thread-safe. docs/decisions/0072-relay-merges-replicas.md.
class AlertRelay {
 public:
  /// What the relay works with; all of it outlives the relay.
  struct Services {
    const Clock& clock;
    MetricRegistry& metrics;
    Notifier& notifier;
    std::shared_ptr<store::KeyedTable> table;   ///< null: memory only
    const store::Arrivals* arrivals = nullptr;  ///< null: no alert is held
  };
  explicit AlertRelay(Services services);
  ~AlertRelay();  ///< stop()
  AlertRelay(const AlertRelay&) = delete;
  AlertRelay& operator=(const AlertRelay&) = delete;

  /// Reads what members said before a restart and hands it to the notifier. Once, before requests
  /// come. Errors: IoError.
  Status load();
  void configure(RelayOptions options);

  /// Answers `POST /api/v2/alerts` with Alertmanager's codes: 200 empty; 400 when some alerts are
  /// invalid (the valid ones are taken) or the JSON is broken; 401 for an unknown token; 422 when
  /// `labels` is missing; 503 when the disk fails.
  http::Response receive(const http::Request& request);

  /// Forgets votes whose time is over, renews those of silent clusters. Called every 10 s by the
  /// thread of start().
  void tick();
  void start();
  void stop();  ///< idempotent

  /// Alerts that fire now, for tests and for `GET /api/v2/alerts`.
  std::vector<OutgoingAlert> firing() const;

 private:
  /// What one replica last said about an alert.
  struct Vote {
    OutgoingAlert alert;
    model::TimestampMs received = 0;
  };
  using Votes = std::map<std::string, Vote>;  // by replica
  struct Accepted {
    OutgoingAlert alert;
    std::string replica;
  };

  Status take(std::vector<Accepted> accepted);
  std::optional<OutgoingAlert> merged(const Votes& votes, model::TimestampMs now) const;
  void run();

  const Services services_;
  std::unique_ptr<ClusterReadiness> readiness_;
  Counter& received_;
  Counter& invalid_;
  Counter& refused_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<const RelayOptions> options_;  // guarded by mutex_
  std::map<model::Labels, Votes> votes_;         // guarded by mutex_
  bool stopping_ = false;                        // guarded by mutex_
  std::thread thread_;
};

/// Registers POST /api/v2/alerts, GET /api/v2/alerts and GET /api/v2/status. `relay`, `pool` and
/// `clock` outlive the router.
void register_relay_routes(http::Router& router, WorkPool& pool, AlertRelay& relay,
                           const Clock& clock);

}  // namespace aerie::alerting
