#include "clusters/kube_objects.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <functional>

#include "model/time.h"

namespace aerie::clusters {

namespace {

using http::JsonWriter;

constexpr std::array<KubeResourceNames, 4> kResources = {{
    {KubeResource::Clusters, "clusters", "cluster", "Cluster", "", false},
    {KubeResource::FederatedWorkloads, "federatedworkloads", "federatedworkload",
     "FederatedWorkload", "fw", true},
    {KubeResource::WorkloadStatuses, "workloadstatuses", "workloadstatus", "WorkloadStatus", "ws",
     true},
    {KubeResource::RolloutEvents, "rolloutevents", "rolloutevent", "RolloutEvent", "re", true},
}};

constexpr std::array<KubeColumn, 12> kClusterColumns = {{{"Name", "string", false},
                                                         {"State", "string", false},
                                                         {"Complete", "integer", false},
                                                         {"Progressing", "integer", false},
                                                         {"Stalled", "integer", false},
                                                         {"Degraded", "integer", false},
                                                         {"Unknown", "integer", false},
                                                         {"Last-Arrival", "string", false},
                                                         {"Environment", "string", true},
                                                         {"Zone", "string", true},
                                                         {"Flapping", "string", true},
                                                         {"Note", "string", true}}};
constexpr std::array<KubeColumn, 11> kFederatedColumns = {{{"Name", "string", false},
                                                           {"Desired", "integer", false},
                                                           {"Created", "integer", false},
                                                           {"Ready", "integer", false},
                                                           {"Unknown", "integer", false},
                                                           {"Clusters", "string", false},
                                                           {"Phase", "string", false},
                                                           {"Reason", "string", false},
                                                           {"Since", "string", false},
                                                           {"Kind", "string", true},
                                                           {"Drift", "string", true}}};
constexpr std::array<KubeColumn, 13> kWorkloadColumns = {{{"Name", "string", false},
                                                          {"Cluster", "string", false},
                                                          {"Desired", "string", false},
                                                          {"Spec", "string", false},
                                                          {"Updated", "string", false},
                                                          {"Ready", "string", false},
                                                          {"Available", "string", false},
                                                          {"Phase", "string", false},
                                                          {"Reason", "string", false},
                                                          {"Since", "string", false},
                                                          {"As-Of", "string", false},
                                                          {"Kind", "string", true},
                                                          {"Message", "string", true}}};
constexpr std::array<KubeColumn, 8> kEventColumns = {{{"Name", "string", false},
                                                      {"Event", "string", false},
                                                      {"Cluster", "string", false},
                                                      {"Workload", "string", false},
                                                      {"Reason", "string", false},
                                                      {"Took", "string", false},
                                                      {"Age", "string", false},
                                                      {"Message", "string", true}}};

/// `5s`, `12m`, `3h`: kubectl's ages.
std::string age_text(model::DurationMs age) {
  const int64_t s = std::max<int64_t>(0, age / 1000);
  if (s < 120) return fmt::format("{}s", s);
  if (s < 600 && s % 60 != 0) return fmt::format("{}m{}s", s / 60, s % 60);
  if (s < 3 * 3600) return fmt::format("{}m", s / 60);
  if (s < 48 * 3600) return fmt::format("{}h", s / 3600);
  return fmt::format("{}d", s / 86400);
}

std::string number_text(const std::optional<int64_t>& value) {
  return value ? std::to_string(*value) : "?";
}

/// Stable for the same object, in the form of a UUID.
std::string uid_of(const KubeItem& item) {
  const std::hash<std::string> hash;
  const uint64_t a = hash(item.space + '\0' + item.name);
  const uint64_t b = hash(item.name + '\0' + item.space);
  return fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xfff,
                     b >> 48 & 0xfff, b & 0xffffffffffff);
}

void write_metadata_fields(JsonWriter& json, const KubeItem& item) {
  json.key("metadata").begin_object().field("name", item.name);
  if (!item.space.empty()) json.field("namespace", item.space);
  json.field("uid", uid_of(item)).field("resourceVersion", std::to_string(item.version));
  json.key("creationTimestamp").null();
  if (!item.labels.empty()) {
    json.key("labels").begin_object();
    for (const auto& [name, value] : item.labels) json.field(name, value);
    json.end_object();
  }
  json.end_object();
}

void write_optional(JsonWriter& json, std::string_view name, const std::optional<int64_t>& value) {
  if (value) json.field(name, *value);
}

void write_time(JsonWriter& json, std::string_view name, model::TimestampMs t) {
  json.field(name, model::format_rfc3339(t));
}

void write_condition(JsonWriter& json, std::string_view type, std::string_view status,
                     std::string_view reason, std::string_view message, model::TimestampMs since) {
  json.begin_object().field("type", type).field("status", status);
  write_time(json, "lastTransitionTime", since);
  json.field("reason", reason).field("message", message).end_object();
}

void write_causes(JsonWriter& json, const Verdict& verdict) {
  json.key("causes").begin_array();
  for (const auto& cause : verdict.causes) {
    json.begin_object().field("reason", cause.reason()).field("count", cause.count);
    json.field("message", cause.message).end_object();
  }
  json.end_array();
}

void write_numbers(JsonWriter& json, const DeploymentRow& row, const FleetSnapshot& fleet) {
  json.field("phase", phase_name(row.verdict.phase)).field("reason", row.verdict.reason);
  json.field("message", row.verdict.message);
  write_time(json, "since", row.verdict.since);
  write_optional(json, "desiredReplicas", row.desired);
  write_optional(json, "specReplicas", row.spec);
  write_optional(json, "replicas", row.created);
  write_optional(json, "updatedReplicas", row.updated);
  write_optional(json, "readyReplicas", row.ready);
  write_optional(json, "availableReplicas", row.available);
  if (const auto age = fleet.evidence_age(row)) write_time(json, "asOf", fleet.evaluated_at - *age);
  if (row.last_known) json.field("lastKnown", phase_name(*row.last_known));
  write_causes(json, row.verdict);
}

/// The part of a reason before its slash or its cluster, as conditions want it: a CamelCase word.
std::string reason_word(const std::string& reason, std::string_view otherwise) {
  const std::string word = reason.substr(0, reason.find_first_of("/@"));
  return word.empty() ? std::string(otherwise) : word;
}

void write_conditions(JsonWriter& json, const FederatedRow& row) {
  const bool bad = is_bad(row.phase);
  const bool all = row.healthy() == row.clusters.size();
  const bool unknown = row.unknown > 0 || row.phase == Phase::Unknown;
  const std::string word = reason_word(row.reason, phase_name(row.phase));
  json.key("conditions").begin_array();
  write_condition(json, "Ready",
                  all               ? "True"
                  : !bad && unknown ? "Unknown"
                                    : "False",
                  word, row.reason, row.since);
  write_condition(json, "Stalled", row.phase == Phase::Stalled ? "True" : "False", word, row.reason,
                  row.since);
  write_condition(json, "Reconciling", row.phase == Phase::Progressing ? "True" : "False", word,
                  row.reason, row.since);
  write_condition(json, "DataFresh", unknown ? "False" : "True",
                  unknown ? "ClusterSilent" : "AllClusters", "", row.since);
  write_condition(json, "InSync", row.drift.empty() ? "True" : "False",
                  row.drift.empty() ? "NoDrift" : "Drift",
                  row.drift.empty() ? ""
                                    : row.drift.front().cluster + ": " + row.drift.front().field +
                                          " " + row.drift.front().own,
                  row.since);
  json.end_array();
}

void write_body(JsonWriter& json, const ClusterRow& row, const FleetSnapshot&) {
  json.key("spec").begin_object();
  json.field("environment", row.environment).field("zone", row.zone).end_object();
  json.key("status").begin_object().field("state", cluster_state_name(row.state));
  json.field("note", row.note);
  if (row.watermark != model::kMinTimestamp) write_time(json, "lastSample", row.watermark);
  json.key("flapping").boolean(row.flapping);
  json.key("workloads").begin_object();
  for (size_t i = 0; i < kPhases; ++i)
    json.field(phase_name(static_cast<Phase>(i)), row.deployments[i]);
  json.end_object().end_object();
}

void write_body(JsonWriter& json, const std::shared_ptr<const FederatedRow>& row,
                const FleetSnapshot& fleet) {
  json.key("spec").begin_object().field("kind", kind_name(row->kind)).field("name", row->name);
  const std::string& source = row->clusters.front()->desired_source;
  json.key("source").begin_object();
  json.field("type", source.empty() ? "Inferred" : "Static").field("ref", source).end_object();
  json.field("totalReplicas", row->desired).end_object();
  json.key("status").begin_object();
  json.field("desiredReplicas", row->desired).field("createdReplicas", row->created);
  json.field("readyReplicas", row->ready).field("unknownReplicas", row->unknown);
  json.field("phase", phase_name(row->phase)).field("reason", row->reason);
  write_time(json, "since", row->since);
  write_conditions(json, *row);
  json.key("clusters").begin_array();
  for (const auto& each : row->clusters) {
    json.begin_object().field("name", each->key.cluster);
    write_numbers(json, *each, fleet);
    json.end_object();
  }
  json.end_array().key("drift").begin_array();
  for (const auto& drift : row->drift) {
    json.begin_object().field("cluster", drift.cluster).field("field", drift.field);
    json.field("own", drift.own).field("most", drift.most).end_object();
  }
  json.end_array().end_object();
}

void write_body(JsonWriter& json, const RowPtr& row, const FleetSnapshot& fleet) {
  json.key("spec").begin_object().field("cluster", row->key.cluster);
  json.field("kind", kind_name(row->key.kind)).field("name", row->key.name).end_object();
  json.key("status").begin_object();
  write_numbers(json, *row, fleet);
  json.key("images").begin_array();
  for (const auto& image : row->images) json.string(image);
  json.end_array().key("pods").begin_array();
  for (const auto& pod : row->pods) {
    json.begin_object().field("name", pod.name).field("node", pod.node).field("phase", pod.phase);
    json.key("ready").boolean(pod.ready).field("reason", pod.reason).end_object();
  }
  json.end_array().end_object();
}

void write_body(JsonWriter& json, const EntryPtr& entry, const FleetSnapshot&) {
  json.key("spec").begin_object().field("cluster", entry->key.cluster);
  json.field("kind", kind_name(entry->key.kind)).field("name", entry->key.name).end_object();
  json.key("status").begin_object().field("event", event_name(entry->event.kind));
  write_time(json, "at", entry->event.at);
  json.field("phase", phase_name(entry->event.phase)).field("reason", entry->event.reason);
  json.field("message", entry->event.message);
  if (entry->event.took) json.field("tookSeconds", *entry->event.took / 1000);
  json.end_object();
}

void write_cells(JsonWriter& json, const ClusterRow& row, const KubeItem&, const FleetSnapshot&) {
  const auto count = [&](Phase phase) {
    json.integer(row.deployments[static_cast<size_t>(phase)]);
  };
  json.string(row.cluster).string(cluster_state_name(row.state));
  count(Phase::Complete);
  count(Phase::Progressing);
  count(Phase::Stalled);
  count(Phase::Degraded);
  count(Phase::Unknown);
  json.string(age_text(row.silence)).string(row.environment).string(row.zone);
  json.string(row.flapping ? "yes" : "no").string(row.note);
}

void write_cells(JsonWriter& json, const std::shared_ptr<const FederatedRow>& row,
                 const KubeItem& item, const FleetSnapshot& fleet) {
  json.string(item.name).integer(row->desired).integer(row->created).integer(row->ready);
  json.integer(row->unknown);
  json.string(fmt::format("{}/{}", row->healthy(), row->clusters.size()));
  json.string(phase_name(row->phase)).string(row->reason);
  json.string(age_text(fleet.evaluated_at - row->since)).string(kind_name(row->kind));
  json.string(row->drift.empty() ? "" : row->drift.front().field);
}

void write_cells(JsonWriter& json, const RowPtr& row, const KubeItem& item,
                 const FleetSnapshot& fleet) {
  const auto age = fleet.evidence_age(*row);
  json.string(item.name).string(row->key.cluster).string(number_text(row->desired));
  json.string(number_text(row->spec)).string(number_text(row->updated));
  json.string(number_text(row->ready)).string(number_text(row->available));
  json.string(phase_name(row->verdict.phase)).string(row->verdict.reason);
  json.string(age_text(fleet.evaluated_at - row->verdict.since));
  json.string(age ? age_text(*age) : "?").string(kind_name(row->key.kind));
  json.string(row->verdict.message);
}

void write_cells(JsonWriter& json, const EntryPtr& entry, const KubeItem& item,
                 const FleetSnapshot& fleet) {
  json.string(item.name).string(event_name(entry->event.kind)).string(entry->key.cluster);
  json.string(entry->key.name).string(entry->event.reason);
  json.string(entry->event.took ? age_text(*entry->event.took) : "");
  json.string(age_text(fleet.evaluated_at - entry->event.at)).string(entry->event.message);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string federated_name(const std::string& name, Kind kind) {
  return kind == Kind::Deployment ? name : name + "." + lower(kind_name(kind));
}

KubeItem make_item(std::string space, std::string name, uint64_t version) {
  KubeItem item;
  item.fields = {{"metadata.name", name}, {"metadata.namespace", space}};
  item.space = std::move(space);
  item.name = std::move(name);
  item.version = version;
  return item;
}

void label(KubeItem& item, std::string_view name, const std::string& value) {
  if (!value.empty()) item.labels[fmt::format("{}/{}", kKubeGroup, name)] = value;
}

bool in_scope(const KubeScope& scope, const WorkloadKey& key) {
  return (scope.cluster.empty() || scope.cluster == key.cluster) &&
         (scope.space.empty() || scope.space == key.space);
}

KubeItem item_of(const ClusterRow& row) {
  KubeItem item = make_item({}, row.cluster, row.version);
  label(item, "environment", row.environment);
  label(item, "zone", row.zone);
  item.fields["status.state"] = cluster_state_name(row.state);
  item.source = row;
  return item;
}

KubeItem item_of(FederatedRow row) {
  KubeItem item = make_item(row.space, federated_name(row.name, row.kind), row.version);
  label(item, "kind", lower(kind_name(row.kind)));
  item.fields["status.phase"] = phase_name(row.phase);
  item.fields["status.reason"] = row.reason;
  item.source = std::make_shared<const FederatedRow>(std::move(row));
  return item;
}

KubeItem item_of(const RowPtr& row) {
  const std::string kind = lower(kind_name(row->key.kind));
  KubeItem item =
      make_item(row->key.space, row->key.cluster + "." + kind + "." + row->key.name, row->version);
  label(item, "cluster", row->key.cluster);
  label(item, "environment", row->environment);
  label(item, "zone", row->zone);
  label(item, "kind", kind);
  label(item, "name", row->key.name);
  item.fields["status.phase"] = phase_name(row->verdict.phase);
  item.fields["status.reason"] = row->verdict.reason;
  item.fields["spec.cluster"] = row->key.cluster;
  item.source = row;
  return item;
}

KubeItem item_of(const EntryPtr& entry) {
  KubeItem item = make_item(entry->key.space,
                            fmt::format("{}.{:x}", entry->key.name, entry->number), entry->number);
  label(item, "cluster", entry->key.cluster);
  label(item, "name", entry->key.name);
  item.fields["status.phase"] = phase_name(entry->event.phase);
  item.fields["status.event"] = event_name(entry->event.kind);
  item.source = entry;
  return item;
}

}  // namespace

std::span<const KubeResourceNames> kube_resources() { return kResources; }

const KubeResourceNames* find_kube_resource(std::string_view plural) {
  const auto found = std::find_if(kResources.begin(), kResources.end(),
                                  [&](const auto& names) { return names.plural == plural; });
  return found == kResources.end() ? nullptr : &*found;
}

std::span<const KubeColumn> kube_columns(KubeResource resource) {
  switch (resource) {
    case KubeResource::Clusters: return kClusterColumns;
    case KubeResource::FederatedWorkloads: return kFederatedColumns;
    case KubeResource::WorkloadStatuses: return kWorkloadColumns;
    case KubeResource::RolloutEvents: return kEventColumns;
  }
  return {};
}

std::vector<KubeItem> kube_items(KubeResource resource, const FleetSnapshot& fleet,
                                 const Timeline& timeline, const KubeScope& scope) {
  std::vector<KubeItem> items;
  switch (resource) {
    case KubeResource::Clusters:
      for (const auto& row : fleet.clusters) {
        if (scope.cluster.empty() || scope.cluster == row.cluster) items.push_back(item_of(row));
      }
      break;
    case KubeResource::FederatedWorkloads: {
      FleetSnapshot own;
      own.evaluated_at = fleet.evaluated_at;
      for (const auto& row : fleet.deployments) {
        if (in_scope(scope, row->key)) own.deployments.push_back(row);
      }
      for (auto& row : roll_up_all(own)) items.push_back(item_of(std::move(row)));
      break;
    }
    case KubeResource::WorkloadStatuses:
      for (const auto& row : fleet.deployments) {
        if (in_scope(scope, row->key)) items.push_back(item_of(row));
      }
      break;
    case KubeResource::RolloutEvents:
      for (const auto& entry : timeline.find({.cluster = scope.cluster, .space = scope.space}))
        items.push_back(item_of(entry));
      break;
  }
  return items;
}

void write_kube_object(JsonWriter& json, const KubeResourceNames& names, const KubeItem& item,
                       const FleetSnapshot& fleet) {
  json.begin_object().field("apiVersion", fmt::format("{}/{}", kKubeGroup, kKubeVersion));
  json.field("kind", names.kind);
  write_metadata_fields(json, item);
  std::visit([&](const auto& source) { write_body(json, source, fleet); }, item.source);
  json.end_object();
}

void write_kube_metadata(JsonWriter& json, const KubeItem& item) {
  json.begin_object().field("kind", "PartialObjectMetadata").field("apiVersion", "meta.k8s.io/v1");
  write_metadata_fields(json, item);
  json.end_object();
}

void write_kube_cells(JsonWriter& json, KubeResource, const KubeItem& item,
                      const FleetSnapshot& fleet) {
  json.begin_array();
  std::visit([&](const auto& source) { write_cells(json, source, item, fleet); }, item.source);
  json.end_array();
}

}  // namespace aerie::clusters
