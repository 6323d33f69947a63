#include "ingest/unread_standbys.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace aerie;
using namespace aerie::ingest;
using namespace std::chrono_literals;

namespace {

const Sender kLead{"eu", {"eu", "mon"}, "a"};
const Sender kStandby{"eu", {"eu", "mon"}, "b"};

void learn(UnreadStandbys& unread, const Sender& who) {
  for (uint32_t i = 0; i < UnreadStandbys::kReadsBefore; ++i)
    unread.note({&who, false, 2000, 64'000});
}

}  // namespace

TEST_CASE("a standby is kept unread once enough of it was read, and one in thirty-two is read") {
  ManualClock clock(1'000'000);
  UnreadStandbys unread(clock);
  CHECK(!unread.skip(kStandby, 64'000));
  for (uint32_t i = 1; i < UnreadStandbys::kReadsBefore; ++i) {
    CHECK(!unread.note({&kStandby, false, 2000, 64'000}));
    CHECK(!unread.skip(kStandby, 64'000));
  }
  unread.note({&kStandby, false, 2000, 64'000});
  uint32_t skipped = 0;
  for (int i = 0; i < 320; ++i) {
    const auto samples = unread.skip(kStandby, 32'000);
    if (samples) {
      CHECK(*samples == 1000);
      ++skipped;
    } else {
      unread.note({&kStandby, false, 2000, 64'000});
    }
  }
  CHECK(skipped == 310);
  CHECK(!unread.skip(kLead, 64'000));  // nothing is known of it
}

TEST_CASE("a standby that sends seldom is read every half a minute") {
  ManualClock clock(1'000'000);
  UnreadStandbys unread(clock);
  learn(unread, kStandby);
  CHECK(unread.skip(kStandby, 1));
  clock.advance(29s);
  CHECK(unread.skip(kStandby, 1));
  clock.advance(1s);
  CHECK(!unread.skip(kStandby, 1));
  unread.note({&kStandby, false, 1, 1});
  CHECK(unread.skip(kStandby, 1));
}

TEST_CASE("what its lead mixes a standby mixes as well: an hour of reading") {
  ManualClock clock(1'000'000);
  UnreadStandbys unread(clock);
  learn(unread, kLead);
  learn(unread, kStandby);
  REQUIRE(unread.skip(kStandby, 64'000));
  CHECK(unread.note({&kLead, true, 2000, 64'000}));
  CHECK(!unread.note({&kLead, true, 2000, 64'000}));  // no news
  learn(unread, kStandby);
  CHECK(!unread.skip(kStandby, 64'000));
  const Sender elsewhere{"us", {"us", "mon"}, "b"};
  learn(unread, elsewhere);
  CHECK(unread.skip(elsewhere, 64'000));
  clock.advance(3601s);
  learn(unread, kStandby);
  CHECK(unread.skip(kStandby, 64'000));
}
