#include "query/extended_histograms.h"

#include <algorithm>
#include <span>

#include "query/native_histogram.h"

namespace aerie::query {
namespace {

using Samples = std::span<const model::HistogramSample>;

/// The samples that give the values at the window's edges, by index.
struct Edges {
  size_t first = 0;
  size_t last = 0;
};

std::optional<Edges> find_edges(Samples samples, const model::TimeRange& window, bool smoothed) {
  const auto first_past = [&](size_t end, auto is_past) {
    size_t i = 0;
    while (i < end && !is_past(samples[i].t)) ++i;
    return i;
  };
  Edges edges;
  edges.last = samples.size() - 1;
  const size_t inside =
      first_past(edges.last, [&](model::TimestampMs t) { return t > window.first; });
  edges.first = inside > 0 ? inside - 1 : 0;
  if (smoothed)
    edges.last = first_past(edges.last, [&](model::TimestampMs t) { return t >= window.last; });
  if (samples[edges.last].t <= window.first) return std::nullopt;
  if (smoothed && samples[edges.first].t > window.last) return std::nullopt;
  return edges;
}

/// False, with a notice, if layouts are mixed. Gauges among counters are noticed, too.
bool fit_together(Samples samples, Series series, const HistogramNotices& notices) {
  for (const model::HistogramSample& sample : samples) {
    if (has_custom_buckets(*sample.histogram) != has_custom_buckets(*samples[0].histogram)) {
      notices.mixed_layouts();
      return false;
    }
    if (series == Series::Counter && is_gauge(*sample.histogram)) notices.not_counter();
  }
  return true;
}

/// What falls between the edges add up to: the value before each.
class Correction {
 public:
  explicit Correction(const HistogramNotices& notices) : notices_(notices) {}
  bool add(const model::NativeHistogram& before) {
    if (!sum_) {
      sum_ = HistogramSum(before);
      return true;
    }
    return notices_.accept(sum_->add(before, HistogramSum::Rounding::Plain), "addition");
  }
  bool add_to(HistogramSum& change) const {
    return !sum_ ||
           notices_.accept(change.add(*sum_->result(), HistogramSum::Rounding::Plain), "addition");
  }

 private:
  const HistogramNotices& notices_;
  std::optional<HistogramSum> sum_;
};

/// The last sample is left out: `right` stands for it.
bool collect_falls(Samples samples, const Edges& edges, const model::NativeHistogram& left,
                   const model::NativeHistogram& right, bool left_interpolated,
                   Correction& correction) {
  size_t next = edges.first + 1;
  const model::NativeHistogram* previous = &left;
  if (left_interpolated &&
      was_reset(*samples[edges.first].histogram, *samples[edges.first + 1].histogram)) {
    // The interpolation has taken this fall into account.
    previous = samples[edges.first + 1].histogram.get();
    ++next;
  }
  if (next > edges.last) return true;
  for (; next < edges.last; ++next) {
    const model::NativeHistogram& current = *samples[next].histogram;
    if (was_reset(*previous, current) && !correction.add(*previous)) return false;
    previous = &current;
  }
  return !was_reset(*previous, right) || correction.add(*previous);
}

}  // namespace

HistogramPtr interpolate_histograms(const model::HistogramSample& before,
                                    const model::HistogramSample& after, model::TimestampMs t,
                                    Series series, const HistogramNotices& notices) {
  if (t == before.t) return before.histogram;
  if (t == after.t) return after.histogram;
  const double fraction =
      static_cast<double>(t - before.t) / static_cast<double>(after.t - before.t);
  HistogramSum result(*after.histogram);
  if (series == Series::Counter && was_reset(*before.histogram, *after.histogram)) {
    result.scale(fraction);
    return result.result();
  }
  if (!notices.accept(result.subtract(*before.histogram), "subtraction")) return nullptr;
  result.scale(fraction);
  if (!notices.accept(result.add(*before.histogram, HistogramSum::Rounding::Plain), "addition"))
    return nullptr;
  return result.result();
}

void extended_histogram_change(const WindowCall& call, size_t step, Series series, double seconds,
                               Row& out) {
  const HistogramNotices notices(call.metric_name(), call.range_position,
                                 call.context.annotations());
  const uint32_t begin = call.windows.histogram_first[step];
  const Samples samples(call.samples.histograms.data() + begin,
                        call.windows.histogram_last[step] - begin);
  const model::TimeRange window{call.grid.start_of(step), call.grid.end_of(step)};
  const bool smoothed = call.grid.mode == RangeMode::Smoothed;
  const auto edges = find_edges(samples, window, smoothed);
  if (!edges ||
      !fit_together(samples.subspan(edges->first, edges->last - edges->first + 1), series, notices))
    return;
  HistogramPtr left = samples[edges->first].histogram;
  HistogramPtr right = samples[edges->last].histogram;
  const bool left_interpolated = smoothed && samples[edges->first].t < window.first;
  if (left_interpolated)
    left = interpolate_histograms(samples[edges->first], samples[edges->first + 1], window.first,
                                  series, notices);
  if (smoothed && edges->last > 0 && samples[edges->last].t > window.last)
    right = interpolate_histograms(samples[edges->last - 1], samples[edges->last], window.last,
                                   series, notices);
  if (left == nullptr || right == nullptr) return;
  if (series == Series::Gauge && (!is_gauge(*left) || !is_gauge(*right))) notices.not_gauge();
  HistogramSum change(*right);
  if (!notices.accept(change.subtract(*left), "subtraction")) return;
  if (series == Series::Counter) {
    Correction correction(notices);
    if (!collect_falls(samples, *edges, *left, *right, left_interpolated, correction)) return;
    if (!correction.add_to(change)) return;
  }
  if (seconds != 1) change.divide(seconds);
  change.set_reset_hint(model::ResetHint::Gauge);
  out.set(step, change.result());
}

}  // namespace aerie::query
