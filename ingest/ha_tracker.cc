#include "ingest/ha_tracker.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace aerie::ingest {
namespace {

constexpr uint32_t kTrustedGaps = 20;
constexpr uint32_t kOutagesBelieved = 4;
// Arrivals after which it is known how often a replica sends.
constexpr uint32_t kKnownGaps = 8;
// Prometheus sends at least every 5 s what it has (batch_send_deadline); without a hole the newest
// sample of a request is less than twice that newer than the newest of the request before.
constexpr model::DurationMs kShortestHole = 9'900;
constexpr int64_t kNanosPerMs = 1'000'000;
// The lead lags when its newest sample was a minute old on arrival and the rival's is half a minute
// fresher, for half a minute.
constexpr std::chrono::seconds kLongestReplay{30};
constexpr model::DurationMs kLag = 60'000;
constexpr model::DurationMs kLagMargin = 30'000;
constexpr int64_t kLagPatienceNs = 30'000 * kNanosPerMs;
// Scrape intervals are hardly ever longer than five minutes: after that every series has a sample
// of the new lead.
constexpr model::DurationMs kStitch = 330'000;
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

std::optional<HaTracker::Decision> HaTracker::observe_standby(const HaGroup& group,
                                                              std::string_view name,
                                                              model::TimestampMs newest) {
  return groups_.with([&](std::map<HaGroup, Group>& groups) -> std::optional<Decision> {
    const auto found = groups.find(group);
    if (found == groups.end()) return std::nullopt;
    Group& known = found->second;
    const auto replica = std::find_if(known.replicas.begin(), known.replicas.end(),
                                      [&](const auto& r) { return r.name == name; });
    if (replica == known.replicas.end()) return std::nullopt;
    if (static_cast<size_t>(replica - known.replicas.begin()) == known.lead) return std::nullopt;
    Replica after = *replica;
    note(after, newest);
    if (lead_lost(known, after)) return std::nullopt;
    *replica = std::move(after);
    return standby_decision(known);
  });
}

// What a standby hears while its lead lives.
HaTracker::Decision HaTracker::standby_decision(const Group& group) const {
  Decision decision;
  decision.keep = false;
  decision.keep_for = 2 * allowed_silence(group.replicas[group.lead]) + kKeepMargin;
  decision.cut = group.cut;
  decision.epoch = group.epoch;
  return decision;
}

HaTracker::Decision HaTracker::decide(Group& group, std::string_view name,
                                      model::TimestampMs newest) const {
  const bool first = group.epoch == 0;
  const model::TimestampMs before =
      first ? model::kMinTimestamp : group.replicas[group.lead].newest;
  const Replica* replica = note_arrival(group, name, newest);
  if (replica == nullptr) return Decision{.keep = false};
  const auto index = static_cast<size_t>(replica - group.replicas.data());
  if (first) {
    group.lead = index;
    group.epoch = 1;
    group.since_ms = clock_.now_ms();
  }
  Decision decision;
  decision.began = first;
  if (const auto successor = index == group.lead && !first
                                 ? successor_for_hole(group, before, newest)
                                 : std::nullopt) {
    decision.keep = false;
    decision.previous = name;
    decision.handed_to = group.replicas[*successor].name;
    take_over(group, *successor, before);
    decision.keep_for = 2 * allowed_silence(group.replicas[group.lead]) + kKeepMargin;
  } else if (index != group.lead) {
    if (lead_lost(group, *replica)) {
      decision.took_over = true;
      decision.previous = group.replicas[group.lead].name;
      take_over(group, index, group.replicas[group.lead].newest);
    } else {
      decision.keep = false;
      decision.keep_for = 2 * allowed_silence(group.replicas[group.lead]) + kKeepMargin;
    }
  }
  if (group.to_replay && (decision.keep || !decision.handed_to.empty())) {
    group.to_replay = false;
    group.replaying = decision.replay_first = true;
  }
  decision.wait = decision.keep && group.replaying && !decision.replay_first;
  decision.cut = group.cut;
  decision.stitch = options_.stitch && decision.keep && near(group.cut, newest);
  decision.epoch = group.epoch;
  return decision;
}

void HaTracker::replayed(const HaGroup& group) {
  groups_.with([&](std::map<HaGroup, Group>& groups) { groups[group].replaying = false; });
  tell_waiting();
}

void HaTracker::postpone_replay(const HaGroup& group) {
  groups_.with([&](std::map<HaGroup, Group>& groups) {
    groups[group].replaying = false;
    groups[group].to_replay = true;
  });
  tell_waiting();
}

void HaTracker::tell_waiting() {
  // Under the lock, lest somebody has looked and does not wait yet.
  const std::lock_guard lock(wait_mutex_);
  replay_done_.notify_all();
}

void HaTracker::wait_until_replayed(const HaGroup& group) {
  const auto done = [&] {
    return groups_.with([&](const std::map<HaGroup, Group>& groups) {
      const auto found = groups.find(group);
      return found == groups.end() || !found->second.replaying;
    });
  };
  std::unique_lock lock(wait_mutex_);
  replay_done_.wait_for(lock, kLongestReplay, done);
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
    decision.stitch = options_.stitch && decision.keep && near(known.cut, newest);
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
    added.arrival_ms = clock_.now_ms();
    added.newest = newest;
    return &added;
  }
  note(*found, newest);
  return &*found;
}

void HaTracker::note(Replica& replica, model::TimestampMs newest) const {
  const int64_t now_ns = clock_.monotonic_ns();
  record_gap(replica, (now_ns - replica.arrival_ns) / kNanosPerMs);
  replica.arrival_ns = now_ns;
  replica.arrival_ms = clock_.now_ms();
  replica.newest = std::max(replica.newest, newest);
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

// A sender passes its scrapes on in order, so a jump of its newest sample is not lateness: scrapes
// are missing. One that a standby has had since is handed the lead while its samples are still
// kept.
std::optional<size_t> HaTracker::successor_for_hole(const Group& group, model::TimestampMs before,
                                                    model::TimestampMs newest) {
  const Replica& lead = group.replicas[group.lead];
  if (before == model::kMinTimestamp || newest == model::kMinTimestamp || lead.gaps < kKnownGaps)
    return std::nullopt;
  std::array<uint32_t, 32> gaps = lead.gaps_ms;
  const auto end = gaps.begin() + std::min<uint32_t>(lead.gaps, 32);
  const auto median = gaps.begin() + (end - gaps.begin()) / 2;
  std::nth_element(gaps.begin(), median, end);
  const model::DurationMs usual = std::max<model::DurationMs>(
      2 * static_cast<model::DurationMs>(*median) - *median / 50, kShortestHole);
  if (newest - before < usual) return std::nullopt;
  for (size_t i = 0; i < group.replicas.size(); ++i) {
    const Replica& rival = group.replicas[i];
    const bool lives = lead.arrival_ms - rival.arrival_ms <= usual;
    if (i != group.lead && lives && rival.newest > before && rival.gaps >= kKnownGaps) return i;
  }
  return std::nullopt;
}

void HaTracker::take_over(Group& group, size_t rival, model::TimestampMs newest) const {
  const Replica& lost = group.replicas[group.lead];
  // A lead whose clock ran ahead must not silence its successor until that time has come; how far
  // one came that was not heard since a restart is not known.
  const model::TimestampMs reached =
      newest == model::kMinTimestamp ? lost.arrival_ms : std::min(newest, lost.arrival_ms);
  group.cut = std::max(group.cut, reached);
  group.lead = rival;
  ++group.epoch;
  group.since_ms = clock_.now_ms();
  group.lagging_since_ns = 0;
  group.to_replay = true;
}

void HaTracker::restore(const Election& election) {
  groups_.with([&](std::map<HaGroup, Group>& groups) {
    Group& group = groups[election.group];
    group = {};
    Replica& lead = group.replicas.emplace_back();
    lead.name = election.replica;
    lead.arrival_ns = clock_.monotonic_ns();
    lead.arrival_ms = clock_.now_ms();
    group.to_replay = true;  // it may have become the lead shortly before a crash
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
