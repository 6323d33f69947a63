#include "ingest/limit_keeper.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::ingest;

TEST_CASE("active series: new ones are refused at the limit, and again allowed below it") {
  ManualClock clock{1'000'000};
  LimitKeeper keeper(clock);
  const ClusterLimits limits{.active_series = 3};
  for (int i = 0; i < 3; ++i) CHECK(!keeper.admit_series("eu", limits));
  const auto refused = keeper.admit_series("eu", limits);
  REQUIRE(refused);
  CHECK(refused->reason == Refusal::ActiveSeriesLimit);
  CHECK(refused->text.find("3 active series, its limit is 3") != std::string::npos);
  CHECK(refused->text.find("limits.active_series") != std::string::npos);
  CHECK(!keeper.admit_series("us", limits));
  CHECK(keeper.usage().at("eu").active_series == 3);
  keeper.recount({{"eu", 2}});
  CHECK(!keeper.admit_series("eu", limits));
  CHECK(keeper.admit_series("eu", limits));
  CHECK(!keeper.admit_series("eu", {.active_series = 0}));
}

TEST_CASE("new series per second, with half a minute saved up") {
  ManualClock clock{1'000'000};
  LimitKeeper keeper(clock);
  const ClusterLimits limits{.active_series = 0, .new_series_per_second = 2};
  for (int i = 0; i < 60; ++i) CHECK(!keeper.admit_series("eu", limits));
  const auto refused = keeper.admit_series("eu", limits);
  REQUIRE(refused);
  CHECK(refused->reason == Refusal::NewSeriesLimit);
  clock.advance(std::chrono::milliseconds(1000));
  CHECK(!keeper.admit_series("eu", limits));
  CHECK(!keeper.admit_series("eu", limits));
  CHECK(keeper.admit_series("eu", limits));
}

TEST_CASE("samples per second: how long to wait follows from the deficit") {
  ManualClock clock{1'000'000};
  LimitKeeper keeper(clock);
  const ClusterLimits limits{.samples_per_second = 100};
  CHECK(!keeper.admit_samples("eu", limits, 2999));
  CHECK(!keeper.admit_samples("eu", limits, 501));
  const auto wait = keeper.admit_samples("eu", limits, 1);
  REQUIRE(wait);
  CHECK(*wait == Approx(5));
  CHECK(!keeper.admit_samples("us", limits, 1));
  clock.advance(std::chrono::milliseconds(5010));
  CHECK(!keeper.admit_samples("eu", limits, 1));
  CHECK(!keeper.admit_samples("eu", {}, 1'000'000'000));
}

TEST_CASE("counting is due once a minute, for one") {
  ManualClock clock{1'000'000};
  LimitKeeper keeper(clock);
  CHECK(keeper.recount_due());
  CHECK(!keeper.recount_due());
  clock.advance(std::chrono::milliseconds(60'000));
  CHECK(keeper.recount_due());
}
