#include "clusters/fleet.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace aerie::clusters {

namespace {

using Values = std::vector<std::pair<RowPtr, std::string>>;

/// The value that most clusters have, if more than one has it and somebody differs.
void note_drift(const Values& values, const std::string& field, std::vector<Drift>& drift) {
  std::map<std::string, size_t> counts;
  for (const auto& [row, value] : values) ++counts[value];
  if (counts.size() < 2) return;
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most->second < 2) return;
  for (const auto& [row, value] : values) {
    if (value != most->first) drift.push_back({row->key.cluster, field, value, most->first});
  }
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

void find_drift(FederatedRow& sum) {
  Values images;
  Values replicas;
  Values templates;
  for (const auto& row : sum.clusters) {
    if (row->verdict.phase == Phase::Unknown) continue;
    if (!row->images.empty()) images.emplace_back(row, join(row->images));
    if (row->spec && !row->autoscaled) replicas.emplace_back(row, std::to_string(*row->spec));
    if (!row->template_id.empty()) templates.emplace_back(row, row->template_id);
  }
  note_drift(images, "image", sum.drift);
  note_drift(replicas, "replicas", sum.drift);
  note_drift(templates, "template", sum.drift);
}

void add_row(FederatedRow& sum, const RowPtr& row) {
  const int64_t desired = row->desired.value_or(0);
  sum.desired += desired;
  if (row->verdict.phase == Phase::Unknown) {
    sum.unknown += desired;
  } else {
    // More ready than desired (a surge) must not hide what is short elsewhere.
    sum.ready += std::min(desired, row->ready.value_or(0));
    sum.created += row->created.value_or(0);
  }
  const Phase phase = row->verdict.phase;
  if (sum.clusters.empty() || phase < sum.phase) {
    sum.phase = phase;
    sum.since = row->verdict.since;
    sum.reason = row->verdict.reason.empty() ? "" : row->verdict.reason + "@" + row->key.cluster;
  }
  sum.version = std::max(sum.version, row->version);
  sum.clusters.push_back(row);
}

void finish(FederatedRow& sum) {
  std::sort(sum.clusters.begin(), sum.clusters.end(),
            [](const RowPtr& a, const RowPtr& b) { return a->key.cluster < b->key.cluster; });
  find_drift(sum);
}

}  // namespace

std::string_view cluster_state_name(ClusterState state) {
  switch (state) {
    case ClusterState::Fresh: return "fresh";
    case ClusterState::Lagging: return "lagging";
    case ClusterState::Silent: return "silent";
    case ClusterState::Warming: return "warming";
    case ClusterState::Never: return "never";
  }
  return "silent";
}

const ClusterRow* FleetSnapshot::find_cluster(std::string_view name) const {
  const auto found = std::lower_bound(
      clusters.begin(), clusters.end(), name,
      [](const ClusterRow& row, std::string_view wanted) { return row.cluster < wanted; });
  return found == clusters.end() || found->cluster != name ? nullptr : &*found;
}

std::optional<model::DurationMs> FleetSnapshot::evidence_age(const DeploymentRow& row) const {
  std::optional<model::TimestampMs> at = row.evidence_at;
  const ClusterRow* cluster = find_cluster(row.key.cluster);
  if (at && row.settled && cluster) at = std::max(*at, cluster->evidence_at);
  if (!at) return std::nullopt;
  return std::max<model::DurationMs>(0, evaluated_at - *at);
}

size_t FederatedRow::healthy() const {
  return static_cast<size_t>(std::count_if(clusters.begin(), clusters.end(), [](const RowPtr& r) {
    return r->verdict.phase == Phase::Complete || r->verdict.phase == Phase::Idle;
  }));
}

std::optional<FederatedRow> roll_up(const FleetSnapshot& fleet, std::string_view space,
                                    std::string_view name, Kind kind) {
  FederatedRow sum;
  sum.space = space;
  sum.name = name;
  sum.kind = kind;
  for (const auto& row : fleet.deployments) {
    if (row->key.name == name && row->key.space == space && row->key.kind == kind)
      add_row(sum, row);
  }
  if (sum.clusters.empty()) return std::nullopt;
  finish(sum);
  return sum;
}

std::vector<FederatedRow> roll_up_all(const FleetSnapshot& fleet) {
  std::map<std::tuple<std::string_view, std::string_view, Kind>, size_t> places;
  std::vector<FederatedRow> sums;
  for (const auto& row : fleet.deployments) {
    const auto [place, added] =
        places.try_emplace({row->key.space, row->key.name, row->key.kind}, sums.size());
    if (added) {
      FederatedRow sum;
      sum.space = row->key.space;
      sum.name = row->key.name;
      sum.kind = row->key.kind;
      sums.push_back(std::move(sum));
    }
    add_row(sums[place->second], row);
  }
  for (auto& sum : sums) finish(sum);
  std::stable_sort(sums.begin(), sums.end(), [](const FederatedRow& a, const FederatedRow& b) {
    return std::tie(a.phase, a.space, a.name, a.kind) < std::tie(b.phase, b.space, b.name, b.kind);
  });
  return sums;
}

}  // namespace aerie::clusters
