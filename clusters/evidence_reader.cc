#include "clusters/evidence_reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "model/sample.h"

namespace aerie::clusters {

namespace {

constexpr model::DurationMs kRestartWindow = 10LL * 60 * 1000;

/// The increase of a counter over samples in order: a fall is a restart of the counter.
double increase_of(const model::SeriesSamples& samples) {
  double total = 0;
  std::optional<double> previous;
  for (const double value : samples.values) {
    if (model::is_stale(value)) continue;
    if (previous) total += value >= *previous ? value - *previous : value;
    previous = value;
  }
  return total;
}

}  // namespace

model::DurationMs evidence_bound(model::DurationMs scrape_interval) {
  return std::max<model::DurationMs>(scrape_interval * 5 / 2, 60'000);
}

model::Matcher cluster_matcher(std::string_view cluster) {
  return model::Matcher::equal(
      "cluster", cluster == kUnlabelledCluster ? std::string() : std::string(cluster));
}

Status read_evidence(const model::SampleSource& source, const store::ClusterArrival& arrival,
                     KubeState& state) {
  if (arrival.watermark == model::kMinTimestamp) return {};
  static const model::Matcher kNames = evidence_names();
  // Samples may arrive while we read: the end lies ahead of the watermark.
  const model::TimestampMs last = arrival.watermark + kRestartWindow;
  const model::TimeRange newest{arrival.watermark - evidence_bound(arrival.interval), last};
  const model::TimeRange restarts{arrival.watermark - kRestartWindow, last};
  const bool first = state.series() == 0;
  auto selection =
      source.select({kNames, cluster_matcher(arrival.cluster)}, first ? restarts : newest);
  if (!selection) return std::move(selection).error().with("read evidence of " + arrival.cluster);
  model::SeriesSamples samples;
  for (size_t i = 0; i < (*selection)->size(); ++i) {
    const model::Labels& labels = (*selection)->labels(i);
    const bool history = first && is_restart_counter(labels.metric_name());
    if (auto read = (*selection)->read(i, history ? restarts : newest, samples); !read) {
      return std::move(read).error().with("read evidence of " + arrival.cluster);
    }
    if (samples.timestamps.empty() || samples.timestamps.back() < newest.first) continue;
    state.set({&labels, samples.timestamps.back(), samples.values.back(),
               history ? increase_of(samples) : 0});
  }
  return {};
}

}  // namespace aerie::clusters
