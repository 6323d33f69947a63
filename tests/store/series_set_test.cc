#include "store/series_set.h"

#include <catch2/catch.hpp>

namespace aerie::store {
namespace {

TEST_CASE("meets() looks at exactly the numbers it is asked for") {
  constexpr uint32_t kSize = 200;
  for (const uint32_t member : {0u, 1u, 63u, 64u, 65u, 127u, 128u, 199u}) {
    SeriesSet set(kSize);
    set.add(member);
    for (uint32_t first = 0; first < kSize; ++first)
      for (uint32_t end = first + 1; end <= kSize; ++end)
        if (set.meets(first, end) != (first <= member && member < end))
          FAIL("member " << member << " in [" << first << ", " << end << ")");
  }
  CHECK_FALSE(SeriesSet(kSize).meets(0, kSize));
  CHECK(SeriesSet::all(kSize).meets(64, 128));
}

}  // namespace
}  // namespace aerie::store
