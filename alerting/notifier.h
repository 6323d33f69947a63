#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "alerting/alert.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "http/client.h"
#include "store/keyed_table.h"

namespace aerie::alerting {

/// One Alertmanager. A value.
struct AlertmanagerTarget {
  std::string
      url;  ///< `http://host:9093` with a path prefix if it has one, without a slash at the end
  http::Headers headers;  ///< for example Authorization
  std::chrono::milliseconds timeout{10'000};
  bool operator==(const AlertmanagerTarget& other) const {
    return url == other.url && timeout == other.timeout && headers.all() == other.headers.all();
  }
};

/// Brings alerts to every Alertmanager (API v2), each on a thread of its own, so that none waits
/// for another and evaluation waits for none. Level-triggered: what is kept is the newest state of
/// each alert and who has not got it yet. So nothing is ever dropped and the memory is bounded by
/// the number of alerts. Retries for ever, 1 s to 15 s apart. Firing alerts that nobody vouches for
/// any more (`ends_at` passed) are forgotten, not sent: Alertmanager knows the same time.
/// Thread-safe. docs/decisions/0071-level-triggered-delivery.md.
class Notifier {
 public:
  /// `table` keeps transitions across restarts; null: memory only. All references outlive the
  /// notifier.
  Notifier(const Clock& clock, MetricRegistry& metrics, std::shared_ptr<store::KeyedTable> table);
  ~Notifier();  ///< stop()
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// Reads what a run before has not delivered. Before the first submit(). Errors: IoError.
  Status load();
  /// Replaces the targets; a new one gets everything that fires. Labels are added to alerts that
  /// lack them.
  void configure(const std::vector<AlertmanagerTarget>& targets,
                 const model::Labels& external_labels);

  /// Queues the newest state of these alerts for every target. Transitions are on disk when it
  /// returns (errors are logged: then they live in memory only); does not wait for the network.
  void submit(std::vector<OutgoingAlert> alerts);

  /// Begins to deliver. Before that, deliver_once() may be used instead.
  void start();
  /// Ends running requests and joins the threads; what is not delivered stays in the table.
  /// Idempotent.
  void stop();

  /// One attempt for each target that has something to send and is not waiting after a failure;
  /// returns how many requests succeeded. For tests.
  size_t deliver_once();

  struct TargetStatus {
    std::string url;  ///< with the API path, as /api/v1/alertmanagers shows it
    size_t pending = 0;
    std::string last_error;  ///< empty after a success
  };
  std::vector<TargetStatus> targets() const;

 private:
  struct Target;
  struct Entry {
    OutgoingAlert alert;
    uint64_t version = 0;
    bool stored = false;  // there is a row of it
  };
  struct Batch;

  void deliver_loop(const std::shared_ptr<Target>& target);
  bool attempt(Target& target);
  Batch take_batch(Target& target);
  bool settle(Target& target, const Batch& batch, const Result<http::Response>& answer);
  void fail(Target& target, const Batch& batch, std::string reason);
  /// Under the lock: alerts that every target has and that need no row any more; their keys are
  /// returned for removal.
  std::vector<std::string> forget_settled();
  bool wanted_by_any(const model::Labels& labels) const;

  const Clock& clock_;
  MetricRegistry& metrics_;
  const std::shared_ptr<store::KeyedTable> table_;
  http::Client client_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<model::Labels, Entry> entries_;        // guarded by mutex_
  std::vector<std::shared_ptr<Target>> targets_;  // guarded by mutex_
  std::vector<std::shared_ptr<Target>>
      leaving_;                           // guarded by mutex_: removed, thread not joined yet
  model::Labels external_labels_;         // guarded by mutex_
  uint64_t next_version_ = 1;             // guarded by mutex_
  model::TimestampMs next_cleaning_ = 0;  // guarded by mutex_
  bool started_ = false;                  // guarded by mutex_
  bool stopping_ = false;                 // guarded by mutex_
};

}  // namespace aerie::alerting
