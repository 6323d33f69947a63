#include "query/selector.h"

#include "query/duration_evaluation.h"
#include "query/extended_histograms.h"
#include "query/extended_windows.h"
#include "query/native_histogram.h"
#include "query/sliding.h"

#include <algorithm>
#include <utility>

namespace aerie::query {
namespace {

std::vector<SeriesInfo> infos_of(const model::Selection& selection) {
  std::vector<SeriesInfo> series;
  series.reserve(selection.size());
  for (size_t i = 0; i < selection.size(); ++i) series.push_back({selection.labels(i), false});
  return series;
}

/// Where samples are left out or repeated, hints about resets between neighbours no longer hold.
HistogramPtr without_hint(const HistogramPtr& histogram) {
  if (histogram->reset_hint == model::ResetHint::Unknown ||
      histogram->reset_hint == model::ResetHint::Gauge)
    return histogram;
  auto copy = std::make_shared<model::NativeHistogram>(*histogram);
  copy->reset_hint = model::ResetHint::Unknown;
  return copy;
}

/// Functions that look at counts and sums alone are asked with what is known of resets between
/// neighbours spelled out (promql/histogram_stats_iterator.go).
void detect_resets(model::SeriesSamples& samples) {
  const model::NativeHistogram* before = nullptr;
  for (model::HistogramSample& sample : samples.histograms) {
    const model::NativeHistogram* now = sample.histogram.get();
    if (model::is_stale(now->sum)) continue;
    if (before != nullptr && now->reset_hint == model::ResetHint::Unknown) {
      auto copy = std::make_shared<model::NativeHistogram>(*now);
      copy->reset_hint = was_reset(*before, *now) ? model::ResetHint::Yes : model::ResetHint::No;
      now = copy.get();
      sample.histogram = std::move(copy);
    }
    before = now;
  }
}

class InstantSelector final : public SeriesStream {
 public:
  struct Options {
    SelectorYields yields = SelectorYields::Values;
    bool counts_only = false;
  };
  InstantSelector(std::unique_ptr<model::Selection> selection, WindowGrid grid, Options options,
                  PositionRange position, QueryContext& context)
      : SeriesStream(infos_of(*selection)),
        selection_(std::move(selection)),
        grid_(grid),
        yields_(options.yields),
        counts_only_(options.counts_only),
        position_(position),
        context_(context),
        counted_times_(context.counted_times()) {}

  Status produce(Row& row) override {
    if (auto alive = context_.check(); !alive) return alive;
    if (auto read = selection_->read(index_++, grid_.extent(), samples_); !read) return read;
    context_.count_samples_read(samples_.values.size() + samples_.histograms.size());
    if (counts_only_) detect_resets(samples_);
    row.reset(grid_.steps.count);
    if (grid_.mode == RangeMode::Smoothed) {
      smooth(row);
    } else if (samples_.histograms.empty()) {
      pick_floats(row);
    } else {
      pick_mixed(row);
    }
    if (counted_times_ > 0) context_.count_queryable(counted_times_ * count_present(row.present));
    return {};
  }

 private:
  bool is_silent() const override { return grid_.mode != RangeMode::Smoothed; }
  Status pass(Row& row) override {
    if (!is_silent() || counted_times_ > 0) return produce(row);
    ++index_;
    return context_.check();
  }

  void pick_floats(Row& row) {
    if (samples_.values.empty()) return;
    const NewestSamples& located = windows_.newest(samples_);
    const uint32_t* newest = located.index.data();
    const size_t steps = grid_.steps.count;
    for (size_t i = 0; i < steps; ++i) row.values[i] = samples_.values[newest[i]];
    row.present = located.occupied;
    if (has_stale(samples_.values)) {
      for (size_t i = 0; i < steps; ++i)
        if (model::is_stale(row.values[i])) mark_absent(row.present.data(), i);
    }
    if (yields_ == SelectorYields::Values) return;
    for (size_t i = 0; i < steps; ++i) row.values[i] = yielded(newest[i]);
  }

  /// Of the float at `index`, unless the value itself is wanted.
  double yielded(size_t index) const {
    if (yields_ == SelectorYields::Values) return samples_.values[index];
    const model::TimestampMs t =
        yields_ == SelectorYields::Starts ? samples_.start_of(index) : samples_.timestamps[index];
    return static_cast<double>(t) / 1000;
  }

  /// The value between the neighbours, or the last one when nothing comes after.
  void smooth(Row& row) {
    remove_stale(samples_);
    windows_.locate(samples_);
    for (size_t i = 0; i < grid_.steps.count; ++i) {
      if (windows_.has_histograms(i)) {
        smooth_histogram(row, i);
        continue;
      }
      if (windows_.first[i] == windows_.last[i]) continue;
      const model::TimestampMs t = grid_.end_of(i);
      const auto begin = samples_.timestamps.begin();
      const auto end = begin + windows_.last[i];
      const auto next = std::lower_bound(begin + windows_.first[i], end, t);
      const auto n = static_cast<size_t>(next - begin);
      if (next != end && *next == t) {
        row.set(i, samples_.values[n]);
      } else if (n > windows_.first[i]) {
        const model::Sample before{samples_.timestamps[n - 1], samples_.values[n - 1]};
        row.set(i, next == end
                       ? before.value
                       : interpolate(before, {*next, samples_.values[n]}, t, Series::Gauge));
      }
    }
  }

  void smooth_histogram(Row& row, size_t step) {
    const std::string_view name = series_name();
    const HistogramNotices notices(name, position_, context_.annotations());
    if (windows_.first[step] != windows_.last[step])
      return notices.warn(mixed_floats_histograms(name));
    const model::TimestampMs t = grid_.end_of(step);
    const model::HistogramSample* first =
        samples_.histograms.data() + windows_.histogram_first[step];
    const model::HistogramSample* end = samples_.histograms.data() + windows_.histogram_last[step];
    const auto* next =
        std::find_if(first, end, [t](const model::HistogramSample& s) { return s.t >= t; });
    if (next != end && next->t == t) return row.set(step, next->histogram);
    if (next == first) return;
    const model::HistogramSample& before = *(next - 1);
    if (next == end) return row.set(step, without_hint(before.histogram));
    if (has_custom_buckets(*before.histogram) != has_custom_buckets(*next->histogram))
      return notices.mixed_layouts();
    const bool gauges = is_gauge(*before.histogram) && is_gauge(*next->histogram);
    HistogramPtr between =
        interpolate_histograms(before, *next, t, gauges ? Series::Gauge : Series::Counter, notices);
    if (between != nullptr) row.set(step, std::move(between));
  }

  std::string_view series_name() const { return selection_->labels(index_ - 1).metric_name(); }

  void pick_mixed(Row& row) {
    windows_.locate(samples_);
    for (size_t i = 0; i < grid_.steps.count; ++i) {
      const bool has_float = windows_.last[i] > windows_.first[i];
      const bool has_histogram = windows_.has_histograms(i);
      if (!has_float && !has_histogram) continue;
      const size_t f = windows_.last[i] - 1;
      const size_t h = has_histogram ? windows_.histogram_last[i] - 1 : 0;
      if (has_histogram && (!has_float || samples_.histograms[h].t > samples_.timestamps[f])) {
        set_histogram(row, i, samples_.histograms[h]);
      } else if (!model::is_stale(samples_.values[f])) {
        row.set(i, yielded(f));
      }
    }
  }

  void set_histogram(Row& row, size_t step, const model::HistogramSample& sample) const {
    if (model::is_stale(sample.histogram->sum)) return;
    if (yields_ == SelectorYields::Timestamps) {
      row.set(step, static_cast<double>(sample.t) / 1000);
    } else if (yields_ == SelectorYields::Starts) {
      row.set(step, static_cast<double>(sample.start) / 1000);
    } else {
      row.set(step, sample.histogram);
    }
  }

  const std::unique_ptr<model::Selection> selection_;
  const WindowGrid grid_;
  const SelectorYields yields_;
  const bool counts_only_;
  const PositionRange position_;
  QueryContext& context_;
  const uint64_t counted_times_;
  size_t index_ = 0;
  model::SeriesSamples samples_;
  Windows windows_{grid_};
};

class RangeSelector final : public RangeStream {
 public:
  RangeSelector(std::unique_ptr<model::Selection> selection, const WindowGrid& grid,
                bool counts_only, QueryContext& context)
      : RangeStream(grid, infos_of(*selection)),
        selection_(std::move(selection)),
        counts_only_(counts_only),
        context_(context) {}
  ~RangeSelector() override { context_.budget().release(held_); }

  Status next(model::SeriesSamples& samples) override {
    if (auto alive = context_.check(); !alive) return alive;
    context_.budget().release(std::exchange(held_, 0));
    if (auto read = selection_->read(index_++, grid().extent(), samples); !read) return read;
    remove_stale(samples);
    if (counts_only_) detect_resets(samples);
    held_ = samples.values.size() + samples.histograms.size();
    context_.count_samples_read(held_);
    return context_.budget().hold(held_);
  }

 private:
  const std::unique_ptr<model::Selection> selection_;
  const bool counts_only_;
  QueryContext& context_;
  size_t index_ = 0;
  uint64_t held_ = 0;
};

class SubqueryRange final : public RangeStream {
 public:
  SubqueryRange(StreamPtr inner, const Steps& inner_steps, const WindowGrid& grid,
                QueryContext& context)
      : RangeStream(grid, inner->take_series()),
        inner_(std::move(inner)),
        inner_steps_(inner_steps),
        context_(context) {}
  ~SubqueryRange() override { context_.budget().release(held_); }

  Status next(model::SeriesSamples& samples) override {
    context_.budget().release(std::exchange(held_, 0));
    if (auto read = inner_->next(row_); !read) return read;
    samples.clear();
    for_each_present(row_.present, [&](size_t step) {
      if (row_.is_histogram(step)) {
        samples.histograms.push_back({inner_steps_.at(step), without_hint(row_.histograms[step])});
      } else {
        samples.timestamps.push_back(inner_steps_.at(step));
        samples.values.push_back(row_.values[step]);
      }
    });
    held_ = samples.values.size() + samples.histograms.size();
    return context_.budget().hold(held_);
  }

 private:
  const StreamPtr inner_;
  const Steps inner_steps_;
  QueryContext& context_;
  Row row_;
  uint64_t held_ = 0;
};

}  // namespace

std::optional<model::TimestampMs> fixed_time(const std::optional<AtModifier>& at,
                                             const QueryContext& context) {
  if (!at) return std::nullopt;
  switch (at->kind) {
    case AtModifier::Kind::Timestamp: return at->timestamp;
    case AtModifier::Kind::Start: return context.request().start;
    case AtModifier::Kind::End: return context.request().end;
  }
  return std::nullopt;
}

Result<StreamPtr> open_instant_selector(const VectorSelector& selector, PositionRange position,
                                        const Steps& steps, SelectorYields yields,
                                        QueryContext& context) {
  const auto durations = evaluate_durations(selector, context);
  if (!durations) return durations.error();
  WindowGrid grid{steps, context.lookback(), durations->offset, fixed_time(selector.at, context)};
  if (selector.mode == RangeMode::Smoothed && yields == SelectorYields::Values) {
    grid.mode = RangeMode::Smoothed;
    grid.after = context.lookback();
  }
  auto selection = context.source().select(selector.matchers, grid.extent());
  if (!selection) return std::move(selection).error();
  context.annotations().missing((*selection)->warnings());
  return StreamPtr(std::make_unique<InstantSelector>(
      std::move(selection).value(), grid,
      InstantSelector::Options{yields, selector.histogram_counts_only}, position, context));
}

Result<RangePtr> open_range_selector(const MatrixSelector& selector, const Steps& steps,
                                     QueryContext& context) {
  const auto& vector = std::get<VectorSelector>(selector.selector->node);
  const auto durations = evaluate_durations(selector, context);
  if (!durations) return durations.error();
  WindowGrid grid{steps, durations->range, durations->offset, fixed_time(vector.at, context)};
  const bool looks_around = vector.mode != RangeMode::Plain;
  grid.mode = vector.mode;
  grid.before = looks_around ? context.lookback() : 0;
  grid.after = vector.mode == RangeMode::Smoothed ? context.lookback() : 0;
  auto selection = context.source().select(vector.matchers, grid.extent());
  if (!selection) return std::move(selection).error();
  context.annotations().missing((*selection)->warnings());
  return RangePtr(std::make_unique<RangeSelector>(std::move(selection).value(), grid,
                                                  vector.histogram_counts_only, context));
}

RangePtr open_subquery(StreamPtr inner, const Steps& inner_steps, const WindowGrid& grid,
                       QueryContext& context) {
  return std::make_unique<SubqueryRange>(std::move(inner), inner_steps, grid, context);
}

}  // namespace aerie::query
