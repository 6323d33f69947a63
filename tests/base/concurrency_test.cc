#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "base/gate.h"
#include "base/guarded.h"
#include "base/work_pool.h"

namespace aerie {
namespace {

TEST_CASE("a closed gate refuses and waits for those inside") {
  Gate gate;
  Gate::Pass pass = gate.enter();
  REQUIRE(pass);
  std::promise<void> closed;
  std::thread closer([&] {
    gate.close();
    closed.set_value();
  });
  while (!gate.closed()) std::this_thread::yield();
  CHECK_FALSE(gate.enter());
  auto done = closed.get_future();
  CHECK(done.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  pass = Gate::Pass();
  done.wait();
  closer.join();
}

TEST_CASE("a pool runs what it accepted, also while it stops") {
  std::atomic<int> ran = 0;
  {
    WorkPool pool({.name = "test", .threads = 2, .queue_limit = 1000});
    for (int i = 0; i < 1000; ++i) {
      while (!pool.submit([&] { ++ran; })) std::this_thread::yield();
    }
  }
  CHECK(ran == 1000);
}

TEST_CASE("a full pool says so") {
  std::promise<void> release;
  auto released = release.get_future().share();
  std::promise<void> started;
  WorkPool pool({.name = "test", .threads = 1, .queue_limit = 1});
  REQUIRE(pool.submit([&, released] {
    started.set_value();
    released.wait();
  }));
  started.get_future().wait();
  CHECK(pool.submit([] {}));
  CHECK_FALSE(pool.submit([] {}));
  release.set_value();
}

TEST_CASE("guarded data is reached under its lock only") {
  Guarded<int> count;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) count.with([](int& n) { ++n; });
  });
  for (int i = 0; i < 1000; ++i) count.with([](int& n) { ++n; });
  other.join();
  CHECK(count.copy() == 2000);
}

}  // namespace
}  // namespace aerie
