#include "query/extended_windows.h"

#include "query/extended_histograms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace aerie::query {
namespace {

constexpr std::array<std::string_view, 5> kAnchored = {"changes", "delta", "increase", "rate",
                                                       "resets"};
constexpr std::array<std::string_view, 3> kSmoothed = {"delta", "increase", "rate"};

/// A window with its surroundings: `first` and `last` are the samples that give the values at the
/// edges.
struct EdgeSamples {
  size_t first = 0;
  size_t last = 0;
  double left = 0;
  double right = 0;
};

model::Sample at(const model::SeriesSamples& samples, size_t i) {
  return {samples.timestamps[i], samples.values[i]};
}

/// Nothing if no sample lies where the edges could be told from. `begin < end` index the samples
/// that are wanted.
std::optional<EdgeSamples> find_edges(const model::SeriesSamples& samples, size_t begin, size_t end,
                                      const model::TimeRange& window, RangeMode mode,
                                      Series series) {
  const auto times = samples.timestamps.begin();
  const auto at_index = [&](size_t i) { return times + static_cast<ptrdiff_t>(i); };
  EdgeSamples edges;
  edges.last = end - 1;
  const auto inside = std::upper_bound(at_index(begin), at_index(edges.last), window.first);
  edges.first = static_cast<size_t>(inside - times);
  if (edges.first > begin) --edges.first;
  const bool smoothed = mode == RangeMode::Smoothed;
  if (smoothed)
    edges.last = static_cast<size_t>(
        std::lower_bound(at_index(begin), at_index(edges.last), window.last) - times);
  if (samples.timestamps[edges.last] <= window.first) return std::nullopt;
  if (smoothed && samples.timestamps[edges.first] > window.last) return std::nullopt;
  edges.left = smoothed && samples.timestamps[edges.first] < window.first
                   ? interpolate(at(samples, edges.first), at(samples, edges.first + 1),
                                 window.first, series)
                   : samples.values[edges.first];
  edges.right =
      smoothed && edges.last > begin && samples.timestamps[edges.last] > window.last
          ? interpolate(at(samples, edges.last - 1), at(samples, edges.last), window.last, series)
          : samples.values[edges.last];
  return edges;
}

/// What the falls between the edges add, samples at or beyond the edges left out: the edges' own
/// values stand for them.
double correction(const model::SeriesSamples& samples, const EdgeSamples& edges,
                  const model::TimeRange& window) {
  const size_t first =
      samples.timestamps[edges.first] <= window.first ? edges.first + 1 : edges.first;
  const size_t end = samples.timestamps[edges.last] >= window.last ? edges.last : edges.last + 1;
  double sum = 0;
  double previous = edges.left;
  for (size_t i = first; i < end; ++i) {
    if (samples.values[i] < previous) sum += previous;
    previous = samples.values[i];
  }
  return edges.right < previous ? sum + previous : sum;
}

}  // namespace

double interpolate(const model::Sample& before, const model::Sample& after, model::TimestampMs t,
                   Series series) {
  const double from = series == Series::Counter && after.value < before.value ? 0 : before.value;
  return from + (after.value - from) * static_cast<double>(t - before.t) /
                    static_cast<double>(after.t - before.t);
}

Status extended_change(const WindowCall& call, Row& out, Series series, double seconds) {
  for (size_t i = 0; i < call.steps(); ++i) {
    const uint32_t begin = call.windows.first[i];
    const uint32_t end = call.windows.last[i];
    if (call.windows.has_histograms(i)) {
      if (end > begin) {
        call.context.annotations().warn(mixed_floats_histograms(call.metric_name()),
                                        call.range_position);
      } else {
        extended_histogram_change(call, i, series, seconds, out);
      }
      continue;
    }
    if (begin == end) continue;
    const model::TimeRange window{call.grid.start_of(i), call.grid.end_of(i)};
    const auto edges = find_edges(call.samples, begin, end, window, call.grid.mode, series);
    if (!edges) continue;
    double change = edges->right - edges->left;
    if (series == Series::Counter) change += correction(call.samples, *edges, window);
    out.set(i, change / seconds);
  }
  return {};
}

Status extend_to_edges(const WindowGrid& grid, model::SeriesSamples& samples) {
  const std::string_view mode = grid.mode == RangeMode::Anchored ? "anchored" : "smoothed";
  if (!samples.histograms.empty())
    return Error(ErrorCode::Execution,
                 fmt::format("{} modifier is not supported with histograms", mode));
  if (samples.values.empty()) return {};
  const model::TimeRange window{grid.start_of(0), grid.end_of(0)};
  const auto edges =
      find_edges(samples, 0, samples.values.size(), window, grid.mode, Series::Gauge);
  model::SeriesSamples extended;
  if (edges) {
    const auto add = [&extended](model::TimestampMs t, double value) {
      extended.timestamps.push_back(t);
      extended.values.push_back(value);
    };
    add(window.first, edges->left);
    for (size_t i = edges->first; i <= edges->last; ++i)
      if (samples.timestamps[i] > window.first && samples.timestamps[i] < window.last)
        add(samples.timestamps[i], samples.values[i]);
    add(window.last, edges->right);
  }
  samples = std::move(extended);
  return {};
}

Status check_range_mode(RangeMode mode, std::string_view function) {
  const auto refuse = [function](std::string_view name, auto& safe) -> Status {
    if (std::find(safe.begin(), safe.end(), function) != safe.end()) return {};
    return Error(ErrorCode::Execution,
                 fmt::format("{} modifier can only be used with: {} - not with {}", name,
                             fmt::join(safe, ", "), function));
  };
  if (mode == RangeMode::Anchored) return refuse("anchored", kAnchored);
  if (mode == RangeMode::Smoothed) return refuse("smoothed", kSmoothed);
  return {};
}

}  // namespace aerie::query
