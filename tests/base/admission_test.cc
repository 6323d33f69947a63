#include "base/admission.h"

#include <catch2/catch.hpp>

#include <utility>

using aerie::Admission;

TEST_CASE("permits add up to the limit and come back") {
  Admission admission(100);
  {
    auto first = admission.try_acquire(60);
    REQUIRE(first.ok());
    auto second = admission.try_acquire(40);
    REQUIRE(second.ok());
    CHECK(admission.in_flight_bytes() == 100);
    const auto third = admission.try_acquire(1);
    REQUIRE(!third.ok());
    CHECK(third.error().code() == aerie::ErrorCode::Unavailable);
    CHECK(admission.try_acquire(0).ok());
  }
  CHECK(admission.in_flight_bytes() == 0);
  CHECK(!admission.try_acquire(101).ok());
}

TEST_CASE("a moved permit is given back once") {
  Admission admission(100);
  auto taken = admission.try_acquire(10);
  Admission::Permit permit = std::move(*taken);
  CHECK(permit.bytes() == 10);
  Admission::Permit other = std::move(permit);
  permit.release();
  CHECK(admission.in_flight_bytes() == 10);
  other.release();
  other.release();
  CHECK(admission.in_flight_bytes() == 0);
}
