#include "ingest/ha_tracker.h"

#include <algorithm>
#include <utility>

namespace aerie::ingest {
namespace {

constexpr uint32_t kTrustedGaps = 20;
constexpr uint32_t kOutagesBelieved = 4;
constexpr int64_t kNanosPerMs = 1'000'000;
// The lead lags when its newest sample was a minute old on arrival and the rival's is half a minute
// fresher, for half a minute.
constexpr model::DurationMs kLag = 60'000;
constexpr model::DurationMs kLagMargin = 30'000;
constexpr int64_t kLagPatienceNs = 30'000 * kNanosPerMs;
// Scrape intervals are hardly ever longer than two minutes: after that every series has a sample of
// the new lead.
constexpr model::DurationMs kStitch = 120'000;
// How long a standby's request is worth keeping after the time in which its lead would have lost.
constexpr model::DurationMs kKeepMargin = 60'000;

bool near(model::TimestampMs cut, model::TimestampMs newest) {
  return cut != model::kMinTimestamp && newest <= cut + kStitch;
}

}  // namespace

HaTracker::HaTracker(HaOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

HaTracker::Decision HaTracker::observe(const HaGroup& group, std::string_view replica,
                                       model::TimestampMs newest) {
  return groups_.with([&](std::map<HaGroup, Group>& groups) -> Decision {
    auto found = groups.find(group);
    if (found == groups.end()) {
      // Better twice than not at all: past the limit nothing is deduplicated.
      if (groups.size() >= options_.max_groups) return {};
      found = groups.emplace(group, Group{}).first;
    }
    return decide(found->second, replica, newest);
  });
}

HaTracker::Decision HaTracker::decide(Group& group, std::string_view name,
                                      model::TimestampMs newest) const {
  const bool first = group.epoch == 0;
  const Replica* replica = note_arrival(group, name, newest);
  if (replica == nullptr) return Decision{.keep = false};
  const auto index = static_cast<size_t>(replica - group.replicas.data());
  if (first) {
    group.lead = index;
    group.epoch = 1;
    group.since_ms = clock_.now_ms();
  }
  Decision decision;
  if (index != group.lead) {
    if (lead_lost(group, *replica)) {
      decision.took_over = true;
      decision.previous = group.replicas[group.lead].name;
      take_over(group, index);
    } else {
      decision.keep = false;
      decision.keep_for = 2 * allowed_silence(group.replicas[group.lead]) + kKeepMargin;
    }
  }
  decision.cut = group.cut;
  decision.stitch = decision.keep && near(group.cut, newest);
  decision.epoch = group.epoch;
  return decision;
}

HaTracker::Decision HaTracker::decide_again(const HaGroup& group, std::string_view replica,
                                            model::TimestampMs newest) const {
  return groups_.with([&](const std::map<HaGroup, Group>& groups) {
    Decision decision;
    const auto found = groups.find(group);
    if (found == groups.end()) return decision;
    const Group& known = found->second;
    decision.keep = known.replicas[known.lead].name == replica;
    decision.cut = known.cut;
    decision.stitch = decision.keep && near(known.cut, newest);
    decision.epoch = known.epoch;
    return decision;
  });
}

HaTracker::Replica* HaTracker::note_arrival(Group& group, std::string_view name,
                                            model::TimestampMs newest) const {
  const int64_t now_ns = clock_.monotonic_ns();
  auto found = std::find_if(group.replicas.begin(), group.replicas.end(),
                            [&](const auto& r) { return r.name == name; });
  if (found == group.replicas.end()) {
    // Forget who has not been seen for long: pods of a Deployment get a new name with every
    // restart.
    const std::string lead =
        group.replicas.empty() ? std::string() : group.replicas[group.lead].name;
    const auto expired = [&](const Replica& r) {
      return r.name != lead && now_ns - r.arrival_ns > options_.replica_expiry * kNanosPerMs;
    };
    group.replicas.erase(std::remove_if(group.replicas.begin(), group.replicas.end(), expired),
                         group.replicas.end());
    const auto is_lead = [&](const Replica& r) { return r.name == lead; };
    group.lead =
        static_cast<size_t>(std::find_if(group.replicas.begin(), group.replicas.end(), is_lead) -
                            group.replicas.begin());
    if (group.replicas.size() >= options_.max_replicas) return nullptr;
    if (group.replicas.empty()) group.lead = 0;
    Replica& added = group.replicas.emplace_back();
    added.name = name;
    added.arrival_ns = now_ns;
    found = group.replicas.end() - 1;
  } else {
    record_gap(*found, (now_ns - found->arrival_ns) / kNanosPerMs);
    found->arrival_ns = now_ns;
  }
  found->arrival_ms = clock_.now_ms();
  found->newest = std::max(found->newest, newest);
  return &*found;
}

void HaTracker::record_gap(Replica& replica, int64_t gap_ms) const {
  // An outage says nothing about how often a sender sends; several in a row say that it has
  // changed.
  const bool ordinary = replica.gaps == 0 || gap_ms <= allowed_silence(replica);
  replica.outages = ordinary ? 0 : replica.outages + 1;
  if (!ordinary && replica.outages < kOutagesBelieved) return;
  replica.gaps_ms[replica.gaps++ % replica.gaps_ms.size()] =
      static_cast<uint32_t>(std::min<int64_t>(gap_ms, options_.max_silence));
}

bool HaTracker::lead_lost(Group& group, const Replica& rival) const {
  const Replica& lead = group.replicas[group.lead];
  const int64_t now_ns = clock_.monotonic_ns();
  if (now_ns - lead.arrival_ns > allowed_silence(lead) * kNanosPerMs) return true;
  const auto age = [](const Replica& replica) {
    return replica.newest == model::kMinTimestamp ? 0 : replica.arrival_ms - replica.newest;
  };
  if (age(lead) < kLag || age(lead) < age(rival) + kLagMargin) {
    group.lagging_since_ns = 0;
    return false;
  }
  if (group.lagging_since_ns == 0) group.lagging_since_ns = now_ns;
  return now_ns - group.lagging_since_ns >= kLagPatienceNs;
}

model::DurationMs HaTracker::allowed_silence(const Replica& replica) const {
  const size_t known = std::min<size_t>(replica.gaps, replica.gaps_ms.size());
  const uint32_t longest =
      known == 0 ? 0 : *std::max_element(replica.gaps_ms.begin(), replica.gaps_ms.begin() + known);
  const model::DurationMs floor =
      replica.gaps < kTrustedGaps ? options_.initial_silence : options_.min_silence;
  return std::clamp<model::DurationMs>(3 * static_cast<model::DurationMs>(longest), floor,
                                       std::max(floor, options_.max_silence));
}

void HaTracker::take_over(Group& group, size_t rival) const {
  const Replica& lost = group.replicas[group.lead];
  // A lead whose clock ran ahead must not silence its successor until that time has come.
  const model::TimestampMs reached = std::min(lost.newest, lost.arrival_ms);
  group.cut = std::max(group.cut, reached);
  group.lead = rival;
  ++group.epoch;
  group.since_ms = clock_.now_ms();
  group.lagging_since_ns = 0;
}

void HaTracker::restore(const Election& election) {
  groups_.with([&](std::map<HaGroup, Group>& groups) {
    Group& group = groups[election.group];
    group = {};
    Replica& lead = group.replicas.emplace_back();
    lead.name = election.replica;
    lead.arrival_ns = clock_.monotonic_ns();
    lead.arrival_ms = clock_.now_ms();
    group.epoch = election.epoch;
    group.cut = election.cut;
    group.since_ms = election.since_ms;
  });
}

std::vector<Election> HaTracker::elections() const {
  return groups_.with([&](const std::map<HaGroup, Group>& groups) {
    std::vector<Election> elections;
    elections.reserve(groups.size());
    for (const auto& [key, group] : groups) {
      const Replica& lead = group.replicas[group.lead];
      elections.push_back({key, lead.name, group.epoch, group.cut, group.since_ms, lead.arrival_ms,
                           allowed_silence(lead)});
    }
    return elections;
  });
}

}  // namespace aerie::ingest
