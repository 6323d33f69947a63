#include <algorithm>
#include <cmath>
#include <numbers>

#include "query/mapped.h"
#include "query/planner.h"

namespace aerie::query {
namespace {

/// A function of one number, applied to all floats; histograms are ignored.
template <double (*function)(double)>
Result<StreamPtr> elementwise(const CallSite& site) {
  auto input = site.planner.vector(site.argument(0), site.steps);
  if (!input) return input;
  return map_series(std::move(input).value(), MetricName::Drop, site.steps, site.context(),
                    [](Row& row) -> Status {
                      row.drop_histograms();
                      for (double& value : row.values) value = function(value);
                      return {};
                    });
}

double sgn(double value) { return value < 0 ? -1 : value > 0 ? 1 : value; }
double radians(double value) { return value * std::numbers::pi / 180; }
double degrees(double value) { return value * 180 / std::numbers::pi; }

/// Go's math.Max and math.Min: NaN wins, and -0 < +0.
double go_max(double a, double b) {
  if (std::isinf(a) && a > 0) return a;
  if (std::isinf(b) && b > 0) return b;
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<double>::quiet_NaN();
  if (a == 0 && b == 0) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
double go_min(double a, double b) { return -go_max(-a, -b); }

/// Functions of a vector and per-step limits.
template <class Limit>
Result<StreamPtr> limit_values(const CallSite& site, Limit limit) {
  auto input = site.planner.vector(site.argument(0), site.steps);
  if (!input) return input;
  return map_series(std::move(input).value(), MetricName::Drop, site.steps, site.context(),
                    [limit](Row& row) -> Status {
                      row.drop_histograms();
                      limit(row);
                      return {};
                    });
}

Result<StreamPtr> clamp(const CallSite& site) {
  auto low = site.planner.scalar(site.argument(1), site.steps);
  if (!low) return std::move(low).error();
  auto high = site.planner.scalar(site.argument(2), site.steps);
  if (!high) return std::move(high).error();
  return limit_values(site, [low = *low, high = *high](Row& row) {
    for (size_t i = 0; i < row.steps(); ++i) {
      if (high.at(i) < low.at(i)) mark_absent(row.present.data(), i);
      row.values[i] = go_max(low.at(i), go_min(high.at(i), row.values[i]));
    }
  });
}

Result<StreamPtr> clamp_min(const CallSite& site) {
  auto low = site.planner.scalar(site.argument(1), site.steps);
  if (!low) return std::move(low).error();
  return limit_values(site, [low = *low](Row& row) {
    for (size_t i = 0; i < row.steps(); ++i) row.values[i] = go_max(low.at(i), row.values[i]);
  });
}

Result<StreamPtr> clamp_max(const CallSite& site) {
  auto high = site.planner.scalar(site.argument(1), site.steps);
  if (!high) return std::move(high).error();
  return limit_values(site, [high = *high](Row& row) {
    for (size_t i = 0; i < row.steps(); ++i) row.values[i] = go_min(high.at(i), row.values[i]);
  });
}

Result<StreamPtr> round(const CallSite& site) {
  ScalarColumn nearest(1);
  if (site.call.args.size() > 1) {
    auto given = site.planner.scalar(site.argument(1), site.steps);
    if (!given) return std::move(given).error();
    nearest = *given;
  }
  return limit_values(site, [nearest](Row& row) {
    for (size_t i = 0; i < row.steps(); ++i) {
      // Inverted, as Prometheus does: multiplying by 1/0.1 is more exact than dividing by 0.1.
      const double inverse = 1.0 / nearest.at(i);
      row.values[i] = std::floor(row.values[i] * inverse + 0.5) / inverse;
    }
  });
}

Result<ScalarColumn> pi(const CallSite&) { return ScalarColumn(std::numbers::pi); }

template <double (*function)(double, double)>
Result<ScalarColumn> of_two(const CallSite& site) {
  auto left = site.planner.scalar(site.argument(0), site.steps);
  if (!left) return left;
  auto right = site.planner.scalar(site.argument(1), site.steps);
  if (!right) return right;
  if (left->is_constant() && right->is_constant())
    return ScalarColumn(function(left->at(0), right->at(0)));
  std::vector<double> values(site.steps.count);
  for (size_t i = 0; i < values.size(); ++i) values[i] = function(left->at(i), right->at(i));
  return ScalarColumn(std::move(values));
}

constexpr FunctionImplementation kFunctions[] = {
    {"abs", elementwise<std::fabs>},
    {"ceil", elementwise<std::ceil>},
    {"floor", elementwise<std::floor>},
    {"exp", elementwise<std::exp>},
    {"sqrt", elementwise<std::sqrt>},
    {"ln", elementwise<std::log>},
    {"log2", elementwise<std::log2>},
    {"log10", elementwise<std::log10>},
    {"sgn", elementwise<sgn>},
    {"sin", elementwise<std::sin>},
    {"cos", elementwise<std::cos>},
    {"tan", elementwise<std::tan>},
    {"asin", elementwise<std::asin>},
    {"acos", elementwise<std::acos>},
    {"atan", elementwise<std::atan>},
    {"sinh", elementwise<std::sinh>},
    {"cosh", elementwise<std::cosh>},
    {"tanh", elementwise<std::tanh>},
    {"asinh", elementwise<std::asinh>},
    {"acosh", elementwise<std::acosh>},
    {"atanh", elementwise<std::atanh>},
    {"deg", elementwise<degrees>},
    {"rad", elementwise<radians>},
    {"round", round},
    {"clamp", clamp},
    {"clamp_min", clamp_min},
    {"clamp_max", clamp_max},
    {"pi", nullptr, pi},
    {"max_of", nullptr, of_two<go_max>},
    {"min_of", nullptr, of_two<go_min>},
};

}  // namespace

std::span<const FunctionImplementation> math_functions() { return kFunctions; }

}  // namespace aerie::query
