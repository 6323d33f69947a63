#include "clusters/fleet_json.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <tuple>

#include "http/json_writer.h"

namespace aerie::clusters {

namespace {

using http::JsonWriter;

double seconds(model::DurationMs duration) { return static_cast<double>(duration) / 1000; }

void write_optional(JsonWriter& json, std::string_view name, const std::optional<int64_t>& value) {
  json.key(name);
  value ? json.integer(*value) : json.null();
}

void write_time(JsonWriter& json, std::string_view name,
                const std::optional<model::TimestampMs>& at) {
  json.key(name);
  at ? json.number(seconds(*at)) : json.null();
}

void write_strings(JsonWriter& json, std::string_view name,
                   const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const auto& value : values) json.string(value);
  json.end_array();
}

void write_phases(JsonWriter& json, const std::array<int64_t, kPhases>& counts) {
  json.begin_object();
  for (size_t i = 0; i < kPhases; ++i) json.field(phase_name(static_cast<Phase>(i)), counts[i]);
  json.end_object();
}

void write_cluster(JsonWriter& json, const ClusterRow& row) {
  json.begin_object();
  json.field("cluster", row.cluster).field("environment", row.environment).field("zone", row.zone);
  json.field("state", cluster_state_name(row.state)).field("note", row.note);
  json.key("lastArrivalSeconds").number(seconds(row.silence));
  json.key("lagSeconds").number(seconds(row.lag));
  json.key("clockSkewSeconds").number(seconds(row.clock_skew));
  json.key("flapping").boolean(row.flapping);
  json.key("deployments");
  write_phases(json, row.deployments);
  json.end_object();
}

void write_fields(JsonWriter& json, const FleetSnapshot& fleet, const DeploymentRow& row) {
  json.field("cluster", row.key.cluster)
      .field("namespace", row.key.space)
      .field("name", row.key.name)
      .field("kind", kind_name(row.key.kind));
  json.field("environment", row.environment).field("zone", row.zone);
  json.field("phase", phase_name(row.verdict.phase)).field("reason", row.verdict.reason);
  json.field("message", row.verdict.message);
  write_optional(json, "desired", row.desired);
  write_optional(json, "created", row.created);
  write_optional(json, "updated", row.updated);
  write_optional(json, "ready", row.ready);
  write_optional(json, "available", row.available);
  json.key("since").number(seconds(row.verdict.since));
  json.key("evidenceAgeSeconds");
  const auto age = fleet.evidence_age(row);
  age ? json.number(seconds(*age)) : json.null();
}

void write_causes(JsonWriter& json, const Verdict& verdict) {
  json.key("causes").begin_array();
  for (const auto& cause : verdict.causes) {
    json.begin_object();
    json.field("reason", cause.reason())
        .field("count", cause.count)
        .field("message", cause.message);
    json.end_object();
  }
  json.end_array();
}

void write_pod(JsonWriter& json, const PodRow& pod) {
  json.field("name", pod.name).field("node", pod.node).field("phase", pod.phase);
  json.key("ready").boolean(pod.ready);
  json.key("newest").boolean(pod.newest);
  json.field("reason", pod.reason).field("message", pod.message);
  json.key("restarts10m").number(pod.restarts_10m);
}

bool any_or(const std::string& wanted, std::string_view value) {
  return wanted.empty() || wanted == value;
}

bool one_of(const std::vector<std::string>& wanted, std::string_view value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

bool matches_reason(const std::string& wanted, const std::string& reason) {
  return wanted.empty() || wanted == reason || wanted == reason.substr(0, reason.find('/'));
}

/// True for indexes that lie on the page.
bool on_page(const Page& page, size_t index) {
  return index >= page.offset && (page.limit == 0 || index - page.offset < page.limit);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool holds_words(const std::vector<std::string>& words, const DeploymentRow& row) {
  if (words.empty()) return true;
  const std::string text = lower(row.key.space + "/" + row.key.name + " " + row.key.cluster + " " +
                                 std::string(phase_name(row.verdict.phase)) + " " +
                                 row.verdict.reason + " " + row.verdict.message);
  return std::all_of(words.begin(), words.end(), [&](const std::string& word) {
    const bool negated = word.size() > 1 && word[0] == '!';
    return (text.find(lower(negated ? word.substr(1) : word)) != std::string::npos) != negated;
  });
}

std::string group_of(const DeploymentRow& row, const std::string& by) {
  if (by == "zone") return row.zone;
  if (by == "environment") return row.environment;
  if (by == "cluster") return row.key.cluster;
  if (by == "namespace") return row.key.space;
  return row.key.space + "/" + row.key.name;
}

struct Group {
  std::array<int64_t, kPhases> phases{};
  int64_t desired = 0;
  int64_t ready = 0;
  int64_t unknown = 0;
  std::map<std::string, int64_t> clusters;

  void add(const DeploymentRow& row) {
    const int64_t own = row.desired.value_or(0);
    ++phases[static_cast<size_t>(row.verdict.phase)];
    desired += own;
    ++clusters[row.key.cluster];
    if (row.verdict.phase == Phase::Unknown) {
      unknown += own;
    } else {
      ready += std::min(own, row.ready.value_or(0));
    }
  }
  size_t worst() const {
    return static_cast<size_t>(
        std::find_if(phases.begin(), phases.end(), [](int64_t n) { return n > 0; }) -
        phases.begin());
  }
};

void write_timeline_event(JsonWriter& json, const TimelineEntry& entry) {
  const WorkloadEvent& event = entry.event;
  json.begin_object();
  json.field("number", static_cast<int64_t>(entry.number));
  json.key("at").number(seconds(event.at));
  json.field("event", event_name(event.kind));
  json.field("cluster", entry.key.cluster)
      .field("namespace", entry.key.space)
      .field("name", entry.key.name)
      .field("kind", kind_name(entry.key.kind));
  json.field("phase", phase_name(event.phase)).field("reason", event.reason);
  json.field("message", event.message);
  json.key("tookSeconds");
  event.took ? json.number(seconds(*event.took)) : json.null();
  json.end_object();
}

}  // namespace

bool DeploymentFilter::selects(const DeploymentRow& row) const {
  return one_of(phases, phase_name(row.verdict.phase)) && one_of(clusters, row.key.cluster) &&
         one_of(kinds, kind_name(row.key.kind)) && any_or(space, row.key.space) &&
         any_or(name, row.key.name) && any_or(environment, row.environment) &&
         any_or(zone, row.zone) && matches_reason(reason, row.verdict.reason) &&
         holds_words(words, row);
}

std::string cluster_json(const ClusterRow& row) {
  std::string out;
  JsonWriter json(out);
  write_cluster(json, row);
  return out;
}

std::string clusters_json(const FleetSnapshot& fleet) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("clusters").begin_array();
  for (const auto& row : fleet.clusters) write_cluster(json, row);
  json.end_array().end_object();
  return out;
}

std::string row_json(const FleetSnapshot& fleet, const DeploymentRow& row) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_fields(json, fleet, row);
  json.end_object();
  return out;
}

std::string deployments_json(const FleetSnapshot& fleet, const DeploymentFilter& filter,
                             const Page& page) {
  std::vector<RowPtr> rows;
  for (const auto& row : fleet.deployments) {
    if (filter.selects(*row)) rows.push_back(row);
  }
  if (page.order == Order::Name) {
    std::sort(rows.begin(), rows.end(),
              [](const RowPtr& a, const RowPtr& b) { return a->key < b->key; });
  } else if (page.order == Order::Since) {
    std::stable_sort(rows.begin(), rows.end(), [](const RowPtr& a, const RowPtr& b) {
      return a->verdict.since > b->verdict.since;
    });
  }
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("deployments").begin_array();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!on_page(page, i)) continue;
    json.begin_object();
    write_fields(json, fleet, *rows[i]);
    json.end_object();
  }
  json.end_array().field("total", static_cast<int64_t>(rows.size()));
  json.field("version", static_cast<int64_t>(fleet.version)).end_object();
  return out;
}

std::string groups_json(const FleetSnapshot& fleet, const DeploymentFilter& filter,
                        const std::string& by, const Page& page) {
  std::map<std::string, Group> groups;
  for (const auto& row : fleet.deployments) {
    if (filter.selects(*row)) groups[group_of(*row, by)].add(*row);
  }
  std::vector<std::pair<std::string, Group>> sorted(groups.begin(), groups.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    const size_t x = a.second.worst();
    const size_t y = b.second.worst();
    return x != y ? x < y : x < kPhases && a.second.phases[x] > b.second.phases[x];
  });
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("groupBy", by).key("groups").begin_array();
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (!on_page(page, i)) continue;
    const auto& [name, group] = sorted[i];
    json.begin_object().field("group", name);
    json.field("phase", phase_name(static_cast<Phase>(group.worst())));
    json.field("clusters", static_cast<int64_t>(group.clusters.size()));
    json.field("desiredReplicas", group.desired).field("readyReplicas", group.ready);
    json.field("unknownReplicas", group.unknown).key("deployments");
    write_phases(json, group.phases);
    json.end_object();
  }
  json.end_array().field("total", static_cast<int64_t>(sorted.size())).end_object();
  return out;
}

std::string federated_json(const FleetSnapshot& fleet, const FederatedRow& row) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("namespace", row.space).field("name", row.name).field("kind", kind_name(row.kind));
  json.field("phase", phase_name(row.phase)).field("reason", row.reason);
  json.field("desiredReplicas", row.desired).field("readyReplicas", row.ready);
  json.field("unknownReplicas", row.unknown).field("createdReplicas", row.created);
  json.key("clusters").begin_array();
  for (const auto& each : row.clusters) {
    json.begin_object();
    write_fields(json, fleet, *each);
    std::string source = each->desired_source;
    if (source.empty())
      source = row.clusters.size() > 1 ? "inferred: also elsewhere" : "its own spec";
    json.field("desiredSource", source);
    write_optional(json, "spec", each->spec);
    write_optional(json, "generation", each->generation);
    json.key("autoscaled").boolean(each->autoscaled);
    json.field("template", each->template_id);
    write_strings(json, "images", each->images);
    write_strings(json, "warnings", each->verdict.warnings);
    write_time(json, "rolloutBegan", each->rollout_began);
    write_time(json, "lastComplete", each->last_complete);
    json.field("lastKnown", each->last_known ? phase_name(*each->last_known) : "");
    write_causes(json, each->verdict);
    json.key("pods").begin_array();
    for (const auto& pod : each->pods) {
      json.begin_object();
      write_pod(json, pod);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().key("drift").begin_array();
  for (const auto& drift : row.drift) {
    json.begin_object();
    json.field("cluster", drift.cluster).field("field", drift.field);
    json.field("own", drift.own).field("most", drift.most);
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string event_json(const TimelineEntry& entry) {
  std::string out;
  JsonWriter json(out);
  write_timeline_event(json, entry);
  return out;
}

std::string events_json(const std::vector<EntryPtr>& entries) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("events").begin_array();
  for (const auto& entry : entries) write_timeline_event(json, *entry);
  json.end_array().end_object();
  return out;
}

std::string pods_json(const FleetSnapshot& fleet, const PodFilter& filter, const Page& page) {
  std::string out;
  JsonWriter json(out);
  size_t total = 0;
  json.begin_object().key("pods").begin_array();
  for (const auto& row : fleet.deployments) {
    if (!one_of(filter.clusters, row->key.cluster) || !any_or(filter.space, row->key.space) ||
        !any_or(filter.owner, row->key.name) ||
        !any_or(filter.owner_kind, kind_name(row->key.kind)))
      continue;
    for (const auto& pod : row->pods) {
      if (!any_or(filter.node, pod.node) || !matches_reason(filter.reason, pod.reason) ||
          pod.name.find(filter.name) == std::string::npos)
        continue;
      if (!on_page(page, total++)) continue;
      json.begin_object();
      json.field("cluster", row->key.cluster).field("namespace", row->key.space);
      json.field("owner", row->key.name).field("ownerKind", kind_name(row->key.kind));
      write_pod(json, pod);
      json.end_object();
    }
  }
  json.end_array().field("total", static_cast<int64_t>(total)).end_object();
  return out;
}

}  // namespace aerie::clusters
