#include "clusters/kubernetes/cluster_state.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "clusters/kubernetes/json_fields.h"

namespace aerie::clusters::kubernetes {
namespace {

namespace json = boost::json;

// Warnings are kept for pods that may be asked for; a storm of events pushes out the oldest.
constexpr size_t kMostWarnings = 20'000;
constexpr size_t kLongestMessage = 1024;

constexpr std::array<std::string_view, kCollections> kPaths = {
    "/apis/apps/v1/deployments", "/apis/apps/v1/replicasets", "/api/v1/pods",  "/api/v1/nodes",
    "/api/v1/resourcequotas",    "/api/v1/namespaces",        "/api/v1/events"};

struct Number {
  std::string_view field;
  MaybeFact DeploymentEvidence::*slot;
};
// A field that is left out of a status is zero.
constexpr std::array<Number, 6> kStatusNumbers = {
    {{"observedGeneration", &DeploymentEvidence::observed_generation},
     {"replicas", &DeploymentEvidence::replicas},
     {"readyReplicas", &DeploymentEvidence::ready},
     {"availableReplicas", &DeploymentEvidence::available},
     {"unavailableReplicas", &DeploymentEvidence::unavailable},
     {"updatedReplicas", &DeploymentEvidence::updated}}};

Truth truth_of(std::string_view text) {
  if (text == "True") return Truth::True;
  return text == "False" ? Truth::False : Truth::Unknown;
}

int64_t number_at(const json::object* in, std::string_view key, int64_t otherwise = 0) {
  return in ? integer_at(*in, key).value_or(otherwise) : otherwise;
}

std::string controller_named(const json::object& metadata, std::string_view kind) {
  const auto* owners = array_at(metadata, "ownerReferences");
  if (!owners) return {};
  for (const auto& item : *owners) {
    const auto* owner = item.if_object();
    if (owner && flag_at(*owner, "controller") && text_at(*owner, "kind") == kind)
      return std::string(text_at(*owner, "name"));
  }
  return {};
}

template <class Map, class Use>
void drop_unlisted(Map& all, Use&& gone) {
  for (auto it = all.begin(); it != all.end();) {
    if (it->second.listed) {
      ++it;
      continue;
    }
    gone(it->first, it->second);
    it = all.erase(it);
  }
}

template <class Map>
void unlist(Map& all) {
  for (auto& [name, record] : all) record.listed = false;
}

std::pair<std::string, std::string> split(const std::string& name) {
  const size_t slash = name.find('/');
  if (slash == std::string::npos) return {};
  return {name.substr(0, slash), name.substr(slash + 1)};
}

}  // namespace

std::string_view collection_path(Collection collection) {
  return kPaths[static_cast<size_t>(collection)];
}

bool is_required(Collection collection) { return collection < Collection::Quotas; }

ClusterState::ClusterState(std::string cluster) : cluster_(std::move(cluster)) {}

void ClusterState::note(const std::string& space, const std::string& deployment) {
  changed_.emplace(space, deployment);
}

void ClusterState::note_owners(const std::vector<std::string>& replica_sets) {
  for (const auto& owner : replica_sets) {
    const auto set = replica_sets_.find(split(owner));
    if (set != replica_sets_.end() && !set->second.deployment.empty())
      note(set->first.first, set->second.deployment);
  }
}

void ClusterState::note_space(const std::string& space) {
  for (auto it = deployments_.lower_bound({space, ""});
       it != deployments_.end() && it->first.first == space; ++it)
    changed_.insert(it->first);
}

void ClusterState::note_node(const std::string& node) { note_owners(pods_.replica_sets_on(node)); }

void ClusterState::put(Collection collection, const json::object& object, int64_t now) {
  const auto* metadata = object_at(object, "metadata");
  if (!metadata) return;
  const Name name{text_at(*metadata, "namespace"), text_at(*metadata, "name")};
  if (name.second.empty()) return;
  switch (collection) {
    case Collection::Deployments: return put_deployment(name, object);
    case Collection::ReplicaSets: return put_replica_set(name, object);
    case Collection::Pods: return note_owners(pods_.put(object, now));
    case Collection::Nodes: return put_node(name.second, object);
    case Collection::Quotas: return put_quota(name, object);
    case Collection::Namespaces:
      if (!namespaces_.contains(name.second)) note_space(name.second);
      namespaces_[name.second] = true;
      return;
    case Collection::Events: return put_event(object);
  }
}

void ClusterState::remove(Collection collection, const json::object& object) {
  const auto* metadata = object_at(object, "metadata");
  if (!metadata) return;
  const Name name{text_at(*metadata, "namespace"), text_at(*metadata, "name")};
  switch (collection) {
    case Collection::Deployments:
      if (deployments_.erase(name) > 0) changed_.insert(name);
      return;
    case Collection::ReplicaSets: {
      const auto set = replica_sets_.find(name);
      if (set == replica_sets_.end()) return;
      note(name.first, set->second.deployment);
      const auto sets = sets_of_.find({name.first, set->second.deployment});
      if (sets != sets_of_.end() && sets->second.erase(name.second) > 0 && sets->second.empty())
        sets_of_.erase(sets);
      replica_sets_.erase(set);
      return;
    }
    case Collection::Pods:
      note_owners(pods_.remove(object));
      pod_warnings_.erase(name);
      return;
    case Collection::Nodes:
      if (nodes_.erase(name.second) > 0) note_node(name.second);
      return;
    case Collection::Quotas:
      if (quotas_.erase(name) > 0) note_space(name.first);
      return;
    case Collection::Namespaces:
      if (namespaces_.erase(name.second) > 0) note_space(name.second);
      return;
    case Collection::Events: return;  // they fade after an hour; what they said stays true
  }
}

void ClusterState::put_deployment(const Name& name, const json::object& object) {
  DeploymentRecord record;
  const auto* metadata = object_at(object, "metadata");
  const auto* spec = object_at(object, "spec");
  const auto* status = object_at(object, "status");
  record.numbers["generation"] = number_at(metadata, "generation");
  record.numbers["spec"] = number_at(spec, "replicas", 1);
  record.numbers["paused"] = spec && flag_at(*spec, "paused") ? 1 : 0;
  if (const auto deletion = parse_time(text_at(*metadata, "deletionTimestamp")))
    record.numbers["deletion"] = *deletion;
  for (const Number& number : kStatusNumbers)
    record.numbers[std::string(number.field)] = number_at(status, number.field);
  if (const auto* conditions = status ? array_at(*status, "conditions") : nullptr) {
    for (const auto& item : *conditions) {
      const auto* one = item.if_object();
      if (!one) continue;
      record.conditions[std::string(text_at(*one, "type"))] = {
          truth_of(text_at(*one, "status")), std::string(text_at(*one, "reason")),
          std::string(text_at(*one, "message").substr(0, kLongestMessage))};
    }
  }
  DeploymentRecord& known = deployments_[name];
  const bool same = known.same(record);
  known = std::move(record);
  if (!same) changed_.insert(name);
}

void ClusterState::put_replica_set(const Name& name, const json::object& object) {
  const auto& metadata = *object_at(object, "metadata");
  const auto* spec = object_at(object, "spec");
  const auto* status = object_at(object, "status");
  ReplicaSetRecord record;
  record.deployment = controller_named(metadata, "Deployment");
  record.spec = number_at(spec, "replicas", 1);
  record.status = number_at(status, "replicas");
  record.ready = number_at(status, "readyReplicas");
  record.created = parse_time(text_at(metadata, "creationTimestamp")).value_or(0);
  if (const auto* annotations = object_at(metadata, "annotations")) {
    const std::string_view text = text_at(*annotations, "deployment.kubernetes.io/revision");
    std::from_chars(text.data(), text.data() + text.size(), record.revision);
  }
  const auto known = replica_sets_.find(name);
  if (known != replica_sets_.end()) {
    record.warning = std::move(known->second.warning);
    if (known->second.deployment != record.deployment) {
      note(name.first, known->second.deployment);
      sets_of_[{name.first, known->second.deployment}].erase(name.second);
    }
  }
  note(name.first, record.deployment);
  sets_of_[{name.first, record.deployment}].insert(name.second);
  replica_sets_[name] = std::move(record);
}

void ClusterState::put_node(const std::string& name, const json::object& object) {
  NodeRecord record;
  const auto* status = object_at(object, "status");
  if (const auto* conditions = status ? array_at(*status, "conditions") : nullptr) {
    for (const auto& item : *conditions) {
      const auto* one = item.if_object();
      if (one && text_at(*one, "type") == "Ready") record.ready = truth_of(text_at(*one, "status"));
    }
  }
  const auto known = nodes_.find(name);
  // A node's heartbeat changes nothing here.
  const bool same = known != nodes_.end() && known->second.ready == record.ready;
  nodes_[name] = record;
  if (!same) note_node(name);
}

void ClusterState::put_quota(const Name& name, const json::object& object) {
  QuotaRecord record;
  if (const auto* status = object_at(object, "status")) {
    const auto read = [&](std::string_view part, auto member) {
      const auto* amounts = object_at(*status, part);
      if (!amounts) return;
      for (const auto& [resource, value] : *amounts) {
        const auto* text = value.if_string();
        if (text)
          record.rows[std::string(resource)].*member = parse_quantity({text->data(), text->size()});
      }
    };
    using Row = std::pair<std::optional<double>, std::optional<double>>;
    read("hard", &Row::first);
    read("used", &Row::second);
  }
  QuotaRecord& known = quotas_[name];
  const bool same = known.rows == record.rows;
  known = std::move(record);
  if (!same) note_space(name.first);
}

void ClusterState::put_event(const json::object& object) {
  const std::string_view message = text_at(object, "message");
  // "Error: ImagePullBackOff" comes after the event that tells why, and tells nothing.
  if (text_at(object, "type") == "Normal" || message.starts_with("Error: ")) return;
  const auto* about = object_at(object, "involvedObject");
  if (!about) return;
  const Name name{text_at(*about, "namespace"), text_at(*about, "name")};
  std::string text(message.substr(0, kLongestMessage));
  if (text_at(*about, "kind") == "ReplicaSet") {
    const auto set = replica_sets_.find(name);
    if (set == replica_sets_.end() || set->second.warning == text) return;
    set->second.warning = std::move(text);
    return note(name.first, set->second.deployment);
  }
  if (text_at(*about, "kind") != "Pod") return;
  int64_t at = parse_time(text_at(object, "lastTimestamp")).value_or(0);
  if (at == 0) at = parse_time(text_at(object, "eventTime")).value_or(0);
  if (pod_warnings_.size() >= kMostWarnings && !pod_warnings_.contains(name)) {
    pod_warnings_.erase(
        std::min_element(pod_warnings_.begin(), pod_warnings_.end(),
                         [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
  }
  Warning& known = pod_warnings_[name];
  if (at < known.at) return;
  known = {std::move(text), at};
}

void ClusterState::begin_list(Collection collection) {
  switch (collection) {
    case Collection::Deployments: return unlist(deployments_);
    case Collection::ReplicaSets: return unlist(replica_sets_);
    case Collection::Pods: return pods_.begin_list();
    case Collection::Nodes: return unlist(nodes_);
    case Collection::Quotas: return unlist(quotas_);
    case Collection::Namespaces:
      for (auto& [name, listed] : namespaces_) listed = false;
      return;
    case Collection::Events: return;
  }
}

void ClusterState::end_list(Collection collection) {
  switch (collection) {
    case Collection::Deployments:
      return drop_unlisted(deployments_, [&](const Name& name, auto&) { changed_.insert(name); });
    case Collection::ReplicaSets:
      return drop_unlisted(replica_sets_, [&](const Name& name, ReplicaSetRecord& set) {
        note(name.first, set.deployment);
        sets_of_[{name.first, set.deployment}].erase(name.second);
      });
    case Collection::Pods: return note_owners(pods_.end_list());
    case Collection::Nodes:
      return drop_unlisted(nodes_, [&](const std::string& name, auto&) { note_node(name); });
    case Collection::Quotas:
      return drop_unlisted(quotas_, [&](const Name& name, auto&) { note_space(name.first); });
    case Collection::Namespaces:
      std::erase_if(namespaces_, [&](const auto& entry) {
        if (!entry.second) note_space(entry.first);
        return !entry.second;
      });
      return;
    case Collection::Events: return;
  }
}

std::vector<WorkloadKey> ClusterState::take_changed() {
  std::vector<WorkloadKey> keys;
  for (const auto& [space, name] : changed_) {
    if (!name.empty()) keys.push_back(WorkloadKey{space, name, cluster_});
  }
  changed_.clear();
  return keys;
}

std::vector<WorkloadKey> ClusterState::workloads() const {
  std::vector<WorkloadKey> keys;
  for (const auto& [name, record] : deployments_)
    keys.push_back(WorkloadKey{name.first, name.second, cluster_});
  return keys;
}

void ClusterState::read_pods(const Name& set, int64_t now, model::TimestampMs at,
                             DeploymentEvidence& out) const {
  for (PodEvidence& pod : pods_.of(set.first, set.second, now, at)) {
    const auto node = nodes_.find(pod.node);
    pod.node_lost = node != nodes_.end() && node->second.ready != Truth::True;
    // That it waits is what the container says; why the image cannot be had, only the event.
    const bool silent = pod.message.empty() || pod.message.starts_with("Back-off pulling image");
    if (silent && pod.ready != Truth::True) {
      const auto warning = pod_warnings_.find({set.first, pod.name});
      if (warning != pod_warnings_.end()) pod.message = warning->second.text;
    }
    out.pods.push_back(std::move(pod));
  }
}

void ClusterState::read_replica_sets(const Name& name, int64_t now, model::TimestampMs at,
                                     DeploymentEvidence& out) const {
  const auto sets = sets_of_.find(name);
  if (sets == sets_of_.end()) return;
  const auto fact = [at](int64_t value) { return Fact{static_cast<double>(value), at}; };
  for (const auto& set_name : sets->second) {
    const auto set = replica_sets_.find({name.first, set_name});
    if (set == replica_sets_.end()) continue;
    const ReplicaSetRecord& record = set->second;
    ReplicaSetEvidence evidence;
    evidence.name = set_name;
    evidence.spec = fact(record.spec);
    evidence.status = fact(record.status);
    evidence.ready = fact(record.ready);
    if (record.created != 0) evidence.created = fact(record.created);
    if (record.revision != 0) evidence.revision = fact(record.revision);
    out.replica_sets.push_back(std::move(evidence));
    read_pods(set->first, now, at, out);
    if (out.replica_failure && out.replica_failure->message.empty())
      out.replica_failure->message = record.warning;
  }
}

std::optional<DeploymentEvidence> ClusterState::evidence(const WorkloadKey& key, int64_t now,
                                                         model::TimestampMs at) const {
  const Name name{key.space, key.name};
  const auto found = deployments_.find(name);
  if (found == deployments_.end()) return std::nullopt;
  const DeploymentRecord& record = found->second;
  const auto fact = [&](std::string_view which) -> MaybeFact {
    const auto number = record.numbers.find(std::string(which));
    if (number == record.numbers.end()) return std::nullopt;
    return Fact{static_cast<double>(number->second), at};
  };
  DeploymentEvidence out;
  out.key = key;
  out.generation = fact("generation");
  out.spec_replicas = fact("spec");
  out.paused = fact("paused");
  out.deletion = fact("deletion");
  for (const Number& number : kStatusNumbers) out.*number.slot = fact(number.field);
  const auto condition = [&](const char* type) -> std::optional<Condition> {
    const auto words = record.conditions.find(type);
    if (words == record.conditions.end()) return std::nullopt;
    return Condition{words->second.status, words->second.reason, at, words->second.message};
  };
  out.progressing = condition("Progressing");
  out.available_condition = condition("Available");
  out.replica_failure = condition("ReplicaFailure");
  read_replica_sets(name, now, at, out);
  for (auto it = quotas_.lower_bound({key.space, ""});
       it != quotas_.end() && it->first.first == key.space; ++it) {
    for (const auto& [resource, row] : it->second.rows) {
      QuotaEvidence quota;
      quota.name = it->first.second;
      quota.resource = resource;
      if (row.first) quota.hard = Fact{*row.first, at};
      if (row.second) quota.used = Fact{*row.second, at};
      out.quotas.push_back(std::move(quota));
    }
  }
  return out;
}

}  // namespace aerie::clusters::kubernetes
