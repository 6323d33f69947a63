#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "query/kahan.h"
#include "query/window_functions.h"

namespace aerie::query {
namespace {

struct Line {
  double slope = 0;
  double intercept = 0;
};

/// Least squares with compensated sums; the intercept is the value at `intercept_time`.
Line linear_regression(const double* values, const model::TimestampMs* times, size_t count,
                       model::TimestampMs intercept_time) {
  double n = 0;
  KahanSum sum_x;
  KahanSum sum_y;
  KahanSum sum_xy;
  KahanSum sum_x2;
  bool constant = true;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0 && values[i] != values[0]) constant = false;
    n += 1;
    const double x = static_cast<double>(times[i] - intercept_time) / 1e3;
    sum_x.add(x);
    sum_y.add(values[i]);
    sum_xy.add(x * values[i]);
    sum_x2.add(x * x);
  }
  if (constant) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    return std::isinf(values[0]) ? Line{kNan, kNan} : Line{0, values[0]};
  }
  const double x = sum_x.sum + sum_x.compensation;
  const double y = sum_y.sum + sum_y.compensation;
  const double xy = sum_xy.sum + sum_xy.compensation;
  const double x2 = sum_x2.sum + sum_x2.compensation;
  const double covariance = xy - x * y / n;
  const double variance = x2 - x * x / n;
  const double slope = covariance / variance;
  return {slope, y / n - slope * x / n};
}

/// Visits windows with at least two floats; says so where histograms stand among the floats.
template <class Visit>
void visit_trends(const WindowCall& call, Visit visit) {
  for (size_t i = 0; i < call.steps(); ++i) {
    const uint32_t first = call.windows.first[i];
    const uint32_t last = call.windows.last[i];
    if (last > first && call.windows.has_histograms(i))
      call.context.annotations().inform(histogram_ignored_in_mixed_range(call.metric_name()),
                                        call.range_position);
    if (last - first < 2) continue;
    visit(i, call.samples.values.data() + first, call.samples.timestamps.data() + first,
          last - first);
  }
}

Status deriv(const WindowCall& call, Row& out) {
  visit_trends(
      call, [&](size_t step, const double* values, const model::TimestampMs* times, size_t count) {
        out.set(step, linear_regression(values, times, count, times[0]).slope);
      });
  return {};
}

Status predict_linear(const WindowCall& call, Row& out) {
  visit_trends(
      call, [&](size_t step, const double* values, const model::TimestampMs* times, size_t count) {
        const Line line = linear_regression(values, times, count, call.grid.steps.at(step));
        out.set(step, line.slope * call.parameters[0].at(step) + line.intercept);
      });
  return {};
}

/// Holt's linear trend over one window.
double smooth(const double* values, size_t count, double smoothing, double trend) {
  double before = 0;
  double level = values[0];
  double slope = values[1] - values[0];
  for (size_t i = 1; i < count; ++i) {
    const double x = smoothing * values[i];
    if (i > 1) {
      const double fresh = trend * (level - before);
      const double kept = (1 - trend) * slope;
      slope = fresh + kept;
    }
    const double y = (1 - smoothing) * (level + slope);
    before = level;
    level = x + y;
  }
  return level;
}

Status double_exponential_smoothing(const WindowCall& call, Row& out) {
  const auto in_open_unit = [](double factor) { return factor > 0 && factor < 1; };
  for (size_t i = 0; i < call.steps(); ++i) {
    if (call.windows.first[i] == call.windows.last[i] && !call.windows.has_histograms(i)) continue;
    const double smoothing = call.parameters[0].at(i);
    const double trend = call.parameters[1].at(i);
    if (!in_open_unit(smoothing))
      return Error(
          ErrorCode::Execution,
          fmt::format("invalid smoothing factor. Expected: 0 < sf < 1, got: {:f}", smoothing));
    if (!in_open_unit(trend))
      return Error(ErrorCode::Execution,
                   fmt::format("invalid trend factor. Expected: 0 < tf < 1, got: {:f}", trend));
  }
  visit_trends(call, [&](size_t step, const double* values, const model::TimestampMs*,
                         size_t count) {
    out.set(step, smooth(values, count, call.parameters[0].at(step), call.parameters[1].at(step)));
  });
  return {};
}

constexpr WindowFunction kFunctions[] = {
    {"deriv", deriv},
    {"predict_linear", predict_linear},
    {"double_exponential_smoothing", double_exponential_smoothing},
};

}  // namespace

std::span<const WindowFunction> trend_functions() { return kFunctions; }

}  // namespace aerie::query
