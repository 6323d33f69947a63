#include "ingest/pair_detector.h"

#include <catch2/catch.hpp>

#include <random>
#include <vector>

using aerie::ingest::PairDetector;
using aerie::model::TimestampMs;

namespace {

// Plays scrapes of 20 targets by senders of the given phases; jitter as Prometheus leaves it.
bool play(PairDetector& detector, TimestampMs interval, const std::vector<TimestampMs>& phases,
          TimestampMs jitter) {
  std::mt19937 random(1);
  bool pair = false;
  for (TimestampMs scrape = 0; scrape < 30; ++scrape) {
    for (const TimestampMs phase : phases) {
      std::vector<PairDetector::Observation> samples;
      for (uint64_t target = 0; target < 20; ++target) {
        const TimestampMs own = static_cast<TimestampMs>(target) * 777 % interval;
        const TimestampMs noise =
            jitter == 0 ? 0 : static_cast<TimestampMs>(random() % static_cast<uint64_t>(jitter));
        samples.push_back({target, 1'000'000 + scrape * interval + phase + own + noise});
      }
      pair = detector.observe("eu", samples);
    }
  }
  CHECK(detector.is_pair("eu") == pair);
  return pair;
}

}  // namespace

TEST_CASE("two phases are a pair") {
  for (const TimestampMs phase : {1, 100, 3'000, 6'000, 9'000, 14'999}) {
    PairDetector detector;
    INFO("phase=" << phase);
    CHECK(play(detector, 15'000, {0, phase}, 0));
  }
  PairDetector detector;
  CHECK(play(detector, 60'000, {0, 7'000}, 3));
}

TEST_CASE("one sender is not a pair, whatever its interval and jitter") {
  for (const TimestampMs interval : {1'000, 5'000, 15'000, 60'000, 300'000}) {
    for (const TimestampMs jitter : {0, 3, 200}) {
      PairDetector detector;
      INFO("interval=" << interval << " jitter=" << jitter);
      CHECK(!play(detector, interval, {0}, jitter));
    }
  }
}

TEST_CASE("half of a pair alone is no pair any more, after an hour") {
  PairDetector detector;
  REQUIRE(play(detector, 15'000, {0, 4'000}, 0));
  bool pair = true;
  for (TimestampMs scrape = 100; scrape < 400; ++scrape) {
    if (scrape == 250 && !pair) FAIL("its other half may come back");
    std::vector<PairDetector::Observation> samples;
    for (uint64_t target = 0; target < 20; ++target)
      samples.push_back({target, 1'000'000 + scrape * 15'000});
    pair = detector.observe("eu", samples);
  }
  CHECK(!pair);
}

TEST_CASE("sent again, a sample says nothing new; clusters do not influence each other") {
  PairDetector detector;
  for (int i = 0; i < 100; ++i) {
    const PairDetector::Observation same[] = {{1, 1000}, {2, 1000}, {3, 1000}};
    if (detector.observe("eu", same)) FAIL("a repetition is no pair");
  }
  CHECK(!detector.is_pair("us"));
}
