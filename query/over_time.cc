#include <algorithm>
#include <cmath>
#include <limits>

#include "query/histogram_windows.h"
#include "query/kahan.h"
#include "query/window_functions.h"

namespace aerie::query {
namespace {

/// What becomes of a window that holds floats and histograms.
enum class Mixed : uint8_t { Drop, UseFloats };

/// Applies `reduce(values, times, count, step)` to the floats of every window that has any.
template <Mixed mixed, class Reduce>
void reduce_floats(const WindowCall& call, Row& out, Reduce reduce) {
  for (size_t i = 0; i < call.steps(); ++i) {
    const uint32_t first = call.windows.first[i];
    const uint32_t last = call.windows.last[i];
    if (first == last) continue;
    if (call.windows.has_histograms(i)) {
      if constexpr (mixed == Mixed::Drop) {
        call.context.annotations().warn(mixed_floats_histograms(call.metric_name()),
                                        call.range_position);
        continue;
      } else {
        call.context.annotations().inform(histogram_ignored_in_mixed_range(call.metric_name()),
                                          call.range_position);
      }
    }
    out.set(i, reduce(call.samples.values.data() + first, call.samples.timestamps.data() + first,
                      last - first, i));
  }
}

/// Windows of floats alone: all steps at once. Else step by step.
Status sum_over_time(const WindowCall& call, Row& out) {
  if (call.samples.histograms.empty()) {
    WindowSums& sums = call.scratch.sums;
    sum_windows(call.samples.values, call.windows, StartFrom::Zero, sums);
    for (size_t i = 0; i < call.steps(); ++i)
      out.values[i] = std::isinf(sums.sums[i]) ? sums.sums[i] : sums.sums[i] + sums.compensation[i];
    out.present = call.windows.occupied();
    return {};
  }
  reduce_histograms(call, HistogramReduction::Sum, out);
  reduce_floats<Mixed::Drop>(
      call, out, [](const double* values, const model::TimestampMs*, size_t count, size_t) {
        KahanSum total;
        for (size_t i = 0; i < count; ++i) total.add(values[i]);
        return std::isinf(total.sum) ? total.sum : total.sum + total.compensation;
      });
  return {};
}

double mean_of(const double* values, size_t count) {
  KahanMean mean(values[0]);
  for (size_t i = 1; i < count; ++i) mean.add(values[i]);
  return mean.mean();
}

Status avg_over_time(const WindowCall& call, Row& out) {
  if (call.samples.histograms.empty()) {
    WindowSums& sums = call.scratch.sums;
    sum_windows(call.samples.values, call.windows, StartFrom::FirstValue, sums);
    out.present = call.windows.occupied();
    for (size_t i = 0; i < call.steps(); ++i) {
      const uint32_t first = call.windows.first[i];
      const uint32_t count = call.windows.last[i] - first;
      const double n = static_cast<double>(count);
      // A sum that overflowed is done again, incrementally.
      out.values[i] = std::isfinite(sums.sums[i]) || count == 0
                          ? sums.sums[i] / n + sums.compensation[i] / n
                          : mean_of(call.samples.values.data() + first, count);
    }
    return {};
  }
  reduce_histograms(call, HistogramReduction::Mean, out);
  reduce_floats<Mixed::Drop>(
      call, out, [](const double* values, const model::TimestampMs*, size_t count, size_t) {
        return mean_of(values, count);
      });
  return {};
}

size_t samples_in(const Windows& windows, size_t step) {
  const size_t floats = windows.last[step] - windows.first[step];
  if (windows.histogram_first.empty()) return floats;
  return floats + windows.histogram_last[step] - windows.histogram_first[step];
}

Status count_over_time(const WindowCall& call, Row& out) {
  for (size_t i = 0; i < call.steps(); ++i)
    if (const size_t count = samples_in(call.windows, i); count > 0)
      out.set(i, static_cast<double>(count));
  return {};
}

Status present_over_time(const WindowCall& call, Row& out) {
  for (size_t i = 0; i < call.steps(); ++i)
    if (samples_in(call.windows, i) > 0) out.set(i, 1);
  return {};
}

/// True if `candidate` replaces `best` as the extreme: strictly better, or the best so far is no
/// number.
struct Greater {
  bool operator()(double candidate, double best) const {
    return candidate > best || std::isnan(best);
  }
};
struct Less {
  bool operator()(double candidate, double best) const {
    return candidate < best || std::isnan(best);
  }
};

template <class Better>
Status extreme_over_time(const WindowCall& call, Row& out) {
  if (call.samples.histograms.empty()) {
    constexpr bool kMax = std::is_same_v<Better, Greater>;
    extremes_of_windows(kMax ? Extreme::Max : Extreme::Min, call.samples.values, call.windows, out);
    return {};
  }
  reduce_floats<Mixed::UseFloats>(
      call, out, [](const double* values, const model::TimestampMs*, size_t count, size_t) {
        double best = values[0];
        for (size_t i = 1; i < count; ++i)
          if (Better()(values[i], best)) best = values[i];
        return best;
      });
  return {};
}

/// The time of the extreme; of equal ones the latest.
template <bool max>
Status ts_of_extreme_over_time(const WindowCall& call, Row& out) {
  reduce_floats<Mixed::UseFloats>(
      call, out, [](const double* values, const model::TimestampMs* times, size_t count, size_t) {
        double best = values[0];
        model::TimestampMs at = times[0];
        for (size_t i = 0; i < count; ++i) {
          if (!((max ? values[i] >= best : values[i] <= best) || std::isnan(best))) continue;
          best = values[i];
          at = times[i];
        }
        return static_cast<double>(at) / 1000;
      });
  return {};
}

/// Welford's variance with compensated mean and sum, as promql/functions.go varianceOverTime.
double variance(const double* values, size_t count) {
  double n = 0;
  KahanSum mean;
  KahanSum squares;
  for (size_t i = 0; i < count; ++i) {
    n += 1;
    const double delta = values[i] - (mean.sum + mean.compensation);
    mean.add(delta / n);
    squares.add(delta * (values[i] - (mean.sum + mean.compensation)));
  }
  return (squares.sum + squares.compensation) / n;
}

Status stdvar_over_time(const WindowCall& call, Row& out) {
  reduce_floats<Mixed::UseFloats>(
      call, out, [](const double* values, const model::TimestampMs*, size_t count, size_t) {
        return variance(values, count);
      });
  return {};
}

Status stddev_over_time(const WindowCall& call, Row& out) {
  reduce_floats<Mixed::UseFloats>(
      call, out, [](const double* values, const model::TimestampMs*, size_t count, size_t) {
        return std::sqrt(variance(values, count));
      });
  return {};
}

Status quantile_over_time(const WindowCall& call, Row& out) {
  const ScalarColumn& quantile = call.parameters[0];
  SortedWindow window(call.samples.values);
  reduce_floats<Mixed::UseFloats>(
      call, out, [&](const double*, const model::TimestampMs*, size_t, size_t step) {
        const double q = quantile.at(step);
        if (std::isnan(q) || q < 0 || q > 1)
          call.context.annotations().warn_of_argument(
              invalid_quantile(q), call.argument_positions[0],
              {call.argument_positions[0].start, call.argument_positions[1].end});
        return quantile_of_sorted(
            q, window.slide_to(call.windows.first[step], call.windows.last[step]));
      });
  return {};
}

Status mad_over_time(const WindowCall& call, Row& out) {
  std::vector<double> scratch;
  reduce_floats<Mixed::UseFloats>(
      call, out, [&](const double* values, const model::TimestampMs*, size_t count, size_t) {
        if (std::any_of(values, values + count, [](double v) { return std::isnan(v); }))
          return std::numeric_limits<double>::quiet_NaN();
        scratch.assign(values, values + count);
        const double median = quantile_of(0.5, scratch);
        for (double& value : scratch) value = std::fabs(value - median);
        return quantile_of(0.5, scratch);
      });
  return {};
}

enum class Edge : uint8_t { First, Last };

/// The sample at one edge of the window, or its time.
template <Edge edge, bool yields_time>
Status edge_over_time(const WindowCall& call, Row& out) {
  const auto& samples = call.samples;
  for (size_t i = 0; i < call.steps(); ++i) {
    const bool has_float = call.windows.last[i] > call.windows.first[i];
    const bool has_histogram = call.windows.has_histograms(i);
    if (!has_float && !has_histogram) continue;
    const uint32_t f = edge == Edge::First ? call.windows.first[i] : call.windows.last[i] - 1;
    const uint32_t h = !has_histogram        ? 0
                       : edge == Edge::First ? call.windows.histogram_first[i]
                                             : call.windows.histogram_last[i] - 1;
    const bool take_float =
        has_float &&
        (!has_histogram || (edge == Edge::First ? samples.timestamps[f] < samples.histograms[h].t
                                                : samples.timestamps[f] > samples.histograms[h].t));
    if constexpr (yields_time) {
      out.set(i, static_cast<double>(take_float ? samples.timestamps[f] : samples.histograms[h].t) /
                     1000);
    } else if (take_float) {
      out.set(i, samples.values[f]);
    } else {
      out.set(i, samples.histograms[h].histogram);
    }
  }
  return {};
}

constexpr WindowFunction kFunctions[] = {
    {"sum_over_time", sum_over_time},
    {"avg_over_time", avg_over_time},
    {"count_over_time", count_over_time},
    {"present_over_time", present_over_time},
    {"min_over_time", extreme_over_time<Less>},
    {"max_over_time", extreme_over_time<Greater>},
    {"stddev_over_time", stddev_over_time},
    {"stdvar_over_time", stdvar_over_time},
    {"quantile_over_time", quantile_over_time},
    {"mad_over_time", mad_over_time},
    {"first_over_time", edge_over_time<Edge::First, false>, true},
    {"last_over_time", edge_over_time<Edge::Last, false>, true},
    {"ts_of_first_over_time", edge_over_time<Edge::First, true>},
    {"ts_of_last_over_time", edge_over_time<Edge::Last, true>},
    {"ts_of_min_over_time", ts_of_extreme_over_time<false>},
    {"ts_of_max_over_time", ts_of_extreme_over_time<true>},
};

}  // namespace

std::span<const WindowFunction> over_time_functions() { return kFunctions; }

}  // namespace aerie::query
