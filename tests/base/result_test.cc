#include "base/result.h"

#include <catch2/catch.hpp>
#include <memory>

namespace aerie {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return Error(ErrorCode::InvalidArgument, "odd number: 3");
  return n / 2;
}

TEST_CASE("a result holds a value or an error") {
  CHECK(half(4).value() == 2);
  const Result<int> failed = half(3);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code() == ErrorCode::InvalidArgument);
}

TEST_CASE("context goes before the text") {
  Result<int> failed = half(3);
  const Error error = std::move(failed).error().with("halve").with("remote write from a");
  CHECK(error.message() == "remote write from a: halve: odd number: 3");
}

TEST_CASE("a result moves what cannot be copied") {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = std::move(made).value();
  CHECK(*taken == 7);
}

}  // namespace
}  // namespace aerie
