#include "store/merge_plan.h"

#include <algorithm>
#include <map>
#include <utility>

namespace aerie::store {
namespace {

constexpr model::DurationMs kSpanOfTier[kTiers] = {1, 4, 48};  // in spans of tier 0
constexpr model::DurationMs kGraceOfTier[kTiers] = {0, 1, 4};  // the same; for data that comes late
constexpr size_t kManyGenerations = 8;                         // a read asks all of them
constexpr uint64_t kWorthwhile = 8;  // late additions, as a part of what is written again
constexpr model::DurationMs kLeastRetention = 7;  // in spans

using Infos = std::vector<PartitionInfo>;

bool same_partition(const PartitionInfo& a, const PartitionInfo& b) {
  return a.shard == b.shard && a.tier == b.tier && a.start == b.start &&
         a.generation == b.generation;
}

uint64_t bytes_of(const Infos& parts) {
  uint64_t bytes = 0;
  for (const PartitionInfo& part : parts) bytes += part.bytes;
  return bytes;
}

void sort_by_commit(Infos& parts) {
  std::sort(parts.begin(), parts.end(),
            [](const PartitionInfo& a, const PartitionInfo& b) { return a.sequence < b.sequence; });
}

/// Whether a span that is over is worth writing: for the first time, or again for what came since.
bool worthwhile(const Infos& parts, uint8_t tier) {
  if (parts.size() < 2) return false;
  uint64_t largest = 0;
  bool written = false;
  for (const PartitionInfo& part : parts) {
    largest = std::max(largest, part.bytes);
    written = written || part.tier == tier;
  }
  return !written || parts.size() >= kManyGenerations ||
         (bytes_of(parts) - largest) * kWorthwhile >= largest;
}

/// Of many generations the newest ones, as far back as what is written again stays small against
/// what is saved.
Infos newest_generations(Infos parts) {
  if (parts.size() < kManyGenerations) return {};
  size_t first = parts.size() - kManyGenerations / 2;
  uint64_t bytes = bytes_of({parts.begin() + static_cast<std::ptrdiff_t>(first), parts.end()});
  while (first > 0 && parts[first - 1].bytes <= 2 * bytes) bytes += parts[--first].bytes;
  parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(first));
  return parts;
}

model::TimestampMs plus_saturating(model::TimestampMs t, model::DurationMs d) {
  return t > model::kMaxTimestamp - d ? model::kMaxTimestamp : t + d;
}

}  // namespace

bool MergePlan::operator==(const MergePlan& other) const {
  return tier == other.tier && start == other.start &&
         std::equal(parts.begin(), parts.end(), other.parts.begin(), other.parts.end(),
                    same_partition);
}

model::DurationMs tier_span(const MergeRules& rules, uint8_t tier) {
  return rules.partition_span * kSpanOfTier[tier];
}

model::TimestampMs tier_start(const MergeRules& rules, uint8_t tier, model::TimestampMs t) {
  const model::DurationMs span = tier_span(rules, tier);
  const model::DurationMs rest = t % span;
  const model::DurationMs down = rest < 0 ? rest + span : rest;
  return t < model::kMinTimestamp + down ? model::kMinTimestamp : t - down;
}

bool keeps_order(const std::vector<PartitionInfo>& parts, const std::vector<PartitionInfo>& live) {
  uint64_t last = 0;
  for (const PartitionInfo& part : parts) last = std::max(last, part.sequence);
  return std::none_of(live.begin(), live.end(), [&](const PartitionInfo& other) {
    if (other.sequence > last) return false;
    const auto is_it = [&](const PartitionInfo& part) { return same_partition(part, other); };
    if (std::any_of(parts.begin(), parts.end(), is_it)) return false;
    return std::any_of(parts.begin(), parts.end(), [&](const PartitionInfo& part) {
      return part.sequence < other.sequence && part.samples.overlaps(other.samples);
    });
  });
}

std::optional<MergePlan> plan_merge(const std::vector<PartitionInfo>& live, const MergeRules& rules,
                                    model::TimestampMs now,
                                    const std::function<bool(const MergePlan&)>& refused) {
  // Small spans first: their parts are the ones that every query of recent data asks.
  for (uint8_t tier = 0; tier < kTiers; ++tier) {
    const model::DurationMs span = tier_span(rules, tier);
    if (tier > 0 && rules.retention > 0 && span > rules.retention / kLeastRetention) break;
    std::map<std::pair<uint16_t, model::TimestampMs>, Infos> spans;
    for (const PartitionInfo& info : live)
      if (info.tier <= tier)
        spans[{info.shard, tier_start(rules, tier, info.start)}].push_back(info);
    for (auto& [key, parts] : spans) {
      const model::TimestampMs end = plus_saturating(key.second, span);
      const model::DurationMs grace = rules.partition_span * kGraceOfTier[tier];
      if (tier > 0 && plus_saturating(end, grace) > now) continue;
      if (tier > 0 && !worthwhile(parts, tier)) continue;
      sort_by_commit(parts);
      MergePlan plan{tier, key.second, tier == 0 ? newest_generations(parts) : parts};
      if (plan.parts.size() < 2 || !keeps_order(plan.parts, live)) continue;
      if (!refused(plan)) return plan;
    }
  }
  return std::nullopt;
}

}  // namespace aerie::store
