#include "ingest/fair_queue.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

using namespace aerie;
using namespace aerie::ingest;

namespace {

struct Bench {
  explicit Bench(FairQueue::Options options) : queue(manual(options), clock) {}
  static FairQueue::Options manual(FairQueue::Options options) {
    options.timer = false;
    return options;
  }
  void submit(const std::string& cluster, size_t bytes) {
    queue.submit({cluster, bytes,
                  [this, cluster](Admission::Permit permit) {
                    started.push_back(cluster);
                    permits.push_back(std::move(permit));
                  },
                  [this, cluster](Error) { given_up.push_back(cluster); }});
  }
  // The oldest of those that run is done and answered.
  void finish() {
    permits.erase(permits.begin());
    queue.done_running();
  }

  ManualClock clock{1'000'000};
  std::vector<std::string> started;
  std::vector<std::string> given_up;
  std::vector<Admission::Permit> permits;
  FairQueue queue;
};

}  // namespace

TEST_CASE("what fits starts at once") {
  Bench bench({.limit_bytes = 100, .max_running = 3});
  bench.submit("a", 40);
  bench.submit("b", 60);
  CHECK(bench.started == std::vector<std::string>{"a", "b"});
  bench.submit("a", 1);
  CHECK(bench.started.size() == 2);
  CHECK(bench.queue.waiting() == 1);
  bench.finish();
  CHECK(bench.started.size() == 3);
  bench.submit("c", 101);  // could never be
  CHECK(bench.given_up == std::vector<std::string>{"c"});
}

TEST_CASE("a cluster that sends twenty times its share keeps nobody waiting") {
  Bench bench({.limit_bytes = 1'000'000, .max_running = 1});
  for (int i = 0; i < 200; ++i) bench.submit("greedy", 1000);
  for (int i = 0; i < 10; ++i) bench.submit("modest", 1000);
  while (!bench.permits.empty()) bench.finish();
  REQUIRE(bench.started.size() == 210);
  // In turns: the last of ten is among the first twenty-two.
  std::map<std::string, int> early;
  for (size_t i = 0; i < 22; ++i) ++early[bench.started[i]];
  CHECK(early["modest"] == 10);
}

TEST_CASE("turns are counted in bytes, and nobody saves them up") {
  Bench bench({.limit_bytes = 10'000'000, .max_running = 1});
  for (int i = 0; i < 50; ++i) bench.submit("early", 100'000);
  while (!bench.permits.empty()) bench.finish();
  bench.started.clear();
  for (int i = 0; i < 20; ++i) bench.submit("large", 100'000);
  for (int i = 0; i < 20; ++i) bench.submit("late", 100'000);
  for (int i = 0; i < 40; ++i) bench.submit("small", 46'000);
  for (int i = 0; i < 20; ++i) bench.finish();
  std::map<std::string, int> counts;
  for (const std::string& name : bench.started) ++counts[name];
  CHECK(counts["large"] >= 5);
  CHECK(counts["large"] <= 7);
  CHECK(counts["late"] >= 4);
  CHECK(counts["small"] >= 9);
  while (!bench.permits.empty()) bench.finish();
}

TEST_CASE("nobody waits longer than his patience") {
  Bench bench({.limit_bytes = 100, .max_running = 1, .max_waiting = 2});
  bench.submit("a", 50);
  bench.submit("b", 50);
  bench.clock.advance(std::chrono::milliseconds(6000));
  bench.submit("c", 50);
  bench.submit("d", 50);
  CHECK(bench.given_up == std::vector<std::string>{"d"});
  bench.queue.expire();
  CHECK(bench.given_up.size() == 1);
  bench.clock.advance(std::chrono::milliseconds(4000));
  bench.queue.expire();
  CHECK(bench.given_up == std::vector<std::string>{"d", "b"});
  bench.finish();
  CHECK(bench.started == std::vector<std::string>{"a", "c"});
}
