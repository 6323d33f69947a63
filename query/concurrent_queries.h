#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/metrics.h"
#include "query/engine.h"
#include "query/value.h"

namespace aerie::query {

/// Lets equal queries that run at the same time share one evaluation: the first evaluates, the
/// others wait for it. Thread-safe; a leaf lock (rank 66: docs/threads.md). docs/decisions/0142.
class ConcurrentQueries {
 public:
  /// `metrics` (may be null) outlives this.
  explicit ConcurrentQueries(MetricRegistry* metrics);

  using ResultPtr = std::shared_ptr<const Result<QueryResult>>;
  /// Evaluates with limits that say how long the caller has waited already.
  using Evaluate = std::function<Result<QueryResult>(const QueryLimits&)>;
  struct Shared {
    ResultPtr result;
    bool waited = false;  ///< another query evaluated it
  };
  /// Queries of equal keys want equal answers: the key names the state of the store too. Who waits
  /// goes on waiting while the other evaluates, but no longer than `limits` allow: then, and if the
  /// other was ended, it evaluates by itself.
  Shared run(const std::string& key, const QueryLimits& limits, const Evaluate& evaluate);

  /// Queries that wait for others now.
  size_t waiting() const;

 private:
  struct Flight {
    bool done = false;
    ResultPtr result;
  };
  using FlightPtr = std::shared_ptr<Flight>;

  ResultPtr wait_for(std::unique_lock<std::mutex>& lock, const FlightPtr& flight,
                     const QueryLimits& limits, std::chrono::nanoseconds& waited);

  Counter* const shared_;
  mutable std::mutex mutex_;
  std::condition_variable landed_;
  std::unordered_map<std::string, FlightPtr> flights_;  // guarded by mutex_
  size_t waiting_ = 0;                                  // guarded by mutex_
};

}  // namespace aerie::query
