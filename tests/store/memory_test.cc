#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "tests/store/support/stores.h"

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;

namespace {

model::Labels pod(int n) {
  return {{"__name__", fmt::format("m{}", n % 7)}, {"pod", fmt::format("pod-{:06}", n)}};
}

}  // namespace

TEST_CASE("when memory is full and nothing is sealed, batches are refused with the reason") {
  StoreFixture fixture;
  fixture.options.head_memory_bytes = 1u << 20;
  fixture.reopen();
  int scrape = 0;
  const auto write = [&] {
    WriteBatch batch;
    for (int i = 0; i < 100; ++i)
      batch.floats.push_back(fixture.row(pod(i), kNow + scrape, scrape * 0.123456789));
    ++scrape;
    return fixture.store().append_and_wait(std::move(batch));
  };
  while (scrape < 5000) {
    const auto outcome = write();
    if (outcome) continue;
    CHECK(outcome.error().code() == ErrorCode::Unavailable);
    CHECK(outcome.error().message().find("memory is full: ") == 0);
    CHECK(outcome.error().message().find("seal") != std::string::npos);
    break;
  }
  REQUIRE(scrape < 5000);
  REQUIRE(scrape > 100);
  CHECK(!write());
  must(fixture.store().flush());
  CHECK(write().ok());
}

TEST_CASE("series that come and go leave no memory behind, also after a restart") {
  StoreFixture fixture;
  size_t settled = 0;
  for (int round = 0; round < 8; ++round) {
    WriteBatch batch;
    for (int i = 0; i < 1000; ++i)
      batch.floats.push_back(fixture.row(pod(round * 1000 + i), fixture.clock.now_ms(), i));
    fixture.write(std::move(batch));
    fixture.clock.advance(std::chrono::minutes(90));
    must(fixture.store().flush());
    must(fixture.store().flush());  // the slots that the sweep freed can be given away again
    if (round == 2) settled = fixture.store().head().index().bytes();
    if (round == 5) fixture.reopen();
  }
  CHECK(fixture.store().active_series() <= 1000);
  CHECK(fixture.store().head().index().bytes() <= settled);
  CHECK(fixture.store().head().index().slot_limit() <= 3000);
  CHECK(fixture.store().head().bytes() == 0);
}
