#include <algorithm>
#include <cmath>
#include <optional>

#include "query/extended_windows.h"
#include "query/histogram_sum.h"
#include "query/histogram_windows.h"
#include "query/start_times.h"
#include "query/window_functions.h"

namespace aerie::query {
namespace {

/// Where a counter fell below its previous value; a window adds the value before each of its falls,
/// in order.
class CounterResets {
 public:
  explicit CounterResets(std::span<const double> values) : values_(values) {
    for (size_t i = 1; i < values.size(); ++i)
      if (values[i] < values[i - 1]) falls_.push_back(static_cast<uint32_t>(i));
  }
  /// `first` never decreases from call to call.
  double correct(double increase, uint32_t first, uint32_t last) {
    while (cursor_ < falls_.size() && falls_[cursor_] <= first) ++cursor_;
    for (size_t i = cursor_; i < falls_.size() && falls_[i] < last; ++i)
      increase += values_[falls_[i] - 1];
    return increase;
  }

 private:
  const std::span<const double> values_;
  std::vector<uint32_t> falls_;
  size_t cursor_ = 0;
};

enum class Extrapolate : uint8_t { Rate, Increase, Delta };

constexpr HistogramChange histogram_kind(Extrapolate kind) {
  return kind == Extrapolate::Rate       ? HistogramChange::Rate
         : kind == Extrapolate::Increase ? HistogramChange::Increase
                                         : HistogramChange::Delta;
}

/// A window with floats and histograms has no rate.
void drop_mixed(const WindowCall& call, Row& out) {
  if (call.samples.histograms.empty()) return;
  for (size_t i = 0; i < call.steps(); ++i) {
    if (!call.windows.has_histograms(i) || call.windows.first[i] == call.windows.last[i]) continue;
    call.context.annotations().warn(mixed_floats_histograms(call.metric_name()),
                                    call.range_position);
    out.remove(i);
  }
}

/// rate, increase, delta: promql/functions.go extrapolatedRate. The change between the first and
/// the last sample is stretched to the window's edges: all the way if the edge is within 1.1
/// average sample distances, else by half a distance; a counter never beyond where it would have
/// been zero.
template <Extrapolate kind>
Status extrapolated(const WindowCall& call, Row& out) {
  if (call.grid.mode != RangeMode::Plain) {
    const Series series = kind == Extrapolate::Delta ? Series::Gauge : Series::Counter;
    return extended_change(call, out, series,
                           kind == Extrapolate::Rate ? seconds_of(call.grid.range) : 1);
  }
  if (!call.samples.histograms.empty()) histogram_change(call, histogram_kind(kind), out);
  const auto& values = call.samples.values;
  if (values.empty()) return {};
  if (kind != Extrapolate::Delta && !call.samples.starts.empty() && uses_starts(call)) {
    started_change(call, kind == Extrapolate::Rate, out);
    drop_mixed(call, out);
    return {};
  }
  const WindowGeometry& geometry = call.windows.geometry();
  std::vector<double>& first_values = call.scratch.first_values;
  std::vector<double>& changes = call.scratch.changes;
  first_values.resize(call.steps());
  changes.resize(call.steps());
  for (size_t i = 0; i < call.steps(); ++i) {
    first_values[i] = values[geometry.first_index[i]];
    changes[i] = values[geometry.last_index[i]] - first_values[i];
  }
  if (kind != Extrapolate::Delta && has_falls(values)) {
    CounterResets resets(values);
    for (size_t i = 0; i < call.steps(); ++i)
      changes[i] = resets.correct(changes[i], call.windows.first[i], call.windows.last[i]);
  }
  extrapolate({kind != Extrapolate::Delta, kind == Extrapolate::Rate, seconds_of(call.grid.range)},
              geometry, first_values.data(), changes.data(), out.values.data());
  for (size_t w = 0; w < out.present.size(); ++w) out.present[w] |= geometry.enough[w];
  drop_mixed(call, out);
  return {};
}

/// Prometheus's hint that rate() was asked of something that does not look like a counter.
void hint_not_a_counter(const WindowCall& call, const Row& out) {
  const std::string_view name = call.metric_name();
  if (name.empty() || !any_present(out.present)) return;
  bool has_float = out.histograms.empty();
  if (!has_float)
    for_each_present(out.present,
                     [&](size_t step) { has_float = has_float || !out.is_histogram(step); });
  if (!has_float) return;
  if (call.context.features().type_and_unit_labels) {
    const std::string_view type = call.series.labels.get("__type__");
    if (type == "counter" || type == "histogram") return;
    call.context.annotations().inform(
        "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", "
        "got " +
            model::go_quote(type) + ": " + model::go_quote(name),
        call.range_position);
    return;
  }
  for (const std::string_view suffix : {"_total", "_sum", "_count", "_bucket"})
    if (name.ends_with(suffix)) return;
  call.context.annotations().inform(
      "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " +
          model::go_quote(name),
      call.range_position);
}

Status rate(const WindowCall& call, Row& out) {
  if (auto done = extrapolated<Extrapolate::Rate>(call, out); !done) return done;
  hint_not_a_counter(call, out);
  return {};
}

Status increase(const WindowCall& call, Row& out) {
  if (auto done = extrapolated<Extrapolate::Increase>(call, out); !done) return done;
  hint_not_a_counter(call, out);
  return {};
}

enum class LastTwo : uint8_t { None, Floats, Histograms, Mixed };

/// What the last two samples of a window are.
LastTwo last_two(const WindowCall& call, size_t step) {
  const uint32_t first = call.windows.first[step];
  const uint32_t last = call.windows.last[step];
  if (!call.windows.has_histograms(step))
    return last - first >= 2 ? LastTwo::Floats : LastTwo::None;
  const auto& histograms = call.samples.histograms;
  const uint32_t histogram_first = call.windows.histogram_first[step];
  const uint32_t histogram_last = call.windows.histogram_last[step];
  const bool two_histograms = histogram_last - histogram_first >= 2;
  if (last == first) return two_histograms ? LastTwo::Histograms : LastTwo::None;
  const auto& times = call.samples.timestamps;
  if (last - first >= 2 && times[last - 2] > histograms[histogram_last - 1].t)
    return LastTwo::Floats;
  return two_histograms && histograms[histogram_last - 2].t > times[last - 1] ? LastTwo::Histograms
                                                                              : LastTwo::Mixed;
}

/// irate and idelta: promql/functions.go instantValue.
template <bool is_rate>
Status instant_change(const WindowCall& call, Row& out) {
  const bool with_starts = is_rate && uses_starts(call);
  for (size_t i = 0; i < call.steps(); ++i) {
    const LastTwo kind = last_two(call, i);
    if (kind == LastTwo::Mixed)
      call.context.annotations().warn(mixed_floats_histograms(call.metric_name()),
                                      call.range_position);
    if (kind == LastTwo::Histograms) instant_histogram_change(call, i, is_rate, out);
    if (kind != LastTwo::Floats) continue;
    const uint32_t last = call.windows.last[i] - 1;
    const double before = call.samples.values[last - 1];
    double result = call.samples.values[last];
    const bool anew = with_starts && starts_anew(started(call, last - 1), started(call, last));
    if (!is_rate || !(result < before || anew)) result -= before;
    const model::DurationMs interval =
        call.samples.timestamps[last] - call.samples.timestamps[last - 1];
    if constexpr (is_rate) result /= static_cast<double>(interval) / 1000;
    out.set(i, result);
  }
  return {};
}

/// Anchored windows count from the last sample at or before their start, if anything follows it.
uint32_t first_counted(const WindowCall& call, size_t step) {
  const uint32_t first = call.windows.first[step];
  const uint32_t last = call.windows.last[step];
  if (call.grid.mode != RangeMode::Anchored) return first;
  const auto begin = call.samples.timestamps.begin();
  const auto inside = std::upper_bound(begin + first, begin + last, call.grid.start_of(step));
  const auto found = static_cast<uint32_t>(inside - begin);
  if (found == last) return last;
  return found > first ? found - 1 : first;
}

/// Counts the samples of each window for which `differs(sample before)` holds: prefix counts, O(1)
/// a step.
template <class Differs>
void count_between(const WindowCall& call, Row& out, Differs differs) {
  const size_t count = call.samples.values.size();
  std::vector<uint32_t> before(count + 1, 0);
  for (size_t i = 1; i < count; ++i) before[i + 1] = before[i] + (differs(i - 1, i) ? 1 : 0);
  for (size_t i = 0; i < call.steps(); ++i) {
    const uint32_t first = first_counted(call, i);
    const uint32_t last = call.windows.last[i];
    if (last == first) continue;
    out.set(i, static_cast<double>(before[last] - before[first + 1]));
  }
}

/// The same among floats and histograms: the newest sample of either kind at or before the start is
/// the first.
std::pair<uint32_t, uint32_t> first_counted_mixed(const WindowCall& call, size_t step) {
  uint32_t f = call.windows.first[step];
  uint32_t h = call.windows.histogram_first[step];
  if (call.grid.mode != RangeMode::Anchored) return {f, h};
  const uint32_t f_begin = f;
  const uint32_t h_begin = h;
  const auto& samples = call.samples;
  const model::TimestampMs start = call.grid.start_of(step);
  while (f < call.windows.last[step] && samples.timestamps[f] <= start) ++f;
  while (h < call.windows.histogram_last[step] && samples.histograms[h].t <= start) ++h;
  if (f == call.windows.last[step] && h == call.windows.histogram_last[step]) return {f, h};
  const bool has_float = f > f_begin;
  const bool has_histogram = h > h_begin;
  if (has_float && (!has_histogram || samples.timestamps[f - 1] >= samples.histograms[h - 1].t))
    return {f - 1, h};
  return has_histogram ? std::pair{f, h - 1} : std::pair{f, h};
}

/// The same where floats and histograms alternate: a change of kind always counts.
template <class Differs, class HistogramsDiffer>
void count_between_mixed(const WindowCall& call, Row& out, Differs differs,
                         HistogramsDiffer histograms_differ) {
  const auto& samples = call.samples;
  for (size_t i = 0; i < call.steps(); ++i) {
    const uint32_t f_end = call.windows.last[i];
    const uint32_t h_end = call.windows.histogram_last[i];
    auto [f, h] = first_counted_mixed(call, i);
    if (f == f_end && h == h_end) continue;
    std::optional<size_t> previous_float;
    const model::HistogramSample* previous_histogram = nullptr;
    uint64_t count = 0;
    while (f < f_end || h < h_end) {
      const bool is_float =
          h == h_end || (f < f_end && samples.timestamps[f] < samples.histograms[h].t);
      const std::optional<size_t> current_float =
          is_float ? std::optional<size_t>(f++) : std::nullopt;
      const model::HistogramSample* current_histogram =
          is_float ? nullptr : &samples.histograms[h++];
      if (previous_float && current_float) {
        count += differs(*previous_float, *current_float) ? 1 : 0;
      } else if (previous_histogram != nullptr && current_histogram != nullptr) {
        count += histograms_differ(*previous_histogram, *current_histogram) ? 1 : 0;
      } else if (previous_float || previous_histogram != nullptr) {
        ++count;
      }
      previous_float = current_float;
      previous_histogram = current_histogram;
    }
    out.set(i, static_cast<double>(count));
  }
}

Status changes(const WindowCall& call, Row& out) {
  const auto& values = call.samples.values;
  const auto changed = [&](size_t before, size_t now) {
    return values[now] != values[before] &&
           !(std::isnan(values[now]) && std::isnan(values[before]));
  };
  if (call.samples.histograms.empty()) {
    count_between(call, out, changed);
  } else {
    count_between_mixed(call, out, changed, [](const auto& before, const auto& now) {
      return !equal_histograms(*before.histogram, *now.histogram);
    });
  }
  return {};
}

Status resets(const WindowCall& call, Row& out) {
  const auto& values = call.samples.values;
  const bool with_starts = uses_starts(call);
  const auto fell = [&](size_t before, size_t now) {
    return values[now] < values[before] ||
           (with_starts && starts_anew(started(call, before), started(call, now)));
  };
  if (call.samples.histograms.empty()) {
    count_between(call, out, fell);
  } else {
    count_between_mixed(call, out, fell, [&](const auto& before, const auto& now) {
      return starts_anew(started(call, before), started(call, now)) ||
             was_reset(*before.histogram, *now.histogram);
    });
  }
  return {};
}

constexpr WindowFunction kFunctions[] = {
    {"rate", rate},
    {"increase", increase},
    {"delta", extrapolated<Extrapolate::Delta>},
    {"irate", instant_change<true>},
    {"idelta", instant_change<false>},
    {"changes", changes},
    {"resets", resets},
};

}  // namespace

std::span<const WindowFunction> rate_functions() { return kFunctions; }

}  // namespace aerie::query
