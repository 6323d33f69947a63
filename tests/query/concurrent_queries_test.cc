#include "query/concurrent_queries.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

namespace aerie::query {
namespace {

using namespace std::chrono_literals;

Result<QueryResult> number(double value) {
  QueryResult result;
  result.value = ScalarValue{0, value};
  return result;
}
double number_of(const ConcurrentQueries::Shared& shared) {
  return std::get<ScalarValue>((*shared.result)->value).value;
}
/// Until `count` queries wait for others.
void wait_until_waiting(const ConcurrentQueries& queries, size_t count) {
  while (queries.waiting() < count) std::this_thread::yield();
}

/// An evaluation that goes on until it is told what comes out.
struct Slow {
  std::promise<Result<QueryResult>> outcome;
  std::promise<void> begun;
  ConcurrentQueries::Evaluate evaluate() {
    return [this](const QueryLimits&) {
      begun.set_value();
      return outcome.get_future().get();
    };
  }
};

TEST_CASE("equal queries at the same time are evaluated once") {
  MetricRegistry metrics;
  ConcurrentQueries queries(&metrics);
  Slow slow;
  auto first =
      std::async(std::launch::async, [&] { return queries.run("a", {}, slow.evaluate()); });
  slow.begun.get_future().get();
  std::atomic<int> evaluated{0};
  const auto evaluate = [&](const QueryLimits&) {
    ++evaluated;
    return number(2);
  };
  std::vector<std::future<ConcurrentQueries::Shared>> others;
  for (int i = 0; i < 3; ++i)
    others.push_back(
        std::async(std::launch::async, [&] { return queries.run("a", {}, evaluate); }));
  wait_until_waiting(queries, 3);
  CHECK(number_of(queries.run("b", {}, evaluate)) == 2);  // another query does not wait
  slow.outcome.set_value(number(1));
  CHECK_FALSE(first.get().waited);
  for (auto& other : others) {
    const auto shared = other.get();
    CHECK(shared.waited);
    CHECK(number_of(shared) == 1);
  }
  CHECK(evaluated == 1);
  CHECK(number_of(queries.run("a", {}, evaluate)) == 2);  // nothing is remembered
  CHECK(metrics.expose().find("aerie_query_shared_queries_total 3") != std::string::npos);
}

TEST_CASE("what became of one asker does not become of the other") {
  ConcurrentQueries queries(nullptr);
  for (const ErrorCode code : {ErrorCode::Cancelled, ErrorCode::DeadlineExceeded,
                               ErrorCode::ResourceExhausted, ErrorCode::Execution}) {
    Slow slow;
    auto first =
        std::async(std::launch::async, [&] { return queries.run("a", {}, slow.evaluate()); });
    slow.begun.get_future().get();
    auto second = std::async(std::launch::async, [&] {
      return queries.run("a", {}, [](const QueryLimits&) { return number(2); });
    });
    wait_until_waiting(queries, 1);
    slow.outcome.set_value(Error(code, "ended"));
    CHECK_FALSE(first.get().result->ok());
    const auto shared = second.get();
    CHECK(shared.waited == (code == ErrorCode::Execution));
    CHECK(shared.result->ok() == (code != ErrorCode::Execution));
  }
}

TEST_CASE("who waits can be ended") {
  ConcurrentQueries queries(nullptr);
  Slow slow;
  auto first =
      std::async(std::launch::async, [&] { return queries.run("a", {}, slow.evaluate()); });
  slow.begun.get_future().get();
  QueryLimits limits;
  limits.timeout = 1h;
  std::atomic<bool> cancelled{false};
  limits.cancelled = [&] { return cancelled.load(); };
  auto second = std::async(std::launch::async, [&] {
    return queries.run("a", limits, [](const QueryLimits& left) -> Result<QueryResult> {
      CHECK(left.waited > 0ns);
      return Error(ErrorCode::Cancelled, "ended");
    });
  });
  wait_until_waiting(queries, 1);
  cancelled = true;
  CHECK(second.get().result->error().code() == ErrorCode::Cancelled);
  slow.outcome.set_value(number(1));
  CHECK(first.get().result->ok());
}

}  // namespace
}  // namespace aerie::query
