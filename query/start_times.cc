#include "query/start_times.h"

#include <algorithm>

namespace aerie::query {
namespace {

/// What a window of floats rose by between its first and last sample, falls and new starts added.
double risen(const WindowCall& call, size_t first, size_t end) {
  const std::vector<double>& values = call.samples.values;
  double change = values[end - 1] - values[first];
  bool overlap = false;
  for (size_t i = first + 1; i < end; ++i) {
    const StartedSample before = started(call, i - 1);
    const StartedSample now = started(call, i);
    overlap = overlap || starts_overlap(before, now);
    if (values[i] < values[i - 1] || starts_anew(before, now)) change += values[i - 1];
  }
  if (overlap)
    call.context.annotations().start_time_overlap(call.metric_name(), call.range_position);
  return change;
}

/// promql/functions.go extrapolatedRate for one window.
std::optional<double> change_at(const WindowCall& call, size_t step, bool per_second) {
  const size_t first = call.windows.first[step];
  const size_t end = call.windows.last[step];
  const std::vector<double>& values = call.samples.values;
  const model::TimestampMs first_t = call.samples.timestamps[first];
  const model::TimestampMs last_t = call.samples.timestamps[end - 1];
  const auto seconds = [](model::DurationMs d) { return static_cast<double>(d) / 1000; };
  double change = risen(call, first, end);
  double to_start = seconds(first_t - call.grid.start_of(step));
  double to_end = seconds(call.grid.end_of(step) - last_t);
  double sampled = seconds(last_t - first_t);
  const double average = end - first > 1 ? sampled / static_cast<double>(end - first - 1) : 0;
  const double threshold = average * 1.1;
  if (starts_inside(call.samples.start_of(first), call.grid.start_of(step), first_t)) {
    to_start = 0;
    sampled = seconds(last_t - call.samples.start_of(first));
    change += values[first];
  } else if (end - first == 1) {
    return std::nullopt;
  } else {
    if (to_start >= threshold) to_start = average / 2;
    if (change > 0 && values[first] >= 0)
      to_start = std::min(to_start, sampled * (values[first] / change));
  }
  if (to_end >= threshold) to_end = average / 2;
  double factor = sampled == 0 ? 1.0 : (sampled + to_start + to_end) / sampled;
  if (per_second) factor /= seconds_of(call.grid.range);
  return change * factor;
}

}  // namespace

bool starts_anew(const StartedSample& before, const StartedSample& now) {
  // Not said, in the future, or OpenTelemetry's "not known" (the sample's own time).
  if (now.start == 0 || now.start >= now.t) return false;
  if (now.start != before.t) return now.start > before.t;
  // It begins where the sample before it ends: a delta, or a count since a start that is not known.
  return before.start != 0 && before.start < before.t;
}

bool starts_overlap(const StartedSample& before, const StartedSample& now) {
  return now.start != 0 && now.start < before.t && now.start != before.start;
}

bool uses_starts(const WindowCall& call) {
  if (!call.context.features().use_start_timestamps) return false;
  const auto& histograms = call.samples.histograms;
  return !call.samples.starts.empty() ||
         std::any_of(histograms.begin(), histograms.end(),
                     [](const model::HistogramSample& sample) { return sample.start != 0; });
}

StartedSample started(const WindowCall& call, const model::HistogramSample& sample) {
  return {call.context.features().use_start_timestamps ? sample.start : 0, sample.t};
}

void started_change(const WindowCall& call, bool per_second, Row& out) {
  for (size_t i = 0; i < call.steps(); ++i) {
    if (call.windows.first[i] == call.windows.last[i] || call.windows.has_histograms(i)) continue;
    if (const auto change = change_at(call, i, per_second)) out.set(i, *change);
  }
}

}  // namespace aerie::query
