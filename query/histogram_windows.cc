#include "query/histogram_windows.h"

#include <algorithm>
#include <span>

#include "query/histogram_sum.h"
#include "query/native_histogram.h"
#include "query/start_times.h"

namespace aerie::query {
namespace {

using Window = std::span<const model::HistogramSample>;

Window window_of(const WindowCall& call, size_t step) {
  const uint32_t first = call.windows.histogram_first[step];
  return {call.samples.histograms.data() + first, call.windows.histogram_last[step] - first};
}

bool only_histograms(const WindowCall& call, size_t step) {
  return call.windows.has_histograms(step) && call.windows.first[step] == call.windows.last[step];
}

/// What a counter's first sample becomes when the counter was reset right after it: its layout does
/// not matter then.
model::NativeHistogram empty_like(const model::NativeHistogram& histogram) {
  model::NativeHistogram empty;
  empty.schema = histogram.schema;
  empty.custom_values = histogram.custom_values;
  return empty;
}

/// Looks at all samples before any is subtracted: gauges among counters, mixed layouts, the
/// coarsest schema.
struct Survey {
  bool compatible = true;
  int32_t schema = 0;
};
Survey survey(Window window, const model::NativeHistogram& first, bool counter,
              const HistogramNotices& notices) {
  const model::NativeHistogram& last = *window.back().histogram;
  Survey found{has_custom_buckets(last) == has_custom_buckets(first),
               std::min(last.schema, first.schema)};
  for (size_t i = 1; counter && found.compatible && i + 1 < window.size(); ++i) {
    const model::NativeHistogram& middle = *window[i].histogram;
    if (is_gauge(middle)) notices.not_counter();
    found.schema = std::min(found.schema, middle.schema);
    found.compatible = has_custom_buckets(middle) == has_custom_buckets(first);
  }
  return found;
}

/// True if the counter began anew between two samples of a window, by its start or its buckets.
bool began_anew(const WindowCall& call, const model::HistogramSample& before,
                const model::HistogramSample& now) {
  return starts_anew(started(call, before), started(call, now)) ||
         was_reset(*before.histogram, *now.histogram);
}

/// promql/functions.go histogramRate, of at least two samples.
std::optional<HistogramSum> change_in(const WindowCall& call, Window window, bool counter,
                                      const HistogramNotices& notices) {
  const model::NativeHistogram& last = *window.back().histogram;
  if (counter && (is_gauge(*window[0].histogram) || is_gauge(last))) notices.not_counter();
  const bool anew = counter && began_anew(call, window[0], window[1]);
  const model::NativeHistogram first =
      anew ? empty_like(*window[1].histogram) : *window[0].histogram;
  const Survey found = survey(window, first, counter, notices);
  if (!found.compatible) {
    notices.mixed_layouts();
    return std::nullopt;
  }
  HistogramSum change(last);
  if (!has_custom_buckets(last)) change.reduce_to(found.schema);
  if (!notices.accept(change.subtract(first), "subtraction")) return std::nullopt;
  if (counter) {
    bool overlap = false;
    const model::NativeHistogram* previous = &first;
    for (size_t i = 1; i < window.size(); ++i) {
      const model::NativeHistogram& current = *window[i].histogram;
      const StartedSample before = started(call, window[i - 1]);
      const StartedSample now = started(call, window[i]);
      overlap = overlap || starts_overlap(before, now);
      if ((starts_anew(before, now) || was_reset(*previous, current)) &&
          !notices.accept(change.add(*previous, HistogramSum::Rounding::Plain), "addition"))
        return std::nullopt;
      previous = &current;
    }
    if (overlap)
      call.context.annotations().start_time_overlap(call.metric_name(), call.range_position);
  } else if (!is_gauge(*window[0].histogram) || !is_gauge(last)) {
    notices.not_gauge();
  }
  change.set_reset_hint(model::ResetHint::Gauge);
  return change;
}

/// Adds what was counted before the first sample if the counter began inside the window.
bool add_since_start(std::optional<HistogramSum>& change, const model::NativeHistogram& first,
                     const HistogramNotices& notices) {
  if (!change) {
    change.emplace(first);
    return true;
  }
  return notices.accept(change->add(first, HistogramSum::Rounding::Plain), "addition");
}

/// The same stretch to the window's edges as for floats, told from the counts.
double extrapolation_factor(const WindowCall& call, size_t step, Window window,
                            const HistogramSum& change, HistogramChange kind) {
  const auto seconds = [](model::DurationMs d) { return static_cast<double>(d) / 1000; };
  double sampled = seconds(window.back().t - window.front().t);
  const double average = window.size() > 1 ? sampled / static_cast<double>(window.size() - 1) : 0;
  const double threshold = average * 1.1;
  const model::TimestampMs window_start = call.grid.start_of(step);
  double to_start = seconds(window.front().t - window_start);
  double to_end = seconds(call.grid.end_of(step) - window.back().t);
  const StartedSample first = started(call, window.front());
  if (kind != HistogramChange::Delta && starts_inside(first.start, window_start, first.t)) {
    to_start = 0;
    sampled = seconds(window.back().t - first.start);
  } else {
    if (to_start >= threshold) to_start = average / 2;
    const double first_count = window.front().histogram->count;
    if (kind != HistogramChange::Delta && change.count().sum > 0 && first_count >= 0)
      to_start = std::min(to_start, sampled * (first_count / change.count().sum));
  }
  if (to_end >= threshold) to_end = average / 2;
  const double factor = sampled == 0 ? 1.0 : (sampled + to_start + to_end) / sampled;
  return kind == HistogramChange::Rate ? factor / seconds_of(call.grid.range) : factor;
}

/// Which of the two hints that exclude each other were seen.
struct HintsSeen {
  bool reset = false;
  bool no_reset = false;
  void add(const model::NativeHistogram& histogram) {
    reset = reset || histogram.reset_hint == model::ResetHint::Yes;
    no_reset = no_reset || histogram.reset_hint == model::ResetHint::No;
  }
};

HistogramPtr reduce(Window window, HistogramReduction reduction, const HistogramNotices& notices,
                    HintsSeen& hints) {
  HistogramSum sum(*window[0].histogram);
  HistogramMean mean(*window[0].histogram);
  hints.add(*window[0].histogram);
  for (size_t i = 1; i < window.size(); ++i) {
    const model::NativeHistogram& histogram = *window[i].histogram;
    hints.add(histogram);
    const HistogramSum::Outcome outcome =
        reduction == HistogramReduction::Sum
            ? sum.add(histogram, HistogramSum::Rounding::Compensated)
            : mean.add(histogram);
    if (!notices.accept(outcome, "aggregation")) return nullptr;
  }
  return reduction == HistogramReduction::Sum ? sum.result() : mean.mean();
}

}  // namespace

bool HistogramNotices::accept(const HistogramSum::Outcome& outcome,
                              std::string_view operation) const {
  if (outcome.incompatible) mixed_layouts();
  if (outcome.bounds_reconciled) annotations_.inform(bounds_reconciled(operation), position_);
  return !outcome.incompatible;
}

void histogram_change(const WindowCall& call, HistogramChange kind, Row& out) {
  const HistogramNotices notices(call.metric_name(), call.range_position,
                                 call.context.annotations());
  for (size_t i = 0; i < call.steps(); ++i) {
    if (!only_histograms(call, i)) continue;
    const Window window = window_of(call, i);
    const bool counter = kind != HistogramChange::Delta;
    const StartedSample first = started(call, window.front());
    const bool since_start = counter && starts_inside(first.start, call.grid.start_of(i), first.t);
    if (window.size() < 2 && !since_start) continue;
    std::optional<HistogramSum> change;
    if (window.size() > 1 && !(change = change_in(call, window, counter, notices))) continue;
    if (since_start && !add_since_start(change, *window.front().histogram, notices)) continue;
    change->scale(extrapolation_factor(call, i, window, *change, kind));
    out.set(i, change->result());
  }
}

void instant_histogram_change(const WindowCall& call, size_t step, bool is_rate, Row& out) {
  const HistogramNotices notices(call.metric_name(), call.range_position,
                                 call.context.annotations());
  const Window window = window_of(call, step);
  const model::HistogramSample& before = window[window.size() - 2];
  const model::HistogramSample& last = window.back();
  const bool both_gauges = is_gauge(*before.histogram) && is_gauge(*last.histogram);
  const bool some_gauge = is_gauge(*before.histogram) || is_gauge(*last.histogram);
  if (is_rate && some_gauge) notices.not_counter();
  if (!is_rate && !both_gauges) notices.not_gauge();
  HistogramSum change(*last.histogram);
  if (!is_rate || !began_anew(call, before, last)) {
    if (!notices.accept(change.subtract(*before.histogram), "subtraction")) return;
  }
  change.set_reset_hint(model::ResetHint::Gauge);
  if (is_rate) change.divide(static_cast<double>(last.t - before.t) / 1000);
  out.set(step, change.result());
}

void reduce_histograms(const WindowCall& call, HistogramReduction reduction, Row& out) {
  const HistogramNotices notices(call.metric_name(), call.range_position,
                                 call.context.annotations());
  for (size_t i = 0; i < call.steps(); ++i) {
    if (!only_histograms(call, i)) continue;
    HintsSeen hints;
    HistogramPtr result = reduce(window_of(call, i), reduction, notices, hints);
    if (hints.reset && hints.no_reset) notices.warn(resets_collide("aggregation"));
    if (result != nullptr) out.set(i, std::move(result));
  }
}

std::string not_a_counter(std::string_view metric_name) {
  return "this native histogram metric is not a counter: " + model::go_quote(metric_name);
}
std::string not_a_gauge(std::string_view metric_name) {
  return "this native histogram metric is not a gauge: " + model::go_quote(metric_name);
}
std::string mixed_exponential_custom(std::string_view metric_name) {
  return "vector contains a mix of histograms with exponential and custom buckets schemas for "
         "metric name " +
         model::go_quote(metric_name);
}
std::string bounds_reconciled(std::string_view operation) {
  return "mismatched custom buckets were reconciled during " + std::string(operation);
}
std::string resets_collide(std::string_view operation) {
  return "conflicting counter resets during histogram " + std::string(operation);
}

}  // namespace aerie::query
