#include "clusters/timeline.h"

#include <catch2/catch.hpp>

#include "tests/clusters/support/memory_source.h"

using namespace aerie::clusters;
using aerie::clusters::testing::MemoryTable;

namespace {

constexpr int64_t kNow = 1'700'000'000'000;

TimelineEntry entry(const std::string& name, int64_t at, EventKind kind = EventKind::Stalled) {
  TimelineEntry e;
  e.key = {"shop", name, "gondor"};
  e.event.kind = kind;
  e.event.at = at;
  e.event.phase = Phase::Stalled;
  e.event.reason = "ImagePull/ImagePullBackOff";
  return e;
}

}  // namespace

TEST_CASE("golden bytes of a timeline row") {
  TimelineEntry e = entry("nginx", kNow, EventKind::Completed);
  e.number = 7;
  e.key.kind = Kind::StatefulSet;
  e.event.phase = Phase::Complete;
  e.event.reason.clear();
  e.event.message = "3 of 3\nall";
  e.event.took = 45'000;
  const std::string text =
      "number=7\nevent=Completed\nat=1700000000000\ncluster=gondor\nnamespace=shop\nname=nginx\n"
      "kind=StatefulSet\nphase=Complete\nmessage=3 of 3 all\ntook=45000\n";
  CHECK(e.encode() == text);
  const auto read = TimelineEntry::decode(text);
  REQUIRE(read);
  CHECK(read->encode() == text);
  CHECK_FALSE(TimelineEntry::decode("event=Party\nname=x\n"));
  CHECK_FALSE(TimelineEntry::decode("nonsense"));
}

TEST_CASE("a timeline is kept in its table, and forgets after 30 days") {
  auto table = std::make_shared<MemoryTable>();
  {
    Timeline timeline(table);
    REQUIRE(timeline.add({entry("a", kNow), entry("b", kNow + 1)}, kNow + 1).ok());
    REQUIRE(timeline.add({entry("a", kNow + 2)}, kNow + 2).ok());
  }
  Timeline timeline(table);
  REQUIRE(timeline.restore().ok());
  CHECK(timeline.of("shop", "a", Kind::Deployment).size() == 2);
  CHECK(timeline.of("shop", "a", Kind::DaemonSet).empty());
  CHECK(timeline.find({.limit = 2}).front()->key.name == "b");
  CHECK(timeline.find({.after = 2}).size() == 1);
  CHECK(timeline.find({.name = "b", .since = kNow + 1}).size() == 1);
  REQUIRE(timeline.add({entry("c", kNow + 2)}, kNow + 2 + Timeline::kKept).ok());
  CHECK(timeline.find({}).size() == 2);  // of the last millisecond
  CHECK(timeline.find({}).back()->number == 4);
  CHECK(table->size() == 2);
}

TEST_CASE("one workload that never rests does not push out all others") {
  Timeline timeline(nullptr);
  REQUIRE(timeline.add({entry("quiet", kNow)}, kNow).ok());
  std::vector<TimelineEntry> many;
  for (int i = 0; i < 1'500; ++i) many.push_back(entry("loud", kNow + i));
  REQUIRE(timeline.add(std::move(many), kNow + 1'500).ok());
  CHECK(timeline.of("shop", "loud", Kind::Deployment).size() == Timeline::kMostOfOne);
  CHECK(timeline.of("shop", "quiet", Kind::Deployment).size() == 1);
}
