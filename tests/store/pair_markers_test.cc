#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "model/sample.h"
#include "store/held_markers.h"
#include "tests/store/support/stores.h"

/// Stale markers and resets of pairs that dropped their replica label, in a real store.

using namespace aerie;
using namespace aerie::store;
using namespace aerie::store::testing;
using model::TimestampMs;

namespace {

constexpr model::DurationMs kPhase = 7'000;  // of the second replica, at 15 s
const model::Labels kJobs = {{"__name__", "jobs_total"}, {"cluster", "a"}};
const model::Labels kLoad = {{"__name__", "load"}, {"cluster", "a"}};

struct PairFixture : StoreFixture {
  WriteOutcome offer(const model::Labels& labels, TimestampMs t, double value) {
    clock.set_ms(kNow + t);
    WriteBatch batch;
    batch.replicas = ReplicaPolicy::UnlabelledPair;
    batch.floats = {row(labels, kNow + t, value)};
    return write(std::move(batch));
  }
  /// Five scrapes of both, the first replica's are kept; the last at 60 s.
  void settle(const model::Labels& labels) {
    for (int64_t scrape = 0; scrape < 5; ++scrape) {
      offer(labels, scrape * 15'000, static_cast<double>(100 + scrape));
      if (scrape < 4) offer(labels, scrape * 15'000 + kPhase, static_cast<double>(100 + scrape));
    }
  }
  std::string tail() {
    std::string all = read().at(0);
    return all.substr(all.find("60000="));
  }
};

}  // namespace

TEST_CASE("held markers: forgotten, confirmed, overdue") {
  HeldMarkers held;
  CHECK(held.hold({1, 1, 100, 500}) == HeldMarkers::Answer::Held);
  CHECK(held.hold({1, 1, 100, 500}) == HeldMarkers::Answer::Again);
  CHECK(held.hold({2, 1, 110, 400}) == HeldMarkers::Answer::Held);
  CHECK(held.hold({3, 1, 120, 300}) == HeldMarkers::Answer::Held);
  CHECK(held.hold({1, 1, 130, 600}) == HeldMarkers::Answer::Stands);
  held.forget(3);
  CHECK(!held.take_due(399));
  const auto overdue = held.take_due(10'000);
  REQUIRE(overdue.has_value());
  CHECK(overdue->slot == 2);
  CHECK(overdue->t == 110);
  CHECK(!held.take_due(10'000));
  CHECK(held.empty());
  held.hold({4, 1, 100, 500});
  held.forget_all();
  CHECK(!held.take_due(10'000));
}

TEST_CASE("a pair: one replica fails to scrape, the other one does not: no marker") {
  PairFixture store;
  store.settle(kLoad);
  SECTION("the one that is kept") {
    CHECK(store.offer(kLoad, 75'000, model::stale_marker()).floats_written == 1);
    CHECK(store.tail() == "60000=104");
    store.offer(kLoad, 75'000 + kPhase, 105);
    store.offer(kLoad, 150'000, 106);
    CHECK(store.tail() == "60000=104 82000=105 150000=106");
  }
  SECTION("the other one") {
    store.offer(kLoad, 60'000 + kPhase, model::stale_marker());
    store.offer(kLoad, 75'000, 105);
    store.offer(kLoad, 150'000, 106);
    CHECK(store.tail() == "60000=104 75000=105 150000=106");
  }
}

TEST_CASE("a pair: the target is gone") {
  PairFixture store;
  store.settle(kLoad);
  SECTION("both say so") {
    store.offer(kLoad, 60'000 + kPhase, model::stale_marker());
    CHECK(store.tail() == "60000=104");
    store.offer(kLoad, 75'000, model::stale_marker());
    CHECK(store.tail() == "60000=104 75000=stale");
    store.offer(kLoad, 75'000 + kPhase, model::stale_marker());
    CHECK(store.tail() == "60000=104 75000=stale");
  }
  SECTION("one says so, the other one is dead") {
    store.offer(kLoad, 75'000, model::stale_marker());
    SECTION("") {}
    SECTION("also after a restart") { store.reopen(); }
    store.offer(kJobs, 75'000 + 28'749, 1);
    CHECK(store.read({model::Matcher::equal("__name__", "load")}).at(0).find("stale") ==
          std::string::npos);
    store.offer(kJobs, 75'000 + 28'750, 2);
    const std::string wanted = store.read({model::Matcher::equal("__name__", "load")}).at(0);
    CHECK(wanted.ends_with("60000=104 75000=stale"));
    store.reopen();
    CHECK(store.read({model::Matcher::equal("__name__", "load")}).at(0) == wanted);
  }
}

TEST_CASE("a change of lead: a counter goes down only if the new lead saw a reset itself") {
  StoreFixture store;
  const auto offer = [&](ReplicaPolicy policy, TimestampMs t, double value) {
    WriteBatch batch;
    batch.replicas = policy;
    batch.floats = {store.row(kJobs, kNow + t, value)};
    return store.write(std::move(batch));
  };
  for (int64_t scrape = 0; scrape < 5; ++scrape)
    offer(ReplicaPolicy::ElectedReplica, scrape * 15'000, static_cast<double>(100 + scrape));
  const auto tail = [&] {
    const std::string all = store.read().at(0);
    return all.substr(all.find("60000="));
  };
  SECTION("a slower scrape of the same moment") {
    CHECK(offer(ReplicaPolicy::ChangeOfLead, 54'000, 103).deduplicated == 1);
    CHECK(offer(ReplicaPolicy::ChangeOfLead, 69'000, 103.9).deduplicated == 1);
    offer(ReplicaPolicy::ChangeOfLead, 84'000, 105);
    CHECK(tail() == "60000=104 84000=105");
  }
  SECTION("a true reset") {
    offer(ReplicaPolicy::ChangeOfLead, 54'000, 103);
    offer(ReplicaPolicy::ChangeOfLead, 69'000, 2);
    offer(ReplicaPolicy::ChangeOfLead, 84'000, 17);
    CHECK(tail() == "60000=104 69000=2 84000=17");
  }
  SECTION("nothing is known of the new lead") {
    offer(ReplicaPolicy::ChangeOfLead, 69'000, 2);
    CHECK(tail() == "60000=104 69000=2");
  }
}

TEST_CASE("a pair without labels: where its phases meet a counter does not go down") {
  PairFixture store;
  store.settle(kJobs);
  // It comes just beyond three quarters of an interval, answered with less.
  CHECK(store.offer(kJobs, 60'000 + 12'000, 103.5).deduplicated == 1);
  store.offer(kJobs, 75'000, 105);
  CHECK(store.tail() == "60000=104 75000=105");
  // The temperature may fall.
  store.settle(kLoad);
  CHECK(store.offer(kLoad, 60'000 + 12'000, 103.5).floats_written == 1);
}
