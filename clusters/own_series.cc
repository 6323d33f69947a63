#include "clusters/own_series.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "model/matcher.h"
#include "model/sample.h"

namespace aerie::clusters {

namespace {

constexpr model::DurationMs kLookback = 6LL * 60 * 1000;  // a little more than PromQL's
constexpr std::array<double, 9> kBounds = {5, 15, 30, 60, 120, 300, 600, 1200, 3600};  // seconds
constexpr std::string_view kNames =
    "aerie_deployment_(phase|reason_pods|desired_replicas|unknown_replicas|drift|"
    "rollout_start_timestamp_seconds|last_complete_timestamp_seconds)|"
    "aerie_federated_deployment_(phase|desired_replicas|ready_replicas|unknown_replicas|clusters)|"
    "aerie_cluster_(up|last_sample_timestamp_seconds|clock_skew_seconds|flapping|"
    "ready_transitions_total)|aerie_node_ready_transitions_total|aerie_rollout_duration_seconds_("
    "bucket|sum|count)";

using Sample = OwnSeries::Sample;

class Writer {
 public:
  Writer(std::vector<Sample>& out, model::TimestampMs t) : out_(out), t_(t) {}

  void cluster(std::string_view name, const ClusterRow& row, double value) {
    start(name);
    builder_.set("cluster", row.cluster).set("environment", row.environment).set("zone", row.zone);
    finish(value);
  }
  void node(std::string_view name, const ClusterRow& row, const std::string& node_name,
            double value) {
    start(name);
    builder_.set("cluster", row.cluster).set("node", node_name);
    finish(value);
  }
  void deployment(std::string_view name, const DeploymentRow& row, double value,
                  std::string_view label = {}, std::string_view text = {}) {
    start(name);
    builder_.set("cluster", row.key.cluster);
    builder_.set("environment", row.environment).set("zone", row.zone);
    object(row.key.space, row.key.name, row.key.kind);
    if (!label.empty()) builder_.set(label, text);
    finish(value);
  }
  void federated(std::string_view name, const FederatedRow& row, double value,
                 std::string_view label = {}, std::string_view text = {}) {
    start(name);
    object(row.space, row.name, row.kind);
    if (!label.empty()) builder_.set(label, text);
    finish(value);
  }
  void drift(const Drift& drift, const FederatedRow& row) {
    start("aerie_deployment_drift");
    builder_.set("cluster", drift.cluster).set("field", drift.field);
    object(row.space, row.name, row.kind);
    finish(1);
  }
  void duration(std::string_view part, const std::string& cluster, std::string_view le,
                double value) {
    const std::string name = fmt::format("aerie_rollout_duration_seconds_{}", part);
    start(name);
    builder_.set("cluster", cluster);
    if (!le.empty()) builder_.set("le", le);
    finish(value);
  }

 private:
  void start(std::string_view name) {
    builder_.reset({});
    builder_.set(model::kMetricName, name);
  }
  /// Deployments bear no kind, so that their series join with those of kube-state-metrics.
  void object(std::string_view space, std::string_view name, Kind kind) {
    builder_.set("namespace", space).set("deployment", name);
    if (kind != Kind::Deployment) builder_.set("kind", kind_name(kind));
  }
  void finish(double value) { out_.push_back({builder_.build(), t_, value}); }

  std::vector<Sample>& out_;
  const model::TimestampMs t_;
  model::LabelsBuilder builder_;
};

double seconds(model::TimestampMs t) { return static_cast<double>(t) / 1000; }

void write_cluster(Writer& writer, const ClusterRow& row) {
  const bool down = row.state == ClusterState::Silent || row.state == ClusterState::Never;
  writer.cluster("aerie_cluster_up", row, down ? 0 : 1);
  writer.cluster("aerie_cluster_clock_skew_seconds", row, seconds(row.clock_skew));
  writer.cluster("aerie_cluster_flapping", row, row.flapping ? 1 : 0);
  writer.cluster("aerie_cluster_ready_transitions_total", row,
                 static_cast<double>(row.transitions));
  for (const auto& [node, transitions] : row.node_transitions)
    writer.node("aerie_node_ready_transitions_total", row, node, static_cast<double>(transitions));
  if (row.watermark != model::kMinTimestamp)
    writer.cluster("aerie_cluster_last_sample_timestamp_seconds", row, seconds(row.watermark));
}

void write_deployment(Writer& writer, const DeploymentRow& row) {
  writer.deployment("aerie_deployment_phase", row, 1, "phase", phase_name(row.verdict.phase));
  std::map<std::string, int64_t> reasons;
  for (const auto& cause : row.verdict.causes) reasons[cause.reason()] += cause.count;
  for (const auto& [reason, count] : reasons) {
    writer.deployment("aerie_deployment_reason_pods", row, static_cast<double>(count), "reason",
                      reason);
  }
  if (row.rollout_began) {
    writer.deployment("aerie_deployment_rollout_start_timestamp_seconds", row,
                      seconds(*row.rollout_began));
  }
  if (row.last_complete) {
    writer.deployment("aerie_deployment_last_complete_timestamp_seconds", row,
                      seconds(*row.last_complete));
  }
  if (!row.desired) return;
  const auto desired = static_cast<double>(*row.desired);
  writer.deployment("aerie_deployment_desired_replicas", row, desired);
  writer.deployment("aerie_deployment_unknown_replicas", row,
                    row.verdict.phase == Phase::Unknown ? desired : 0);
}

void write_federated(Writer& writer, const FederatedRow& row) {
  writer.federated("aerie_federated_deployment_phase", row, 1, "phase", phase_name(row.phase));
  writer.federated("aerie_federated_deployment_desired_replicas", row,
                   static_cast<double>(row.desired));
  writer.federated("aerie_federated_deployment_ready_replicas", row,
                   static_cast<double>(row.ready));
  writer.federated("aerie_federated_deployment_unknown_replicas", row,
                   static_cast<double>(row.unknown));
  writer.federated("aerie_federated_deployment_clusters", row,
                   static_cast<double>(row.clusters.size()));
}

}  // namespace

/// Drift is known of all clusters together, durations of a cluster's workloads together: owners of
/// their own.
OwnSeries::Owner OwnSeries::owner_of(const model::Labels& labels) {
  std::string name(labels.get("deployment"));
  if (labels.metric_name().starts_with("aerie_rollout")) name = "/durations";
  if (labels.metric_name() == "aerie_deployment_drift") name = "/drift/" + name;
  return {std::string(labels.get("cluster")), std::string(labels.get("namespace")), name,
          std::string(labels.get("kind"))};
}

Status OwnSeries::restore(const model::SampleSource& source, model::TimestampMs now) {
  auto names = model::Matcher::make(model::MatchType::Regex, std::string(model::kMetricName),
                                    std::string(kNames));
  if (!names) return std::move(names).error();
  const model::TimeRange range{now - kLookback, now};
  auto selection = source.select({*names}, range);
  if (!selection) return std::move(selection).error().with("find verdicts of an earlier process");
  model::SeriesSamples samples;
  for (size_t i = 0; i < (*selection)->size(); ++i) {
    if (auto read = (*selection)->read(i, range, samples); !read) return read;
    if (samples.values.empty() || model::is_stale(samples.values.back())) continue;
    const model::Labels& labels = (*selection)->labels(i);
    standing_[owner_of(labels)].insert(labels);
  }
  return {};
}

void OwnSeries::note(const std::vector<TimelineEntry>& events) {
  for (const auto& entry : events) {
    if (entry.event.kind != EventKind::Completed || !entry.event.took) continue;
    Durations& own = durations_[entry.key.cluster];
    const double took = seconds(*entry.event.took);
    const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), took);
    ++own.counts[static_cast<size_t>(bound - kBounds.begin())];
    own.sum += took;
  }
}

struct OwnSeries::Pass {
  Pass(const FleetSnapshot& of, bool everything)
      : fleet(of), refresh(everything), writer(out, of.evaluated_at) {}

  const FleetSnapshot& fleet;
  const bool refresh;
  std::vector<Sample> out;
  std::vector<Sample> ends;
  std::set<std::string> warming;
  std::set<Owner> owners;  // all that there are, written in this pass or not
  Writer writer;
};

/// Ends what stands of `owner` and is not among the samples from `begin` on.
void OwnSeries::end_the_rest(const Owner& owner, size_t begin, Pass& pass) const {
  const auto standing = standing_.find(owner);
  if (standing == standing_.end()) return;
  const auto first = pass.out.begin() + static_cast<std::ptrdiff_t>(begin);
  for (const auto& labels : standing->second) {
    const bool stays =
        std::any_of(first, pass.out.end(), [&](const Sample& s) { return s.labels == labels; });
    if (!stays) pass.ends.push_back({labels, pass.fleet.evaluated_at, model::stale_marker()});
  }
}

void OwnSeries::pass_clusters(Pass& pass) const {
  for (const auto& row : pass.fleet.clusters) {
    if (row.state == ClusterState::Warming) {
      pass.warming.insert(row.cluster);
      continue;
    }
    const Owner owner{row.cluster, "", "", ""};
    pass.owners.insert(owner);
    const auto before = states_.find(row.cluster);
    if (!pass.refresh && before != states_.end() && before->second == row.state) continue;
    const size_t begin = pass.out.size();
    write_cluster(pass.writer, row);
    end_the_rest(owner, begin, pass);
  }
}

void OwnSeries::pass_workloads(Pass& pass) const {
  for (const auto& row : pass.fleet.deployments) {
    if (pass.warming.contains(row->key.cluster)) continue;
    Owner owner{row->key.cluster, row->key.space, row->key.name,
                row->key.kind == Kind::Deployment ? "" : std::string(kind_name(row->key.kind))};
    if (pass.refresh || row->version > written_version_) {
      const size_t begin = pass.out.size();
      write_deployment(pass.writer, *row);
      end_the_rest(owner, begin, pass);
    }
    pass.owners.insert(std::move(owner));
  }
}

void OwnSeries::pass_federated(Pass& pass) const {
  for (const auto& sum : roll_up_all(pass.fleet)) {
    const std::string kind = sum.kind == Kind::Deployment ? "" : std::string(kind_name(sum.kind));
    const Owner owner{"", sum.space, sum.name, kind};
    const bool due = pass.refresh || sum.version > written_version_;
    size_t begin = pass.out.size();
    if (due) {
      write_federated(pass.writer, sum);
      end_the_rest(owner, begin, pass);
    }
    pass.owners.insert(owner);
    begin = pass.out.size();
    std::set<Owner> differing;
    for (const auto& drift : sum.drift) {
      if (due) pass.writer.drift(drift, sum);
      differing.emplace(drift.cluster, sum.space, "/drift/" + sum.name, kind);
    }
    for (const auto& each : differing) {
      if (due) end_the_rest(each, begin, pass);
      pass.owners.insert(each);
    }
  }
}

void OwnSeries::pass_durations(Pass& pass) const {
  for (const auto& [cluster, own] : durations_) {
    uint64_t below = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      below += own.counts[i];
      const std::string le = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
      pass.writer.duration("bucket", cluster, le, static_cast<double>(below));
    }
    pass.writer.duration("sum", cluster, {}, own.sum);
    pass.writer.duration("count", cluster, {}, static_cast<double>(below));
    pass.owners.emplace(cluster, "", "/durations", "");
  }
}

std::vector<OwnSeries::Sample> OwnSeries::samples(const FleetSnapshot& fleet) {
  const model::TimestampMs t = fleet.evaluated_at;
  Pass pass(fleet, t - refreshed_at_ >= kRefresh);
  pending_version_ = fleet.version;
  pending_refresh_ = pass.refresh ? t : refreshed_at_;
  pending_states_.clear();
  for (const auto& row : fleet.clusters) pending_states_[row.cluster] = row.state;
  pass_clusters(pass);
  if (pass.refresh || fleet.version != written_version_) {
    pass_workloads(pass);
    pass_federated(pass);
    pass_durations(pass);
    for (const auto& [owner, series] : standing_) {  // workloads that are gone
      if (pass.owners.contains(owner) || pass.warming.contains(std::get<0>(owner))) continue;
      for (const auto& labels : series) pass.ends.push_back({labels, t, model::stale_marker()});
    }
  }
  pass.out.insert(pass.out.end(), pass.ends.begin(), pass.ends.end());
  return std::move(pass.out);
}

void OwnSeries::written(const std::vector<Sample>& samples) {
  for (const auto& sample : samples) {
    const Owner owner = owner_of(sample.labels);
    auto& series = standing_[owner];
    if (model::is_stale(sample.value)) {
      series.erase(sample.labels);
    } else {
      series.insert(sample.labels);
    }
    if (series.empty()) standing_.erase(owner);
  }
  states_ = pending_states_;
  written_version_ = pending_version_;
  refreshed_at_ = pending_refresh_;
}

}  // namespace aerie::clusters
