#include "store/byte_cache.h"

#include <catch2/catch.hpp>
#include <string>

namespace aerie::store {
namespace {

std::shared_ptr<const std::string> text(std::string value) {
  return std::make_shared<const std::string>(std::move(value));
}

TEST_CASE("what was not used for the longest time leaves first, and bytes never pass the limit") {
  ByteCache<int, std::string> cache(40);
  for (int i = 0; i < 4; ++i) cache.put(i, text(std::to_string(i)), 10);
  CHECK(cache.bytes() == 40);
  REQUIRE(cache.find(0) != nullptr);
  cache.put(4, text("4"), 10);
  CHECK(cache.bytes() == 40);
  CHECK(cache.find(1) == nullptr);
  CHECK(*cache.find(0) == "0");
  CHECK(*cache.find(4) == "4");
}

TEST_CASE("a later value replaces; what is displaced lives as long as somebody holds it") {
  ByteCache<int, std::string> cache(20);
  cache.put(1, text("first"), 5);
  cache.put(1, text("second"), 5);
  CHECK(cache.bytes() == 5);
  const auto held = cache.find(1);
  for (int i = 2; i < 10; ++i) cache.put(i, text("x"), 5);
  CHECK(cache.find(1) == nullptr);
  CHECK(*held == "second");
}

TEST_CASE("what would fill more than a quarter is not kept") {
  ByteCache<int, std::string> cache(40);
  cache.put(1, text("large"), 11);
  CHECK(cache.find(1) == nullptr);
  CHECK(cache.bytes() == 0);
}

}  // namespace
}  // namespace aerie::store
