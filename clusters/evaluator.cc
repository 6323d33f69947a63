#include "clusters/evaluator.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "base/log.h"
#include "clusters/evidence_reader.h"
#include "clusters/row_builder.h"

namespace aerie::clusters {

namespace {

constexpr model::DurationMs kWarmingTime = 60'000;
constexpr model::DurationMs kLeastStale = 90'000;
constexpr model::DurationMs kWatchInterval = 5'000;  // how often an API server is asked
constexpr model::DurationMs kWatchSilent = 60'000;
constexpr model::DurationMs kForgetAfter = 30'000;
constexpr model::DurationMs kGreatSkew = 5'000;

}  // namespace

store::Tap::Interest interest_in(std::string_view metric_name) {
  const Meaning* meaning = meaning_of(metric_name);
  if (!meaning) return store::Tap::Interest::None;
  return tells_of_scrape(*meaning) ? store::Tap::Interest::ChangesAndClock
                                   : store::Tap::Interest::Changes;
}

struct Evaluator::Round {
  const DesiredFile& desired;
  model::TimestampMs now;
};

Evaluator::Evaluator(const model::SampleSource& source, std::shared_ptr<store::KeyedTable> table,
                     model::TimestampMs started_at, WatchedClusters watched, TappedChanges tapped)
    : source_(source),
      table_(std::move(table)),
      started_at_(started_at),
      watched_(std::move(watched)),
      tapped_(std::move(tapped)),
      // Later than any of an earlier process: it counts changes, not milliseconds.
      version_(static_cast<uint64_t>(std::max<model::TimestampMs>(started_at, 0))),
      last_removal_(version_) {}

ClusterBook& Evaluator::book(const std::string& cluster) {
  auto& place = books_[cluster];
  if (!place) place = std::make_unique<ClusterBook>(cluster);
  return *place;
}

/// Of clusters that were never read the events are passed over: reading finds all of it.
void Evaluator::take_changes() {
  if (!tapped_) return;
  const store::Tap::Events changes = tapped_();
  const auto known = [&](std::string_view cluster) {
    const auto found = books_.find(std::string(cluster.empty() ? kUnlabelledCluster : cluster));
    return found == books_.end() ? nullptr : found->second.get();
  };
  ClusterBook* book = nullptr;
  for (const auto& event : changes.events) {
    const std::string_view cluster = event.labels.get("cluster");
    if (!book || book->row.cluster != cluster) book = known(cluster);
    if (!book || !book->following) continue;
    book->state.set({&event.labels, event.t, event.value, 0});
    book->told = true;
  }
  for (const auto& cluster : changes.lost) {
    if (ClusterBook* own = known(cluster)) own->plan.read_again();
  }
}

/// A scrape arrives in pieces: what was told is judged when an evaluation has passed without more
/// of it, at the latest after three.
void Evaluator::take_told(ClusterBook& book, model::DurationMs bound) {
  const bool told = std::exchange(book.told, false);
  if (told) ++book.unquiet_rounds;
  if (book.unquiet_rounds == 0 || (told && book.unquiet_rounds < 3)) return;
  book.unquiet_rounds = 0;
  book.surroundings = book.state.cluster(bound);
  for (auto& key : book.state.take_changed()) book.pending.insert(std::move(key));
}

void Evaluator::take_evidence(ClusterBook& book, const store::ClusterArrival& arrival,
                              model::TimestampMs now) {
  const model::DurationMs bound = evidence_bound(arrival.interval);
  if (!book.plan.due(arrival, now)) {
    if (book.following) take_told(book, bound);
    return;
  }
  auto read = read_evidence(source_, arrival, book.state);
  if (!read) {
    book.read_error = read.error().message();
    AERIE_LOG(Warn, "evidence cannot be read", {"cluster", arrival.cluster},
              {"error", book.read_error});
    return;
  }
  book.read_error.clear();
  if (book.state.scraped_at() != model::kMinTimestamp)
    book.state.purge(book.state.scraped_at() - bound);
  book.following = book.following || (tapped_ && !book.state.torn());
  if (book.following) {
    book.state.follow_changes();
    book.plan.note_followed(now);
  } else {
    book.plan.note(arrival, book.state.scraped_at(), book.state.torn(), now);
  }
  book.surroundings = book.state.cluster(bound);
  for (auto& key : book.state.take_changed()) book.pending.insert(std::move(key));
}

void Evaluator::weigh(ClusterBook& book, const store::ClusterArrival& arrival,
                      model::TimestampMs now) {
  const model::DurationMs stale = std::max(3 * arrival.interval, kLeastStale);
  const auto partial = [&](std::string text) { book.find(Witness::Partial, std::move(text)); };
  // Backfill after an outage is no news of now. A clock that is far behind looks the same, and is
  // as little to be believed.
  if (now - arrival.watermark > stale) {
    return book.find(Witness::Silent,
                     "its newest samples are long past (replayed after an outage, "
                     "or the cluster's clock is behind)");
  }
  if (!book.read_error.empty()) return partial(book.read_error);
  const ClusterEvidence& evidence = book.surroundings;
  if (evidence.scraped_at == model::kMinTimestamp)
    return partial("no kube-state-metrics series arrive");
  if (now - evidence.scraped_at > stale)
    return partial("kube-state-metrics has not been seen since " +
                   model::format_rfc3339(evidence.scraped_at));
  for (const auto& target : book.memory.targets) {
    if (evidence.down.contains(target))
      return partial(fmt::format("kube-state-metrics {} does not answer", target.second));
  }
  if (evidence.shards.total > 0 && evidence.shards.alive < evidence.shards.total) {
    return partial(fmt::format("{} of {} shards of kube-state-metrics are seen",
                               evidence.shards.alive, evidence.shards.total));
  }
  if (!evidence.unlistable.empty()) {
    const std::string& first = *evidence.unlistable.begin();
    return book.find(Witness::Partial,
                     "kube-state-metrics cannot list " + first + ": what it says may be old", true);
  }
  book.find(Witness::Sound, {});
  if (arrival.clock_skew > kGreatSkew) {
    book.row.note = fmt::format("its clock is {} s ahead of ours", arrival.clock_skew / 1000);
  }
}

/// Whether the watch is believed: while it is fresh. What it does not follow is told by path 1
/// alone.
void Evaluator::look_at_watch(ClusterBook& book, model::TimestampMs now) {
  if (!book.watched) return;
  const WatchedCluster::Standing standing = book.watched->standing();
  book.watched_at = standing.seen_at;
  const bool fresh = standing.seen_at > 0 && now - standing.seen_at <= kWatchSilent;
  if (fresh != book.by_watch) book.judge_all = true;
  book.by_watch = fresh;
  if (!fresh) return;
  for (WorkloadKey& key : book.watched->take_changed()) book.pending.insert(std::move(key));
  if (book.memory.environment.empty()) book.memory.environment = standing.environment;
  if (book.memory.zone.empty()) book.memory.zone = standing.zone;
}

/// A cluster that has never written a sample: its API server alone speaks of it, or nobody.
void Evaluator::hear_of_watch_alone(ClusterBook& book, model::TimestampMs now) {
  look_at_watch(book, now);
  book.interval = kWatchInterval;
  book.row.environment = book.memory.environment;
  book.row.zone = book.memory.zone;
  if (book.by_watch) {
    book.enter(ClusterState::Fresh, now);
    book.row.evidence_at = book.watched_at;
    book.row.note.clear();
  } else if (book.watched_at > 0) {
    book.enter(ClusterState::Silent, now);
    book.find(Witness::Silent,
              "its API server has not answered since " + model::format_rfc3339(book.watched_at));
  } else {
    book.row.state = ClusterState::Never;
    book.find(Witness::Never, "no sample of this cluster has ever arrived");
  }
}

void Evaluator::hear(ClusterBook& book, const store::ClusterArrival& arrival,
                     model::TimestampMs now) {
  book.interval = arrival.interval;
  book.row.silence = arrival.silence;
  book.row.lag = arrival.lag;
  book.row.clock_skew = arrival.clock_skew;
  book.row.watermark = arrival.watermark;
  look_at_watch(book, now);
  const auto enter = [&](ClusterState state) {
    book.enter(book.by_watch ? ClusterState::Fresh : state, now);
  };
  const bool heard = arrival.last_arrival_ms >= started_at_;
  if (!heard && now - started_at_ < kWarmingTime) {
    enter(ClusterState::Warming);
    book.find(Witness::Warming, "aerie has just started and has not heard of the cluster yet");
  } else if (!heard || arrival.silent) {
    enter(ClusterState::Silent);
    book.find(Witness::Silent,
              arrival.last_arrival_ms > 0
                  ? "nothing has arrived since " + model::format_rfc3339(arrival.last_arrival_ms)
                  : "nothing has arrived since aerie was started");
  } else {
    const model::DurationMs late =
        std::max<model::DurationMs>(2 * arrival.interval + 15'000, 45'000);
    enter(now - arrival.watermark > late ? ClusterState::Lagging : ClusterState::Fresh);
    take_evidence(book, arrival, now);
    weigh(book, arrival, now);
  }
  book.row.evidence_at = book.by_watch ? book.watched_at : book.surroundings.scraped_at;
  book.row.node_transitions = book.state.node_transitions();
  ClusterMemory& memory = book.memory;
  if (!book.surroundings.environment.empty()) memory.environment = book.surroundings.environment;
  if (!book.surroundings.zone.empty()) memory.zone = book.surroundings.zone;
  if (book.witness == Witness::Sound) memory.targets = book.surroundings.targets;
  if (book.row.environment != memory.environment || book.row.zone != memory.zone) {
    book.judge_all = true;
  }
  book.row.environment = memory.environment;
  book.row.zone = memory.zone;
}

void Evaluator::tell_silence(ClusterBook& book, model::TimestampMs now) {
  const bool silent = book.witness == Witness::Silent;
  const bool heard = book.witness == Witness::Sound || book.witness == Witness::Partial;
  if (silent == book.told_silent || (!silent && !heard)) return;
  book.told_silent = silent;
  WorkloadEvent event;
  event.kind = silent ? EventKind::BecameUnknown : EventKind::KnownAgain;
  event.at = now;
  event.reason = silent ? "StaleData" : "";
  event.message = silent ? book.text : "";
  events_.push_back({{"", "", book.row.cluster}, std::move(event), 0});
}

Case Evaluator::make_case(const ClusterBook& book, const WorkloadKey& key, const Round& round,
                          const DeploymentEvidence* observed) const {
  Case matter;
  matter.now = round.now;
  matter.interval = book.interval;
  const bool watched = book.follows(key);
  matter.witness = watched ? Witness::Sound : book.witness;
  if (!watched) matter.witness_text = book.text;
  matter.frozen = !watched && book.frozen;
  matter.observed = observed;
  matter.desired = round.desired.find(key, book.row.environment);
  if (!matter.desired && observed && observed->managed && key.kind == Kind::Deployment &&
      round.desired.knows(key.space, key.name)) {
    matter.desired = Desired{};
    matter.desired->source = "file " + round.desired.name();
    matter.desired->wanted = false;
    matter.desired->as_of = round.desired.as_of();
  }
  const auto& namespaces = book.surroundings.namespaces;
  matter.namespace_missing = watched ? book.watched->lacks_namespace(key.space)
                                     : !namespaces.empty() && !namespaces.contains(key.space);
  return matter;
}

/// A workload that nobody wants and whose series have ended is gone, once its cluster has said so
/// for a while: when kube-state-metrics dies, its series end a moment before `up` says why.
bool Evaluator::forget(ClusterBook& book, const Case& matter, const WorkloadKey& key) {
  const bool wanted = matter.desired && matter.desired->wanted;
  if (matter.observed || wanted || matter.witness != Witness::Sound) return false;
  const auto found = book.workloads.find(key);
  if (found == book.workloads.end() || !found->second.memory.absent_since) return false;
  if (matter.now - *found->second.memory.absent_since < std::max(kForgetAfter, 2 * matter.interval))
    return false;
  WorkloadEvent gone;
  gone.kind = EventKind::Gone;
  gone.at = *found->second.memory.absent_since;
  events_.push_back({key, std::move(gone), 0});
  book.workloads.erase(found);
  unsaved_.insert(key);
  rows_changed_ = true;
  last_removal_ = ++version_;
  return true;
}

void Evaluator::keep_row(ClusterBook& book, const WorkloadKey& key, DeploymentRow row) {
  RowPtr& kept = book.workloads[key].row;
  const bool same = kept && same_to_readers(*kept, row);
  // The restless are judged again and again; between two scrapes nothing of their rows is new.
  if (same && kept->evidence_at == row.evidence_at && kept->settled == row.settled) return;
  row.version = same ? kept->version : ++version_;
  kept = std::make_shared<const DeploymentRow>(std::move(row));
  rows_changed_ = true;
}

void Evaluator::judge_workload(ClusterBook& book, const WorkloadKey& key, const Round& round) {
  const auto read = book.follows(key) ? book.watched->evidence(key, round.now)
                                      : book.state.evidence(key, evidence_bound(book.interval));
  const DeploymentEvidence* observed = read ? &*read : nullptr;
  const Case matter = make_case(book, key, round, observed);
  if (forget(book, matter, key)) return;
  const bool bound = matter.desired && matter.desired->wanted;
  const auto known = book.workloads.find(key);
  if (!observed && !bound && known == book.workloads.end()) return;
  ClusterBook::Workload& workload = book.workloads[key];
  const bool was_silent =
      workload.memory.standing && workload.memory.standing->reason == "StaleData";
  Judgement judgement = judge(matter, std::move(workload.memory));
  ++judged_;
  workload.memory = judgement.memory;
  workload.restless = !judgement.settled;
  for (auto& event : judgement.events) {
    // That a cluster fell silent is one event of the cluster, not one of each of its workloads.
    const bool of_cluster =
        (event.kind == EventKind::BecameUnknown && matter.witness == Witness::Silent) ||
        (event.kind == EventKind::KnownAgain && was_silent);
    if (!of_cluster) events_.push_back({key, std::move(event), 0});
  }
  unsaved_.insert(key);
  keep_row(book, key, make_row(book.row, matter, key, std::move(judgement)));
}

void Evaluator::judge_cluster(ClusterBook& book, const Round& round) {
  std::unordered_set<WorkloadKey, WorkloadKeyHash> keys = std::move(book.pending);
  book.pending.clear();
  for (const auto& [key, workload] : book.workloads) {
    if (book.judge_all || workload.restless) keys.insert(key);
  }
  if (book.judge_all) {
    for (auto& key : book.state.workloads()) keys.insert(std::move(key));
    for (auto& key : round.desired.in_cluster(book.row.cluster, book.row.environment))
      keys.insert(std::move(key));
    if (book.by_watch) {
      for (auto& key : book.watched->workloads()) keys.insert(std::move(key));
    }
  }
  book.judge_all = false;
  for (const auto& key : keys) judge_workload(book, key, round);
}

FleetSnapshot Evaluator::publish(model::TimestampMs now) {
  FleetSnapshot fleet;
  fleet.evaluated_at = now;
  if (rows_changed_) {
    sorted_.clear();
    for (auto& [name, book] : books_) {
      book->row.deployments = {};
      for (const auto& [key, workload] : book->workloads) {
        if (!workload.row) continue;
        ++book->row.deployments[static_cast<size_t>(workload.row->verdict.phase)];
        book->row.version = std::max(book->row.version, workload.row->version);
        sorted_.push_back(workload.row);
      }
    }
    std::sort(sorted_.begin(), sorted_.end(), [](const RowPtr& a, const RowPtr& b) {
      return std::tie(a->verdict.phase, a->key) < std::tie(b->verdict.phase, b->key);
    });
    rows_changed_ = false;
  }
  fleet.deployments = sorted_;
  fleet.version = version_;
  fleet.last_removal = last_removal_;
  for (const auto& [name, book] : books_) fleet.clusters.push_back(book->row);
  return fleet;
}

FleetSnapshot Evaluator::evaluate(const std::vector<store::ClusterArrival>& arrivals,
                                  const DesiredFile& desired, model::TimestampMs now) {
  const Round round{desired, now};
  std::map<std::string, store::ClusterArrival> all;
  for (const auto& arrival : arrivals) {
    book(arrival.cluster);
    all[arrival.cluster] = arrival;
  }
  take_changes();
  if (watched_) {
    for (auto& cluster : watched_()) {
      ClusterBook& own = book(cluster->name());
      own.watched = std::move(cluster);
    }
  }
  if (desired.as_of() != desired_as_of_) {
    desired_as_of_ = desired.as_of();
    for (const auto& [name, book] : books_) book->judge_all = true;
    for (const auto& name : desired.clusters()) book(name);
  }
  for (const auto& [name, book] : books_) {
    const auto arrival = all.find(name);
    if (arrival != all.end()) {
      hear(*book, arrival->second, now);
    } else if (!book->restored) {
      hear_of_watch_alone(*book, now);
    } else {  // known of old, and nothing since
      store::ClusterArrival silent;
      silent.cluster = name;
      silent.silence = now - started_at_;
      silent.silent = true;
      hear(*book, silent, now);
    }
    tell_silence(*book, now);
    judge_cluster(*book, round);
  }
  return publish(now);
}

}  // namespace aerie::clusters
