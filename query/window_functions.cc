#include "query/window_functions.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace aerie::query {
namespace {

/// Between which of the sorted values a quantile lies, and how near to the upper one.
struct QuantilePlace {
  size_t lower = 0;
  size_t upper = 0;
  double weight = 0;
};

QuantilePlace place_of(double quantile, size_t size) {
  const double n = static_cast<double>(size);
  const double rank = quantile * (n - 1);
  const double lower = std::max(0.0, std::floor(rank));
  const double upper = std::min(n - 1, lower + 1);
  return {static_cast<size_t>(lower), static_cast<size_t>(upper), rank - std::floor(rank)};
}

double quantile_of_place(const QuantilePlace& place, std::span<const double> values) {
  return values[place.lower] * (1 - place.weight) + values[place.upper] * place.weight;
}

class WindowStream final : public SeriesStream {
 public:
  WindowStream(const WindowFunction& function, RangePtr range, std::vector<ScalarColumn> parameters,
               std::vector<PositionRange> argument_positions, PositionRange range_position,
               QueryContext& context)
      : SeriesStream(named(range->series(), function)),
        function_(function),
        range_(std::move(range)),
        parameters_(std::move(parameters)),
        argument_positions_(std::move(argument_positions)),
        range_position_(range_position),
        context_(context),
        counted_times_(context.counted_times()) {}

  Status produce(Row& row) override {
    const SeriesInfo& series = range_->series()[index_++];
    if (auto read = range_->next(samples_); !read) return read;
    row.reset(range_->grid().steps.count);
    if (samples_.empty()) return {};
    windows_.locate(samples_);
    if (counted_times_ > 0) count_queryable();
    const WindowCall call{samples_, windows_, range_->grid(),  parameters_, argument_positions_,
                          series,   context_, range_position_, scratch_};
    return function_.kernel(call, row);
  }

 private:
  void count_queryable() {
    uint64_t samples = 0;
    for (size_t i = 0; i < range_->grid().steps.count; ++i) {
      samples += windows_.last[i] - windows_.first[i];
      if (!windows_.histogram_first.empty())
        samples += windows_.histogram_last[i] - windows_.histogram_first[i];
    }
    context_.count_queryable(counted_times_ * samples);
  }

  static std::vector<SeriesInfo> named(std::vector<SeriesInfo> series,
                                       const WindowFunction& function) {
    if (!function.keeps_name)
      for (SeriesInfo& info : series) info.drop_name = true;
    return series;
  }

  const WindowFunction& function_;
  const RangePtr range_;
  const std::vector<ScalarColumn> parameters_;
  const std::vector<PositionRange> argument_positions_;
  const PositionRange range_position_;
  QueryContext& context_;
  const uint64_t counted_times_;
  size_t index_ = 0;
  model::SeriesSamples samples_;
  Windows windows_{range_->grid()};
  WindowScratch scratch_;
};

}  // namespace

const WindowFunction* find_window_function(std::string_view name) {
  for (const auto table : {rate_functions(), over_time_functions(), trend_functions()}) {
    const auto found =
        std::find_if(table.begin(), table.end(),
                     [&](const WindowFunction& function) { return function.name == name; });
    if (found != table.end()) return &*found;
  }
  return nullptr;
}

StreamPtr apply_window_function(const WindowFunction& function, RangePtr range,
                                std::vector<ScalarColumn> parameters,
                                std::vector<PositionRange> argument_positions,
                                PositionRange range_position, QueryContext& context) {
  return std::make_unique<WindowStream>(function, std::move(range), std::move(parameters),
                                        std::move(argument_positions), range_position, context);
}

double quantile_of(double quantile, std::vector<double>& values) {
  if (values.empty() || !(quantile >= 0 && quantile <= 1))
    return quantile_of_sorted(quantile, values);
  // NaN counts as the smallest. Of the others only the two that are asked for get to their places.
  const auto numbers =
      std::partition(values.begin(), values.end(), [](double value) { return std::isnan(value); });
  const QuantilePlace place = place_of(quantile, values.size());
  const auto lower = values.begin() + static_cast<ptrdiff_t>(place.lower);
  if (lower >= numbers) std::nth_element(numbers, lower, values.end());
  if (place.upper > place.lower && lower + 1 >= numbers)
    std::iter_swap(lower + 1, std::min_element(lower + 1, values.end()));
  return quantile_of_place(place, values);
}

double quantile_of_sorted(double quantile, std::span<const double> values) {
  if (values.empty() || std::isnan(quantile)) return std::numeric_limits<double>::quiet_NaN();
  if (quantile < 0) return -std::numeric_limits<double>::infinity();
  if (quantile > 1) return std::numeric_limits<double>::infinity();
  return quantile_of_place(place_of(quantile, values.size()), values);
}

double seconds_of(model::DurationMs duration) {
  return static_cast<double>(duration / 1000) +
         static_cast<double>(duration % 1000 * 1'000'000) / 1e9;
}

}  // namespace aerie::query
