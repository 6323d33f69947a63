#include "ingest/standby_ring.h"

#include <catch2/catch.hpp>

using aerie::ingest::KeptRequest;
using aerie::ingest::StandbyRing;

TEST_CASE("requests of a standby come back in order, once, until they are too old") {
  StandbyRing ring(100);
  ring.keep(1, {"first", {}, 1'000}, 0);
  ring.keep(2, {"other", {}, 1'000}, 0);
  ring.keep(1, {"second", {}, 2'000}, 500);
  CHECK(ring.bytes() == 16);
  auto taken = ring.take(1, 1'000);
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].body == "first");
  CHECK(taken[1].body == "second");
  CHECK(ring.take(1, 1'000).empty());
  CHECK(ring.bytes() == 5);
  CHECK(ring.take(2, 1'001).empty());
  CHECK(ring.bytes() == 0);
}

TEST_CASE("memory is bounded: a sender's own oldest go first") {
  StandbyRing ring(10);
  ring.keep(1, {"aaaa", {}, 1'000}, 0);
  ring.keep(1, {"bbbb", {}, 1'000}, 0);
  ring.keep(1, {"cccc", {}, 1'000}, 0);
  CHECK(ring.bytes() == 8);
  CHECK(ring.dropped() == 1);
  ring.keep(2, {"dddd", {}, 1'000}, 0);  // no room, and none of its own to give up
  CHECK(ring.dropped() == 2);
  const auto taken = ring.take(1, 0);
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].body == "bbbb");
  ring.keep(2, {"much too long", {}, 1'000}, 0);
  CHECK(ring.dropped() == 3);
  CHECK(ring.bytes() == 0);
}

TEST_CASE("what has grown too old makes room") {
  StandbyRing ring(8);
  ring.keep(1, {"aaaa", {}, 100}, 0);
  ring.keep(1, {"bbbb", {}, 900}, 0);
  ring.keep(1, {"cccc", {}, 900}, 500);
  CHECK(ring.dropped() == 0);
  CHECK(ring.take(1, 500).size() == 2);
}
