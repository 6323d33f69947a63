#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/work_pool.h"
#include "http/router.h"

namespace aerie::query {

/// One query on its way: what was asked, by whom, and what it cost so far.
struct QueryRecord {
  uint64_t id = 0;
  std::string endpoint;   ///< path of the request
  std::string query;      ///< at most 4 KiB of it
  std::string client;     ///< who shares fairly: address, and the user where Grafana names one
  std::string dashboard;  ///< Grafana's X-Dashboard-Uid
  std::string panel;      ///< Grafana's X-Panel-Id
  int64_t arrived_ns = 0;
  int64_t started_ns = 0;  ///< 0: still waits
  std::atomic<uint64_t> samples_read{0};
  std::shared_ptr<http::Cancellation> cancellation;
};

/// All queries of the same text since the start.
struct QueryCost {
  std::string query;
  std::string dashboard;  ///< of the latest
  std::string panel;
  uint64_t count = 0;
  uint64_t failed = 0;
  double total_seconds = 0;
  double longest_seconds = 0;
  uint64_t samples_read = 0;
};

/// Lets queries wait for a thread of a pool, one client's turn after the other's, so that a
/// dashboard of fifty panels does not keep another user's one query waiting; knows which wait and
/// run, can cancel them, and remembers what the costly ones cost. Thread-safe, lock rank 65.
/// Outlives the pool's jobs.
class QueryScheduler {
 public:
  /// `clock` outlives the scheduler.
  explicit QueryScheduler(const Clock& clock) : clock_(clock) {}

  using Work = std::function<http::Response(const http::Request&, QueryRecord&)>;
  /// Queues the request; `work` runs on `pool` and its answer goes to `responder`. A full pool
  /// answers 503; a client that went away while waiting 499. Does not block.
  void submit(WorkPool& pool, http::Request request, http::Responder responder, Work work);

  struct ActiveQuery {
    std::shared_ptr<const QueryRecord> record;
    double waited_seconds = 0;
    double running_seconds = 0;  ///< 0 while it waits
  };
  /// The oldest first.
  std::vector<ActiveQuery> active() const;
  /// The most costly first, by the time they took together; at most 100.
  std::vector<QueryCost> costly() const;
  /// False if no such query waits or runs. It ends soon after, with 499.
  bool cancel(uint64_t id);

 private:
  struct Job;
  struct State {
    uint64_t next_id = 1;
    std::map<uint64_t, std::shared_ptr<Job>> jobs;
    std::map<std::string, std::deque<std::shared_ptr<Job>>> waiting;  // by client, never empty
    std::deque<std::string> turns;                                    // clients with waiting jobs
    std::map<std::string, QueryCost> costs;                           // by text
  };
  void run_next();
  std::shared_ptr<Job> take_next();
  /// Undoes the queueing of a job that nobody will run.
  void withdraw(const std::shared_ptr<Job>& job);
  void finish(const Job& job, bool failed);

  const Clock& clock_;
  Guarded<State> state_;
};

}  // namespace aerie::query
