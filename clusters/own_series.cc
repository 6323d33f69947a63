#include "clusters/own_series.h"

#include <optional>
#include <utility>

#include "model/matcher.h"
#include "model/sample.h"

namespace aerie::clusters {

namespace {

constexpr std::string_view kNames =
    "aerie_deployment_phase|aerie_deployment_reason_pods|aerie_deployment_desired_replicas|"
    "aerie_deployment_unknown_replicas|aerie_cluster_up|aerie_cluster_last_sample_timestamp_"
    "seconds";
constexpr model::DurationMs kLookback = 6LL * 60 * 1000;  // a little more than PromQL's

class Writer {
 public:
  Writer(std::vector<OwnSeries::Sample>& out, model::TimestampMs t) : out_(out), t_(t) {}

  void cluster(std::string_view name, const ClusterRow& row, double value) {
    builder_.reset({});
    builder_.set(model::kMetricName, name).set("cluster", row.cluster);
    builder_.set("environment", row.environment).set("zone", row.zone);
    out_.push_back({builder_.build(), t_, value});
  }

  void deployment(std::string_view name, const DeploymentRow& row, double value,
                  std::string_view label = {}, std::string_view text = {}) {
    builder_.reset({});
    builder_.set(model::kMetricName, name).set("cluster", row.key.cluster);
    builder_.set("environment", row.environment).set("zone", row.zone);
    builder_.set("namespace", row.key.space).set("deployment", row.key.name);
    if (!label.empty()) builder_.set(label, text);
    out_.push_back({builder_.build(), t_, value});
  }

 private:
  std::vector<OwnSeries::Sample>& out_;
  const model::TimestampMs t_;
  model::LabelsBuilder builder_;
};

void write_cluster(Writer& writer, const ClusterRow& row) {
  writer.cluster("aerie_cluster_up", row, row.state == ClusterState::Silent ? 0 : 1);
  if (row.watermark != model::kMinTimestamp) {
    writer.cluster("aerie_cluster_last_sample_timestamp_seconds", row,
                   static_cast<double>(row.watermark) / 1000);
  }
}

void write_deployment(Writer& writer, const DeploymentRow& row) {
  writer.deployment("aerie_deployment_phase", row, 1, "phase", phase_name(row.verdict.phase));
  std::map<std::string, int64_t> reasons;
  for (const auto& cause : row.verdict.causes) reasons[cause.reason()] += cause.count;
  for (const auto& [reason, count] : reasons) {
    writer.deployment("aerie_deployment_reason_pods", row, static_cast<double>(count), "reason",
                      reason);
  }
  if (!row.desired) return;
  const auto desired = static_cast<double>(*row.desired);
  writer.deployment("aerie_deployment_desired_replicas", row, desired);
  writer.deployment("aerie_deployment_unknown_replicas", row,
                    row.verdict.phase == Phase::Unknown ? desired : 0);
}

}  // namespace

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
    standing_[std::string(labels.get("cluster"))].insert(labels);
  }
  return {};
}

std::vector<OwnSeries::Sample> OwnSeries::samples(const FleetSnapshot& fleet) const {
  std::vector<Sample> out;
  Writer writer(out, fleet.evaluated_at);
  std::set<std::string> warming;
  for (const auto& row : fleet.clusters) {
    if (row.state == ClusterState::Warming) {
      warming.insert(row.cluster);
    } else {
      write_cluster(writer, row);
    }
  }
  for (const auto& row : fleet.deployments) {
    if (!warming.contains(row.key.cluster)) write_deployment(writer, row);
  }
  std::set<model::Labels> written;
  for (const auto& sample : out) written.insert(sample.labels);
  for (const auto& [cluster, series] : standing_) {
    if (warming.contains(cluster)) continue;
    for (const auto& labels : series) {
      if (!written.contains(labels))
        out.push_back({labels, fleet.evaluated_at, model::stale_marker()});
    }
  }
  return out;
}

void OwnSeries::written(const std::vector<Sample>& samples) {
  for (const auto& sample : samples) {
    auto& series = standing_[std::string(sample.labels.get("cluster"))];
    if (model::is_stale(sample.value)) {
      series.erase(sample.labels);
    } else {
      series.insert(sample.labels);
    }
  }
}

}  // namespace aerie::clusters
