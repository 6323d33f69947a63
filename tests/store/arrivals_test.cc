#include "store/arrivals.h"

#include <chrono>

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;
using namespace std::chrono_literals;

TEST_CASE("a cluster is silent after max(3 intervals, 60 s) without an arrival") {
  ManualClock clock(1'000'000);
  Arrivals arrivals(clock);
  CHECK_FALSE(arrivals.find("gondor"));
  for (int i = 0; i < 10; ++i) {
    arrivals.note("gondor", clock.now_ms() - 200);
    clock.advance(15s);
  }
  auto gondor = arrivals.find("gondor");
  REQUIRE(gondor);
  CHECK(gondor->interval == 15'000);
  CHECK(gondor->lag == 200);
  CHECK(gondor->clock_skew == 0);
  CHECK(gondor->silence == 15'000);
  CHECK(gondor->last_arrival_ms == clock.now_ms() - 15'000);
  CHECK(gondor->watermark == clock.now_ms() - 15'200);
  CHECK_FALSE(gondor->silent);
  clock.advance(45s);
  CHECK_FALSE(arrivals.find("gondor")->silent);
  clock.advance(1ms);
  CHECK(arrivals.find("gondor")->silent);
  arrivals.note("gondor", clock.now_ms());
  CHECK_FALSE(arrivals.find("gondor")->silent);
}

TEST_CASE("a slow cluster gets three of its own intervals") {
  ManualClock clock(1'000'000);
  Arrivals arrivals(clock);
  for (int i = 0; i < 10; ++i) {
    clock.advance(60s);
    arrivals.note("shire", clock.now_ms());
  }
  clock.advance(180s);
  CHECK(arrivals.find("shire")->interval == 60'000);
  CHECK_FALSE(arrivals.find("shire")->silent);
  clock.advance(1s);
  CHECK(arrivals.find("shire")->silent);
}

TEST_CASE("a clock that is ahead shows as skew, backlog does not count as lag") {
  ManualClock clock(100'000'000);
  Arrivals arrivals(clock);
  for (int i = 0; i < 10; ++i) {
    clock.advance(15s);
    arrivals.note("rohan", clock.now_ms() + 3000);
    arrivals.note("mordor", clock.now_ms() - 40'000'000 + i * 1000);
  }
  CHECK(arrivals.find("rohan")->clock_skew == 3000);
  CHECK(arrivals.find("rohan")->lag == 0);
  CHECK(arrivals.find("mordor")->lag == 0);
  CHECK(arrivals.find("mordor")->watermark == clock.now_ms() - 40'000'000 + 9000);
}

TEST_CASE("what the log knew is silent until it sends again") {
  ManualClock clock(1'000'000);
  Arrivals arrivals(clock);
  arrivals.restore("b", 900'000);
  arrivals.restore("a", 800'000);
  auto all = arrivals.all();
  REQUIRE(all.size() == 2);
  CHECK(all[0].cluster == "a");
  CHECK(all[1].watermark == 900'000);
  CHECK_FALSE(all[1].silent);  // we have not been here long enough to know
  clock.advance(61s);
  CHECK(arrivals.find("b")->silent);
  arrivals.note("b", 890'000);  // older than the watermark: an arrival all the same
  CHECK_FALSE(arrivals.find("b")->silent);
  CHECK(arrivals.find("b")->watermark == 900'000);
}
