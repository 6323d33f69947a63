#include "store/merge_plan.h"

#include <catch2/catch.hpp>

using namespace aerie;
using namespace aerie::store;

namespace {

constexpr model::DurationMs kHalfHour = 30LL * 60 * 1000;
constexpr model::DurationMs kHour = 2 * kHalfHour;
constexpr model::DurationMs kDay = 24 * kHour;
constexpr MergeRules kRules{kHalfHour, 15 * kDay};

/// Partitions in the order of their commits.
class Live {
 public:
  Live& add(uint8_t tier, model::TimestampMs start, uint64_t bytes = 100) {
    PartitionInfo info;
    info.tier = tier;
    info.start = start;
    info.sequence = all.size() + 1;
    info.generation = static_cast<uint32_t>(info.sequence);
    info.samples = {start, start + tier_span(kRules, tier) - 1};
    info.bytes = bytes;
    all.push_back(info);
    return *this;
  }
  std::vector<PartitionInfo> all;
};

std::optional<MergePlan> plan(const Live& live, model::TimestampMs now, MergeRules rules = kRules) {
  return plan_merge(live.all, rules, now, [](const MergePlan&) { return false; });
}

std::vector<uint64_t> commits(const MergePlan& plan) {
  std::vector<uint64_t> out;
  for (const PartitionInfo& part : plan.parts) out.push_back(part.sequence);
  return out;
}

}  // namespace

TEST_CASE("half hours become two hours when those and a grace are over") {
  Live live;
  live.add(0, 0).add(0, kHalfHour).add(0, 3 * kHalfHour);
  CHECK_FALSE(plan(live, 2 * kHour + kHalfHour - 1));
  const auto due = plan(live, 2 * kHour + kHalfHour);
  REQUIRE(due);
  CHECK(due->tier == 1);
  CHECK(due->start == 0);
  CHECK(commits(*due) == std::vector<uint64_t>{1, 2, 3});
  CHECK_FALSE(plan(Live().add(0, 0), kDay));  // one alone gains nothing
}

TEST_CASE("a day becomes one partition two hours after its end, whatever lies in it") {
  Live live;
  for (int i = 0; i < 12; ++i) live.add(1, i * 2 * kHour);
  live.add(0, 23 * kHour).add(1, kDay);
  CHECK_FALSE(plan(live, kDay + 2 * kHour - 1)->tier == 2);
  std::erase_if(live.all, [](const PartitionInfo& info) { return info.tier == 0; });
  CHECK_FALSE(plan(live, kDay + 2 * kHour - 1));
  const auto due = plan(live, kDay + 2 * kHour);
  REQUIRE(due);
  CHECK(due->tier == 2);
  CHECK(due->parts.size() == 12);
}

TEST_CASE("times before 1970 have spans too") {
  CHECK(tier_start(kRules, 1, -1) == -2 * kHour);
  CHECK(tier_start(kRules, 1, -2 * kHour) == -2 * kHour);
  CHECK(tier_start(kRules, 1, model::kMinTimestamp + 5) == model::kMinTimestamp);
  const auto due = plan(Live().add(0, -kHour).add(0, -kHalfHour), kHour);
  REQUIRE(due);
  CHECK(due->start == -2 * kHour);
}

TEST_CASE("late additions wait until they are worth writing the span again") {
  Live live;
  live.add(1, 0, 10'000).add(0, 0, 100);
  CHECK_FALSE(plan(live, kDay));
  live.add(0, kHalfHour, 1'200);
  const auto heavy = plan(live, kDay);
  REQUIRE(heavy);
  CHECK(commits(*heavy) == std::vector<uint64_t>{1, 2, 3});

  Live many;
  many.add(1, 0, 10'000);
  for (int i = 0; i < 6; ++i) many.add(0, 0, 1);
  CHECK_FALSE(plan(many, kDay));
  many.add(0, 0, 1);
  CHECK(plan(many, kDay)->parts.size() == 8);
}

TEST_CASE("many generations of one half hour become one before it is over, large ones stay") {
  Live live;
  live.add(0, 0, 100'000);
  for (int i = 0; i < 6; ++i) live.add(0, 0, 10);
  CHECK_FALSE(plan(live, 0));
  live.add(0, 0, 10);
  const auto due = plan(live, 0);
  REQUIRE(due);
  CHECK(due->tier == 0);
  CHECK(commits(*due) == std::vector<uint64_t>{2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("no partition spans more than a seventh of the retention") {
  Live live;
  live.add(1, 0).add(1, 2 * kHour);
  CHECK(plan(live, 2 * kDay, {kHalfHour, 7 * kDay}));
  CHECK_FALSE(plan(live, 2 * kDay, {kHalfHour, 7 * kDay - 1}));
  CHECK(plan(live, 2 * kDay, {kHalfHour, 0}));
}

TEST_CASE("what was committed in between over a common time forbids a merge") {
  Live live;
  live.add(0, 0).add(2, 0).add(0, kHalfHour);
  CHECK_FALSE(keeps_order({live.all[0], live.all[2]}, live.all));
  CHECK(keeps_order(live.all, live.all));
  CHECK(keeps_order({live.all[1], live.all[2]}, live.all));
  live.all[1].samples = {kDay, kDay};
  CHECK(keeps_order({live.all[0], live.all[2]}, live.all));
}

TEST_CASE("a merge that failed is passed over") {
  Live live;
  live.add(0, 0).add(0, kHalfHour).add(0, 2 * kHour).add(0, 3 * kHour);
  const auto first = plan(live, kDay);
  REQUIRE(first);
  const auto second =
      plan_merge(live.all, kRules, kDay, [&](const MergePlan& one) { return one == *first; });
  REQUIRE(second);
  CHECK(second->start == 2 * kHour);
}
