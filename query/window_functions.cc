#include "query/window_functions.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace aerie::query {
namespace {

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
  const auto nan_first = [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; };
  if (quantile >= 0 && quantile <= 1) std::sort(values.begin(), values.end(), nan_first);
  return quantile_of_sorted(quantile, values);
}

double quantile_of_sorted(double quantile, std::span<const double> values) {
  if (values.empty() || std::isnan(quantile)) return std::numeric_limits<double>::quiet_NaN();
  if (quantile < 0) return -std::numeric_limits<double>::infinity();
  if (quantile > 1) return std::numeric_limits<double>::infinity();
  const double n = static_cast<double>(values.size());
  const double rank = quantile * (n - 1);
  const double lower = std::max(0.0, std::floor(rank));
  const double upper = std::min(n - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  return values[static_cast<size_t>(lower)] * (1 - weight) +
         values[static_cast<size_t>(upper)] * weight;
}

double seconds_of(model::DurationMs duration) {
  return static_cast<double>(duration / 1000) +
         static_cast<double>(duration % 1000 * 1'000'000) / 1e9;
}

}  // namespace aerie::query
