#include "clusters/evaluator.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "clusters/kube_state.h"

namespace aerie::clusters {

namespace {

constexpr model::DurationMs kWarmingTime = 60'000;
constexpr model::DurationMs kLeastStale = 90'000;
constexpr model::DurationMs kForgetAfter = 30'000;
constexpr std::string_view kClusterPrefix = "cluster/";
constexpr std::string_view kWorkloadPrefix = "workload/";

std::string row_key(const WorkloadKey& key) {
  return fmt::format("{}{}/{}/{}", kWorkloadPrefix, key.cluster, key.space, key.name);
}

/// Names of Kubernetes objects hold no slash, names of clusters may: split from the end.
std::optional<WorkloadKey> parse_row_key(std::string_view text) {
  text.remove_prefix(kWorkloadPrefix.size());
  const size_t last = text.rfind('/');
  if (last == std::string_view::npos || last == 0) return std::nullopt;
  const size_t middle = text.rfind('/', last - 1);
  if (middle == std::string_view::npos) return std::nullopt;
  return WorkloadKey{std::string(text.substr(middle + 1, last - middle - 1)),
                     std::string(text.substr(last + 1)), std::string(text.substr(0, middle))};
}

std::string list_without(const std::set<std::string>& names, const std::string& own) {
  std::string text;
  for (const auto& name : names) {
    if (name != own) text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::optional<int64_t> integer(const MaybeFact& fact) {
  if (!fact) return std::nullopt;
  return static_cast<int64_t>(fact->value);
}

}  // namespace

std::string Evaluator::ClusterMemory::encode() const {
  std::string out = fmt::format("environment={}\nzone={}\n", environment, zone);
  for (const auto& [job, instance] : targets) out += fmt::format("target={}\t{}\n", job, instance);
  return out;
}

Evaluator::ClusterMemory Evaluator::ClusterMemory::decode(const std::string& text) {
  ClusterMemory memory;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = line.substr(0, equals);
    const std::string value = line.substr(equals + 1);
    const size_t tab = value.find('\t');
    if (key == "environment") memory.environment = value;
    if (key == "zone") memory.zone = value;
    if (key == "target" && tab != std::string::npos)
      memory.targets.emplace(value.substr(0, tab), value.substr(tab + 1));
  }
  return memory;
}

Evaluator::Evaluator(const model::SampleSource& source, std::shared_ptr<store::KeyedTable> table,
                     model::TimestampMs started_at)
    : source_(source), table_(std::move(table)), started_at_(started_at) {}

Status Evaluator::restore() {
  if (!table_) return {};
  auto rows = table_->scan("");
  if (!rows) return std::move(rows).error().with("read the memory of verdicts");
  for (auto& [key, value] : *rows) {
    if (key.starts_with(kClusterPrefix)) {
      clusters_[key.substr(kClusterPrefix.size())] = ClusterMemory::decode(value);
    } else if (key.starts_with(kWorkloadPrefix)) {
      if (auto workload = parse_row_key(key))
        workloads_[std::move(*workload)] = Memory::decode(value);
    }
    persisted_[key] = std::move(value);
  }
  return {};
}

Status Evaluator::persist() {
  if (!table_) return {};
  std::map<std::string, std::string> rows;
  for (const auto& [name, memory] : clusters_)
    rows[std::string(kClusterPrefix) + name] = memory.encode();
  for (const auto& [key, memory] : workloads_) rows[row_key(key)] = memory.encode();
  std::vector<std::pair<std::string, std::string>> puts;
  std::vector<std::string> removals;
  for (const auto& [key, value] : rows) {
    const auto before = persisted_.find(key);
    if (before == persisted_.end() || before->second != value) puts.emplace_back(key, value);
  }
  for (const auto& [key, value] : persisted_) {
    if (!rows.contains(key)) removals.push_back(key);
  }
  if (puts.empty() && removals.empty()) return {};
  if (auto written = table_->apply(puts, removals); !written) {
    return std::move(written).error().with("write the memory of verdicts");
  }
  persisted_ = std::move(rows);
  return {};
}

void Evaluator::weigh(Testimony& t, const store::ClusterArrival& arrival, model::TimestampMs now) {
  const model::DurationMs stale = std::max(3 * arrival.interval, kLeastStale);
  const ClusterMemory& memory = clusters_[arrival.cluster];
  const auto partial = [&](std::string text) {
    t.witness = Witness::Partial;
    t.text = std::move(text);
    t.row.note = t.text;
  };
  // Backfill after an outage is no news of now. A clock that is far behind looks the same, and is
  // as little to be believed.
  if (now - arrival.watermark > stale) {
    t.witness = Witness::Silent;
    t.text =
        fmt::format("the newest sample is {} s old (replayed, or the cluster's clock is behind)",
                    (now - arrival.watermark) / 1000);
    t.row.note = t.text;
    return;
  }
  if (t.evidence.scraped_at == model::kMinTimestamp)
    return partial("no kube-state-metrics series arrive");
  if (now - t.evidence.scraped_at > stale) {
    return partial(fmt::format("kube-state-metrics was last seen {} s ago",
                               (now - t.evidence.scraped_at) / 1000));
  }
  for (const auto& target : memory.targets) {
    if (t.evidence.down.contains(target)) {
      return partial(fmt::format("kube-state-metrics {} does not answer", target.second));
    }
  }
  t.witness = Witness::Sound;
}

void Evaluator::identify(Testimony& t) {
  ClusterMemory& memory = clusters_[t.row.cluster];
  if (!t.evidence.environment.empty()) memory.environment = t.evidence.environment;
  if (!t.evidence.zone.empty()) memory.zone = t.evidence.zone;
  if (t.witness == Witness::Sound) memory.targets = t.evidence.targets;
  t.row.environment = memory.environment;
  t.row.zone = memory.zone;
}

Evaluator::Testimony Evaluator::hear(const store::ClusterArrival& arrival, model::TimestampMs now) {
  Testimony t;
  t.interval = arrival.interval;
  t.row.cluster = arrival.cluster;
  t.row.silence = arrival.silence;
  t.row.lag = arrival.lag;
  t.row.watermark = arrival.watermark;
  const bool heard = arrival.last_arrival_ms >= started_at_;
  if (!heard && now - started_at_ < kWarmingTime) {
    t.row.state = ClusterState::Warming;
    t.witness = Witness::Warming;
    t.text = "aerie has just started and has not heard of the cluster yet";
  } else if (!heard || arrival.silent) {
    t.row.state = ClusterState::Silent;
    t.witness = Witness::Silent;
    t.text = fmt::format("nothing has arrived for {} s", arrival.silence / 1000);
  } else {
    const model::DurationMs late =
        std::max<model::DurationMs>(2 * arrival.interval + 15'000, 45'000);
    t.row.state = now - arrival.watermark > late ? ClusterState::Lagging : ClusterState::Fresh;
    auto evidence = read_evidence(source_, arrival);
    if (evidence) {
      t.evidence = std::move(*evidence);
      weigh(t, arrival, now);
    } else {
      AERIE_LOG(Warn, "evidence cannot be read", {"cluster", arrival.cluster},
                {"error", evidence.error().message()});
      t.witness = Witness::Partial;
      t.text = evidence.error().message();
    }
  }
  if (t.row.note.empty()) t.row.note = t.text;
  identify(t);
  return t;
}

std::map<std::string, Evaluator::Peers> Evaluator::peers_by_environment(
    const std::vector<Testimony>& testimonies) const {
  std::map<std::string, Peers> peers;
  std::map<std::string, std::string> environments;
  for (const auto& t : testimonies) {
    environments[t.row.cluster] = t.row.environment;
    for (const auto& [key, evidence] : t.evidence.deployments) {
      peers[t.row.environment][{key.space, key.name}].insert(key.cluster);
    }
  }
  for (const auto& [key, memory] : workloads_) {  // of silent clusters
    peers[environments[key.cluster]][{key.space, key.name}].insert(key.cluster);
  }
  return peers;
}

/// A Deployment that nobody wants and whose series have ended is gone, once its cluster has said so
/// for a while: when kube-state-metrics dies, its series end a moment before `up` says why.
bool Evaluator::forget(const Case& matter, const WorkloadKey& key) {
  if (matter.observed || matter.desired || matter.witness != Witness::Sound) return false;
  const auto found = workloads_.find(key);
  if (found == workloads_.end() || !found->second.absent_since) return false;
  if (matter.now - *found->second.absent_since < std::max(kForgetAfter, 2 * matter.interval))
    return false;
  workloads_.erase(found);
  return true;
}

DeploymentRow Evaluator::make_row(const Testimony& t, const Case& matter, const WorkloadKey& key,
                                  Judgement judgement) {
  DeploymentRow row;
  row.key = key;
  row.environment = t.row.environment;
  row.zone = t.row.zone;
  row.desired = judgement.memory.spec_replicas;
  if (matter.desired && matter.desired->replicas) row.desired = matter.desired->replicas;
  row.desired_source = matter.desired ? matter.desired->source : "its own spec";
  row.verdict = std::move(judgement.verdict);
  if (matter.observed && t.witness != Witness::Silent && t.witness != Witness::Warming) {
    row.updated = integer(matter.observed->updated);
    row.ready = integer(matter.observed->ready);
    row.available = integer(matter.observed->available);
    if (const auto oldest = matter.observed->oldest()) {
      row.evidence_age = std::max<model::DurationMs>(0, matter.now - *oldest);
    }
  }
  return row;
}

void Evaluator::judge_cluster(Testimony& t, std::set<WorkloadKey> keys, const Peers& peers,
                              const DesiredFile& desired, model::TimestampMs now,
                              FleetSnapshot& fleet) {
  for (const auto& [key, evidence] : t.evidence.deployments) keys.insert(key);
  for (auto& key : desired.in_cluster(t.row.cluster, t.row.environment))
    keys.insert(std::move(key));
  for (const auto& key : keys) {
    Case matter;
    matter.now = now;
    matter.interval = t.interval;
    matter.witness = t.witness;
    matter.witness_text = t.text;
    const auto observed = t.evidence.deployments.find(key);
    if (observed != t.evidence.deployments.end()) matter.observed = &observed->second;
    matter.desired = desired.find(key, t.row.environment);
    matter.namespace_missing =
        !t.evidence.namespaces.empty() && !t.evidence.namespaces.contains(key.space);
    if (forget(matter, key)) continue;
    const auto same = peers.find({key.space, key.name});
    if (!matter.desired && same != peers.end()) {
      const std::string others = list_without(same->second, key.cluster);
      if (!others.empty())
        matter.desired = Desired{std::nullopt, "inferred: also in " + others, false, now};
    }
    if (!matter.observed && (!matter.desired || !matter.desired->binding) &&
        !workloads_.contains(key))
      continue;
    Judgement judgement = judge(matter, std::move(workloads_[key]));
    workloads_[key] = judgement.memory;
    DeploymentRow row = make_row(t, matter, key, std::move(judgement));
    ++t.row.deployments[static_cast<size_t>(row.verdict.phase)];
    fleet.deployments.push_back(std::move(row));
  }
}

FleetSnapshot Evaluator::evaluate(const std::vector<store::ClusterArrival>& arrivals,
                                  const DesiredFile& desired, model::TimestampMs now) {
  std::map<std::string, store::ClusterArrival> all;
  for (const auto& arrival : arrivals) all[arrival.cluster] = arrival;
  for (const auto& [name, memory] : clusters_) {  // known of old, and nothing since
    if (all.contains(name)) continue;
    store::ClusterArrival arrival;
    arrival.cluster = name;
    arrival.silence = now - started_at_;
    arrival.silent = true;
    all[name] = arrival;
  }
  std::vector<Testimony> testimonies;
  testimonies.reserve(all.size());
  for (const auto& [name, arrival] : all) testimonies.push_back(hear(arrival, now));
  const auto peers = peers_by_environment(testimonies);
  std::map<std::string, std::set<WorkloadKey>> remembered;
  for (const auto& [key, memory] : workloads_) remembered[key.cluster].insert(key);
  FleetSnapshot fleet;
  fleet.evaluated_at = now;
  for (auto& t : testimonies) {
    const auto own = peers.find(t.row.environment);
    judge_cluster(t, std::move(remembered[t.row.cluster]),
                  own == peers.end() ? Peers{} : own->second, desired, now, fleet);
    fleet.clusters.push_back(std::move(t.row));
  }
  std::sort(fleet.deployments.begin(), fleet.deployments.end(),
            [](const DeploymentRow& a, const DeploymentRow& b) {
              return std::tie(a.verdict.phase, a.key) < std::tie(b.verdict.phase, b.key);
            });
  return fleet;
}

}  // namespace aerie::clusters
