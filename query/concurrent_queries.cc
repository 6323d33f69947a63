#include "query/concurrent_queries.h"

#include <chrono>
#include <utility>

namespace aerie::query {
namespace {

// How soon one who waits notices that its client has gone.
constexpr std::chrono::milliseconds kLook{10};

/// True if the outcome says something about the query and not about who asked it.
bool is_for_everybody(const Result<QueryResult>& result) {
  if (result) return !result->streamed;
  const ErrorCode code = result.error().code();
  return code == ErrorCode::InvalidArgument || code == ErrorCode::Execution;
}

}  // namespace

ConcurrentQueries::ConcurrentQueries(MetricRegistry* metrics)
    : shared_(metrics == nullptr
                  ? nullptr
                  : &metrics->counter("aerie_query_shared_queries_total",
                                      "Queries answered by the evaluation of an equal one.")) {}

ConcurrentQueries::Shared ConcurrentQueries::run(const std::string& key, const QueryLimits& limits,
                                                 const Evaluate& evaluate) {
  auto mine = std::make_shared<Flight>();
  QueryLimits left = limits;
  {
    std::unique_lock lock(mutex_);
    const auto [found, first] = flights_.try_emplace(key, mine);
    if (!first) {
      std::chrono::nanoseconds waited{0};
      if (auto result = wait_for(lock, FlightPtr(found->second), limits, waited)) {
        if (shared_ != nullptr) shared_->add();
        return {std::move(result), true};
      }
      lock.unlock();
      left.waited += waited;
      return {std::make_shared<const Result<QueryResult>>(evaluate(left)), false};
    }
  }
  mine->result = std::make_shared<const Result<QueryResult>>(evaluate(left));
  {
    const std::lock_guard lock(mutex_);
    mine->done = true;
    flights_.erase(key);
  }
  landed_.notify_all();
  return {mine->result, false};
}

/// Null if the caller has to evaluate by itself.
ConcurrentQueries::ResultPtr ConcurrentQueries::wait_for(std::unique_lock<std::mutex>& lock,
                                                         const FlightPtr& flight,
                                                         const QueryLimits& limits,
                                                         std::chrono::nanoseconds& waited) {
  const auto begun = std::chrono::steady_clock::now();
  const auto patience =
      limits.timeout.count() > 0 ? limits.timeout - limits.waited : std::chrono::nanoseconds::max();
  ++waiting_;
  bool gives_up = false;
  while (!flight->done && !gives_up) {
    landed_.wait_for(lock, kLook);
    waited = std::chrono::steady_clock::now() - begun;
    gives_up = waited > patience || (limits.cancelled && limits.cancelled());
  }
  --waiting_;
  return flight->done && is_for_everybody(*flight->result) ? flight->result : nullptr;
}

size_t ConcurrentQueries::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

}  // namespace aerie::query
