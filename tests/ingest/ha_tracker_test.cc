#include "ingest/ha_tracker.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ingest/election_record.h"

using namespace aerie::ingest;
using aerie::ManualClock;
using aerie::model::TimestampMs;
using std::chrono::milliseconds;

namespace {

constexpr TimestampMs kStart = 1'763'640'000'000;
const HaGroup kGroup{"eu", "mon/k8s"};

// One of the pair is dead for a while; times count from the start.
struct Death {
  TimestampMs from = 0;
  TimestampMs until = 0;
  std::string_view replica;
};

// The times that are kept of a pair that scrapes one target every `interval`, the second `phase`
// later, each sending a scrape 200 ms after it. What the standby sends is kept and replayed at a
// change; the store's spacing rule is applied while the tracker says so.
std::vector<TimestampMs> play(HaTracker& tracker, ManualClock& clock, TimestampMs interval,
                              TimestampMs phase, TimestampMs length,
                              const std::vector<Death>& deaths) {
  std::vector<TimestampMs> kept;
  std::map<std::string_view, std::vector<TimestampMs>> standby;
  const auto store = [&](TimestampMs t, bool stitch) {
    const TimestampMs spacing = kept.empty() ? INT64_MAX : t - kept.back();
    if (stitch ? spacing * 2 >= interval : spacing > 0) kept.push_back(t);
  };
  const TimestampMs begin = clock.now_ms();
  for (TimestampMs t = begin; t < begin + length; t += 100) {
    for (const auto& [name, offset] :
         {std::pair<std::string_view, TimestampMs>{"a", 0}, {"b", phase}}) {
      if ((t - begin - offset) % interval != 0 || t < begin + offset) continue;
      const bool dead =
          std::any_of(deaths.begin(), deaths.end(), [&, who = name](const Death& death) {
            return death.replica == who && t >= begin + death.from && t < begin + death.until;
          });
      if (dead) continue;
      clock.set_ms(t + 200);
      const auto decision = tracker.observe(kGroup, name, t);
      if (!decision.keep) {
        standby[name].push_back(t);
        continue;
      }
      if (decision.took_over) {
        for (const TimestampMs before : standby[name]) {
          store(before, tracker.decide_again(kGroup, name, before).stitch);
        }
      }
      standby[name].clear();
      store(t, decision.stitch);
    }
  }
  return kept;
}

TimestampMs longest_gap(const std::vector<TimestampMs>& times) {
  TimestampMs longest = 0;
  for (size_t i = 1; i < times.size(); ++i) longest = std::max(longest, times[i] - times[i - 1]);
  return longest;
}

TimestampMs shortest_gap(const std::vector<TimestampMs>& times) {
  TimestampMs shortest = INT64_MAX;
  for (size_t i = 1; i < times.size(); ++i) shortest = std::min(shortest, times[i] - times[i - 1]);
  return shortest;
}

}  // namespace

TEST_CASE("the first replica leads, the other is a standby") {
  ManualClock clock(kStart);
  HaTracker tracker({}, clock);
  CHECK(tracker.observe(kGroup, "a", kStart).keep);
  CHECK(!tracker.observe(kGroup, "b", kStart).keep);
  CHECK(tracker.observe(kGroup, "a", kStart).keep);
  CHECK(tracker.observe({"us", "mon/k8s"}, "b", kStart).keep);
  CHECK(tracker.observe({"eu", "mon/other"}, "b", kStart).keep);
  const auto elections = tracker.elections();
  REQUIRE(elections.size() == 3);
  CHECK(elections[0].group == kGroup);
  CHECK(elections[0].replica == "a");
  CHECK(elections[0].epoch == 1);
}

TEST_CASE("one of a pair dies: less than 1.5 intervals between samples, and nothing is doubled") {
  constexpr TimestampMs kInterval = 5'000;
  for (TimestampMs phase = 100; phase < kInterval; phase += 700) {
    for (TimestampMs death = 200'000; death < 200'000 + kInterval; death += 900) {
      ManualClock clock(kStart);
      HaTracker tracker({}, clock);
      const auto kept = play(tracker, clock, kInterval, phase, 400'000, {{death, 400'000, "a"}});
      INFO("phase=" << phase << " death=" << death);
      CHECK(longest_gap(kept) < kInterval * 3 / 2);
      CHECK(shortest_gap(kept) >= kInterval / 2);
      CHECK(tracker.elections()[0].replica == "b");
      CHECK(tracker.elections()[0].epoch == 2);
      // What b sent until it took over was kept; b takes over when a was silent for three
      // intervals.
      CHECK(kept.back() >= kStart + 400'000 - kInterval);
    }
  }
}

TEST_CASE("killed in turns for an hour: no gap, nothing doubled, nothing backwards") {
  for (const TimestampMs phase : {1'000, 2'500, 4'000}) {
    ManualClock clock(kStart);
    HaTracker tracker({}, clock);
    constexpr TimestampMs kInterval = 5'000;
    std::vector<Death> deaths;
    for (TimestampMs t = 60'000; t + 120'000 < 3'600'000; t += 120'000) {
      deaths.push_back({t, t + 50'000, "a"});
      deaths.push_back({t + 60'000, t + 110'000, "b"});
    }
    const auto kept = play(tracker, clock, kInterval, phase, 3'600'000, deaths);
    CHECK(shortest_gap(kept) >= kInterval / 2);
    CHECK(longest_gap(kept) < kInterval * 3 / 2);
    CHECK(tracker.elections()[0].epoch > 20);
  }
}

TEST_CASE("a slow sender is not taken for a dead one") {
  for (const TimestampMs interval : {60'000, 300'000}) {
    ManualClock clock(kStart);
    HaTracker tracker({}, clock);
    const auto kept = play(tracker, clock, interval, interval / 3, 40 * interval, {});
    // The lead may change while nobody's gaps are known yet, and never again.
    CHECK(tracker.elections()[0].epoch <= 3);
    CHECK(kept.size() <= 41);
    CHECK(longest_gap(kept) <= 2 * interval);
  }
}

TEST_CASE("the old lead comes back as a standby, and its backlog is not mixed in") {
  ManualClock clock(kStart);
  HaTracker tracker({}, clock);
  play(tracker, clock, 5'000, 1'000, 200'000, {{150'000, 200'000, "a"}});
  REQUIRE(tracker.elections()[0].replica == "b");
  CHECK(!tracker.observe(kGroup, "a", kStart + 160'000).keep);
  CHECK(!tracker.observe(kGroup, "a", kStart + 200'000).keep);
}

TEST_CASE("after a change samples are stitched until every series must have one of the new lead") {
  ManualClock clock(kStart);
  HaTracker tracker({}, clock);
  tracker.observe(kGroup, "a", kStart - 1'000);
  tracker.observe(kGroup, "b", kStart - 9'000);
  clock.advance(milliseconds(31'000));
  const auto decision = tracker.observe(kGroup, "b", kStart - 5'000);
  CHECK(decision.took_over);
  CHECK(decision.previous == "a");
  CHECK(decision.epoch == 2);
  CHECK(decision.cut == kStart - 1'000);
  CHECK(decision.stitch);
  CHECK(tracker.observe(kGroup, "b", kStart + 320'000).stitch);
  CHECK(!tracker.observe(kGroup, "b", kStart + 340'000).stitch);
  CHECK(tracker.decide_again(kGroup, "b", kStart + 5'000).stitch);
  CHECK(!tracker.decide_again(kGroup, "a", kStart + 5'000).keep);
  const auto standby = tracker.observe(kGroup, "a", kStart + 40'000);
  CHECK(!standby.keep);
  CHECK(standby.keep_for >= 60'000);
}

TEST_CASE("a lead that comes back with a hole hands over to the standby that has what is missing") {
  ManualClock clock(kStart);
  HaTracker tracker({}, clock);
  const auto both = [&](bool lead) {
    HaTracker::Decision decision;
    if (lead) decision = tracker.observe(kGroup, "a", clock.now_ms());
    clock.advance(milliseconds(1'000));
    if (!lead) decision = tracker.observe(kGroup, "b", clock.now_ms());
    if (lead) CHECK(tracker.observe(kGroup, "b", clock.now_ms()).handed_to.empty());
    clock.advance(milliseconds(4'000));
    return decision;
  };
  for (int i = 0; i < 12; ++i) CHECK(both(true).keep);
  both(false);  // one scrape of a is missing
  const auto decision = both(true);
  CHECK(!decision.keep);
  CHECK(decision.handed_to == "b");
  CHECK(decision.epoch == 2);
  CHECK(decision.keep_for > 0);
  CHECK(tracker.elections()[0].replica == "b");
  CHECK(tracker.decide_again(kGroup, "b", clock.now_ms()).stitch);
  // Nobody else has it: the lead goes on.
  for (int i = 0; i < 40; ++i) {
    tracker.observe(kGroup, "b", clock.now_ms());
    clock.advance(milliseconds(5'000));
  }
  clock.advance(milliseconds(5'000));
  CHECK(tracker.observe(kGroup, "b", clock.now_ms()).keep);
}

TEST_CASE("requests of a new lead wait until what it sent before is stored") {
  ManualClock clock(kStart);
  HaTracker tracker({}, clock);
  CHECK(!tracker.observe(kGroup, "a", kStart).replay_first);
  tracker.observe(kGroup, "b", kStart);
  clock.advance(milliseconds(31'000));
  const auto first = tracker.observe(kGroup, "b", clock.now_ms());
  CHECK(first.replay_first);
  CHECK(!first.wait);
  const auto second = tracker.observe(kGroup, "b", clock.now_ms());
  CHECK(!second.replay_first);
  CHECK(second.wait);
  CHECK(!tracker.observe(kGroup, "a", clock.now_ms()).wait);
  std::thread waiting([&] { tracker.wait_until_replayed(kGroup); });
  tracker.replayed(kGroup);
  waiting.join();
  CHECK(!tracker.observe(kGroup, "b", clock.now_ms()).wait);
}

TEST_CASE("a lead whose clock runs ahead does not silence its successor") {
  ManualClock clock(kStart);
  HaTracker tracker({}, clock);
  tracker.observe(kGroup, "a", kStart + 3'600'000);
  clock.advance(milliseconds(31'000));
  const auto decision = tracker.observe(kGroup, "b", clock.now_ms());
  CHECK(decision.took_over);
  CHECK(decision.cut == kStart);
}

TEST_CASE("a lead that lags far behind for half a minute is replaced") {
  ManualClock clock(kStart);
  HaTracker tracker({}, clock);
  for (int second = 0; second < 20; second += 5) {
    CHECK(tracker.observe(kGroup, "a", clock.now_ms() - 300'000).keep);
    CHECK(!tracker.observe(kGroup, "b", clock.now_ms()).keep);
    clock.advance(milliseconds(5'000));
  }
  bool took_over = false;
  for (int second = 0; second < 20 && !took_over; second += 5) {
    tracker.observe(kGroup, "a", clock.now_ms() - 300'000);
    took_over = tracker.observe(kGroup, "b", clock.now_ms()).took_over;
    clock.advance(milliseconds(5'000));
  }
  CHECK(took_over);
  CHECK(!tracker.observe(kGroup, "a", clock.now_ms() - 300'000).keep);
}

TEST_CASE(
    "limits: groups past the limit are kept, replicas past the limit are standbys, old names "
    "expire") {
  ManualClock clock(kStart);
  HaOptions options;
  options.max_groups = 1;
  options.max_replicas = 2;
  HaTracker tracker(options, clock);
  CHECK(tracker.observe(kGroup, "a", kStart).keep);
  CHECK(tracker.observe({"us", ""}, "a", kStart).keep);
  CHECK(tracker.observe({"us", ""}, "b", kStart).keep);
  CHECK(!tracker.observe(kGroup, "b", kStart).keep);
  CHECK(!tracker.observe(kGroup, "c", kStart).keep);
  clock.advance(std::chrono::minutes(31));
  CHECK(tracker.observe(kGroup, "d", clock.now_ms()).took_over);  // a is silent, b is forgotten
}

TEST_CASE("an election survives a restart") {
  const Election before{.group = kGroup,
                        .replica = "b",
                        .epoch = 7,
                        .cut = 123,
                        .since_ms = 456,
                        .last_arrival_ms = 0,
                        .allowed_silence = 0};
  CHECK(encode_election(before) == "1 7 123 456 b");
  const auto after = decode_election(election_key(kGroup), encode_election(before));
  REQUIRE(after.ok());
  CHECK(after->group == kGroup);
  CHECK(!decode_election("no zero byte", "1 7 123 456 b").ok());
  CHECK(!decode_election(election_key(kGroup), "2 7 123 456 b").ok());
  CHECK(!decode_election(election_key(kGroup), "1 7 x").ok());

  ManualClock clock(kStart);
  HaTracker tracker({}, clock);
  tracker.restore(*after);
  CHECK(!tracker.observe(kGroup, "a", kStart).keep);  // b has its time to be heard again
  const auto decision = tracker.observe(kGroup, "b", kStart);
  CHECK(decision.keep);
  CHECK(decision.epoch == 7);
  CHECK(decision.cut == 123);
}
