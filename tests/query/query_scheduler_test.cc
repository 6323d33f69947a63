#include "query/query_scheduler.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

namespace aerie::query {
namespace {

/// Keeps the pool's only thread busy until it is opened.
class Barrier {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

struct Fixture {
  ManualClock clock{1'700'000'000'000};
  QueryScheduler scheduler{clock};
  WorkPool pool{{.name = "query", .threads = 1, .queue_limit = 8}};
  std::mutex mutex;
  std::vector<std::string> answers;  // "query status", in the order of answering

  std::shared_ptr<http::Cancellation> submit(std::string query, std::string address,
                                             QueryScheduler::Work work = {}) {
    http::Request request;
    request.path = "/api/v1/query";
    request.remote_address = std::move(address);
    request.params.add("query", query);
    auto cancellation = request.cancellation;
    http::Responder responder([this, query](http::Response response) {
      const std::lock_guard lock(mutex);
      answers.push_back(query + " " + std::to_string(response.status));
    });
    if (!work)
      work = [](const http::Request&, QueryRecord&) { return http::Response::text(200, ""); };
    scheduler.submit(pool, std::move(request), std::move(responder), std::move(work));
    return cancellation;
  }
  QueryScheduler::Work held(Barrier& barrier, Barrier* started = nullptr) {
    return [&barrier, started](const http::Request&, QueryRecord& record) {
      if (started != nullptr) started->open();
      barrier.wait();
      record.samples_read = 7;
      return http::Response::text(record.cancellation->cancelled() ? 499 : 200, "");
    };
  }
};

TEST_CASE("clients take turns, whoever asks more") {
  Fixture f;
  Barrier barrier;
  Barrier started;
  f.submit("first", "10.0.0.1:1", f.held(barrier, &started));
  started.wait();
  for (const char* panel : {"a1", "a2", "a3"}) f.submit(panel, "10.0.0.1:2");
  f.submit("b1", "10.0.0.2:1");
  barrier.open();
  f.pool.stop();
  CHECK(f.answers == std::vector<std::string>{"first 200", "a1 200", "b1 200", "a2 200", "a3 200"});
}

TEST_CASE("what waits and runs is listed and can be ended") {
  Fixture f;
  Barrier barrier;
  f.submit("runs", "10.0.0.1:1", f.held(barrier));
  f.submit("waits", "10.0.0.2:1");
  const auto active = f.scheduler.active();
  REQUIRE(active.size() == 2);
  CHECK(active[0].record->query == "runs");
  CHECK(active[0].record->client == "10.0.0.1");
  for (const auto& query : active) CHECK(f.scheduler.cancel(query.record->id));
  CHECK_FALSE(f.scheduler.cancel(99));
  barrier.open();
  f.pool.stop();
  CHECK(f.answers == std::vector<std::string>{"runs 499", "waits 499"});
  CHECK(f.scheduler.active().empty());
}

TEST_CASE("what a query cost is remembered by its text") {
  Fixture f;
  Barrier barrier;
  barrier.open();
  f.submit("up", "10.0.0.1:1", f.held(barrier));
  f.submit("up", "10.0.0.1:1", f.held(barrier));
  f.pool.stop();
  const auto costs = f.scheduler.costly();
  REQUIRE(costs.size() == 1);
  CHECK(costs[0].query == "up");
  CHECK(costs[0].count == 2);
  CHECK(costs[0].samples_read == 14);
}

TEST_CASE("a full queue answers at once") {
  Fixture f;
  Barrier barrier;
  f.submit("runs", "10.0.0.1:1", f.held(barrier));
  for (int i = 0; i < 10; ++i) f.submit("q", "10.0.0.1:1");
  {
    const std::lock_guard lock(f.mutex);
    REQUIRE_FALSE(f.answers.empty());
    CHECK(f.answers.front() == "q 503");
  }
  barrier.open();
  f.pool.stop();
  CHECK(f.answers.size() == 11);
}

}  // namespace
}  // namespace aerie::query
