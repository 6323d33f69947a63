#include "clusters/kube_state.h"

#include <algorithm>

#include "model/sample.h"

namespace aerie::clusters {

namespace {

constexpr model::DurationMs kRestartWindow = 10LL * 60 * 1000;

/// What an object owned by `owner_kind` is looked up under.
std::optional<std::pair<Subject, Kind>> owner_type(std::string_view owner_kind) {
  if (owner_kind == "ReplicaSet") return std::pair(Subject::ReplicaSet, Kind::Deployment);
  if (owner_kind == "Deployment") return std::pair(Subject::Workload, Kind::Deployment);
  if (owner_kind == "Rollout") return std::pair(Subject::Workload, Kind::Rollout);
  if (owner_kind == "StatefulSet") return std::pair(Subject::Workload, Kind::StatefulSet);
  if (owner_kind == "DaemonSet") return std::pair(Subject::Workload, Kind::DaemonSet);
  return std::nullopt;
}

bool tells_owner(Family family) {
  return family == Family::PodOwner || family == Family::ReplicaSetOwner;
}

/// The label that names the object.
std::string_view name_label(const Meaning& meaning) {
  switch (meaning.subject) {
    case Subject::Workload:
      switch (meaning.kind) {
        case Kind::Deployment: return "deployment";
        case Kind::Rollout: return "name";
        case Kind::StatefulSet: return "statefulset";
        case Kind::DaemonSet: return "daemonset";
      }
      return {};
    case Subject::ReplicaSet: return "replicaset";
    case Subject::Pod: return "pod";
    case Subject::Node: return "node";
    default: return {};  // one object for all of a namespace, or of the cluster
  }
}

}  // namespace

std::string KubeState::object_id(Subject subject, Kind kind, std::string_view space,
                                 std::string_view name) {
  std::string id;
  id.reserve(space.size() + name.size() + 3);
  id += static_cast<char>(subject);
  id += static_cast<char>(kind);
  id += space;
  id += '\0';
  id += name;
  return id;
}

KubeState::KubeState(std::string cluster) : cluster_(std::move(cluster)) { intern({}); }
KubeState::KubeState(KubeState&&) noexcept = default;
KubeState::~KubeState() = default;

KubeState::Text KubeState::intern(std::string_view text) {
  const auto [place, added] =
      text_numbers_.try_emplace(std::string(text), static_cast<Text>(texts_.size()));
  if (added) texts_.push_back(&place->first);
  return place->second;
}

/// Names of ReplicaSets, nodes and images come and go; those that no series bears any more are let
/// go.
void KubeState::compact_texts() {
  if (texts_.size() < 1000 + 2 * index_.size()) return;
  const std::unordered_map<std::string, Text> before = std::move(text_numbers_);
  const std::vector<const std::string*> old = std::move(texts_);
  text_numbers_.clear();
  texts_.clear();
  intern({});
  for (Series& series : series_) {
    if (!series.object) continue;
    for (Text* id : {&series.a, &series.b, &series.c}) *id = intern(*old[*id]);
  }
}

uint32_t KubeState::target_of(const model::Labels& labels) {
  std::string id(labels.get("job"));
  id += '\0';
  id += labels.get("instance");
  const auto [place, added] =
      target_numbers_.try_emplace(std::move(id), static_cast<uint32_t>(targets_.size()));
  if (added) {
    targets_.emplace_back();
    targets_.back().target = {std::string(labels.get("job")), std::string(labels.get("instance"))};
  }
  return place->second;
}

KubeState::Object* KubeState::find(Subject subject, Kind kind, std::string_view space,
                                   std::string_view name) const {
  const auto found = objects_.find(object_id(subject, kind, space, name));
  return found == objects_.end() ? nullptr : found->second.get();
}

KubeState::Object& KubeState::object_of(const Meaning& meaning, const model::Labels& labels) {
  const std::string_view label = name_label(meaning);
  const bool spaceless = meaning.subject == Subject::Node || meaning.subject == Subject::Cluster;
  const std::string_view space = spaceless ? std::string_view{} : object_label(labels, "namespace");
  const std::string_view name = label.empty() ? std::string_view{} : object_label(labels, label);
  auto& place = objects_[object_id(meaning.subject, meaning.kind, space, name)];
  if (!place) {
    place = std::make_unique<Object>(
        Object{meaning.subject, meaning.kind, std::string(space), std::string(name), {}, {}});
    if (meaning.subject == Subject::Workload) workloads_.insert(place.get());
  }
  return *place;
}

void KubeState::read_texts(const model::Labels& labels, Series& s) {
  const auto take = [&](Text& slot, std::string_view label) { slot = intern(labels.get(label)); };
  switch (s.meaning->family) {
    case Family::Condition:
      take(s.a, "condition");
      take(s.b, "status");
      return take(s.c, "reason");
    case Family::RolloutPhase:
    case Family::PodPhase: return take(s.a, "phase");
    case Family::ManagedLabels:
      s.a = intern(labels.get("label_kubefed_io_managed") == "true" ||
                           labels.has("label_work_karmada_io_permanent_id") ||
                           labels.has("label_apps_clusternet_io_subs_name")
                       ? "managed"
                       : "");
      return;
    case Family::ReplicaSetOwner:
    case Family::PodOwner: take(s.a, "owner_kind"); return take(s.b, "owner_name");
    case Family::ReplicaSetRevision:
      return take(s.a, "annotation_deployment_kubernetes_io_revision");
    case Family::PodInfo: s.a = intern(object_label(labels, "node")); return;
    case Family::PodReady:
    case Family::PodScheduled: return take(s.a, "condition");
    case Family::PodReason: return take(s.a, "reason");
    case Family::Waiting:
    case Family::InitWaiting:
    case Family::LastTerminated:
      s.a = intern(object_label(labels, "container"));
      return take(s.b, "reason");
    case Family::Requests: return take(s.a, "resource");
    case Family::Image:
      s.a = intern(object_label(labels, "container"));
      return take(s.b, labels.has("image_spec") ? "image_spec" : "image");
    case Family::NodeCondition: take(s.a, "condition"); return take(s.b, "status");
    case Family::Quota:
      take(s.a, "resourcequota");
      take(s.b, "resource");
      return take(s.c, "type");
    case Family::AutoscalerInfo:
      take(s.a, "scaletargetref_kind");
      return take(s.b, "scaletargetref_name");
    case Family::AutoscalerByName: return take(s.a, "hpa");
    case Family::Namespace: s.a = intern(object_label(labels, "namespace")); return;
    case Family::ShardOrdinal: return take(s.a, "shard_ordinal");
    case Family::Listing: take(s.a, "resource"); return take(s.b, "result");
    default: return;
  }
}

void KubeState::link(const Series& series, int by) {
  if (!tells_owner(series.meaning->family)) return;
  const auto type = owner_type(text(series.a));
  if (!type) return;
  const std::string id = object_id(type->first, type->second, series.object->space, text(series.b));
  auto& owned = owned_[id];
  if ((owned[series.object] += by) <= 0) owned.erase(series.object);
  if (owned.empty()) owned_.erase(id);
}

const KubeState::Object* KubeState::owner_of(const Object& object) const {
  for (const uint32_t number : object.series) {
    const Series& s = series_[number];
    if (!tells_owner(s.meaning->family)) continue;
    const auto type = owner_type(text(s.a));
    if (type) return find(type->first, type->second, object.space, text(s.b));
  }
  return nullptr;
}

void KubeState::note(const Object& object) {
  switch (object.subject) {
    case Subject::Workload:
      changed_.insert({object.space, object.name, cluster_, object.kind});
      return;
    case Subject::ReplicaSet:
    case Subject::Pod:
      if (const Object* owner = owner_of(object)) note(*owner);
      return;
    case Subject::Node: all_changed_ = true; return;
    case Subject::Quota:
    case Subject::Autoscaler:
      for (const Object* each : workloads_) {
        if (each->space == object.space) note(*each);
      }
      return;
    case Subject::Cluster: return;
  }
}

void KubeState::touch(Series& series, model::TimestampMs t) {
  if (!tells_of_scrape(*series.meaning)) {
    series.at = t;
    return;
  }
  TargetClock& clock = targets_[series.target];
  if (t > clock.newest) {
    clock.newest = t;
    clock.current = 0;
  }
  if (t == clock.newest && series.at != t) ++clock.current;
  series.at = t;
  scraped_at_ = std::max(scraped_at_, t);
}

uint32_t KubeState::bind(const Meaning& meaning, const LatestSample& sample, uint64_t hash) {
  uint32_t number = static_cast<uint32_t>(series_.size());
  if (free_.empty()) {
    series_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  Series& series = series_[number];
  series = {};
  series.meaning = &meaning;
  series.hash = hash;
  series.at = model::kMinTimestamp;
  series.value = sample.value;
  series.object = &object_of(meaning, *sample.labels);
  read_texts(*sample.labels, series);
  series.target = target_of(*sample.labels);
  if (tells_of_scrape(meaning)) {
    TargetClock& clock = targets_[series.target];
    ++clock.live;
    if (meaning.subject == Subject::Workload) ++clock.workloads;
  }
  series.object->series.push_back(number);
  index_[hash] = number;
  link(series, 1);
  return number;
}

void KubeState::end(uint32_t number) {
  Series& series = series_[number];
  Object& object = *series.object;
  note(object);
  link(series, -1);
  if (tells_of_scrape(*series.meaning)) {
    TargetClock& clock = targets_[series.target];
    --clock.live;
    if (series.at == clock.newest && clock.current > 0) --clock.current;
    if (series.meaning->subject == Subject::Workload) --clock.workloads;
  }
  std::erase(object.series, number);
  index_.erase(series.hash);
  if (object.series.empty()) {
    workloads_.erase(&object);
    objects_.erase(object_id(object.subject, object.kind, object.space, object.name));
  }
  series = {};
  free_.push_back(number);
}

void KubeState::set(const LatestSample& sample) {
  const Meaning* meaning = meaning_of(sample.labels->metric_name());
  if (!meaning) return;
  const uint64_t hash = sample.labels->hash();
  const auto found = index_.find(hash);
  const bool ended = model::is_stale(sample.value);
  const bool counter =
      meaning->family == Family::Restarts || meaning->family == Family::InitRestarts;
  if (found == index_.end()) {
    if (environment_.empty()) environment_ = sample.labels->get("environment");
    if (zone_.empty()) zone_ = sample.labels->get("zone");
    if (ended) return;
    Series& series = series_[bind(*meaning, sample, hash)];
    if (counter && sample.increase > 0) {
      series.object->bumps.push_back({sample.t, sample.increase, meaning->family});
    }
    touch(series, sample.t);
    note(*series.object);
    return;
  }
  Series& series = series_[found->second];
  if (sample.t < series.at) return;
  if (ended) return end(found->second);
  if (sample.value != series.value) {
    if (counter) {
      const double by = sample.value > series.value ? sample.value - series.value : sample.value;
      series.object->bumps.push_back({sample.t, by, meaning->family});
    }
    const bool ready = meaning->family == Family::NodeCondition && text(series.a) == "Ready" &&
                       text(series.b) == "true";
    if (ready) ++node_transitions_[series.object->name];
    if (sample.value > series.value) series.risen_at = sample.t;
    series.value = sample.value;
    note(*series.object);
  }
  touch(series, sample.t);
  auto& bumps = series.object->bumps;
  if (!bumps.empty()) {
    std::erase_if(bumps, [&](const Bump& b) { return b.at < sample.t - kRestartWindow; });
  }
}

void KubeState::purge(model::TimestampMs oldest) {
  for (uint32_t number = 0; number < series_.size(); ++number) {
    if (series_[number].object && series_[number].at < oldest) end(number);
  }
  compact_texts();
}

bool KubeState::torn() const {
  if (following_) return false;  // who follows changes waits until they have come
  return std::any_of(targets_.begin(), targets_.end(),
                     [](const TargetClock& c) { return c.live > 0 && c.current < c.live; });
}

std::vector<WorkloadKey> KubeState::take_changed() {
  if (all_changed_) {
    for (auto& key : workloads()) changed_.insert(std::move(key));
  }
  all_changed_ = false;
  std::vector<WorkloadKey> keys(changed_.begin(), changed_.end());
  changed_.clear();
  return keys;
}

std::vector<WorkloadKey> KubeState::workloads() const {
  std::vector<WorkloadKey> keys;
  keys.reserve(workloads_.size());
  for (const Object* object : workloads_) {
    keys.push_back({object->space, object->name, cluster_, object->kind});
  }
  return keys;
}

}  // namespace aerie::clusters
