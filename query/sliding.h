#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "query/row.h"
#include "query/windows.h"

namespace aerie::query {

/// Window loops that dashboards spend their time in, over one series of floats at all steps. Each
/// gives the bits of its plain definition (tests/query/engine_windows_test.cc); what they share
/// between series of one scrape is kept in a Geometry.

/// `out[i] = change[i] * factor`, the factor of promql/functions.go extrapolatedRate. With
/// `counter`, never stretched below zero; `range_seconds` divides (1 for none).
struct Extrapolation {
  bool counter = true;
  bool per_second = true;
  double range_seconds = 1;
};
void extrapolate(const Extrapolation& kind, const WindowGeometry& geometry,
                 const double* first_values, const double* changes, double* out);

/// True if some value is below the one before it.
bool has_falls(std::span<const double> values);
bool has_stale(std::span<const double> values);

/// What window functions reuse from series to series.
struct WindowSums {
  std::vector<double> sums;
  std::vector<double> compensation;
};
struct WindowScratch {
  std::vector<double> first_values;
  std::vector<double> changes;
  WindowSums sums;
};

/// Sums with compensation, in window order. `sum_over_time` starts from zero, `avg_over_time` from
/// the first value; the compensation is not yet added. Steps without samples get zeros.
enum class StartFrom : uint8_t { Zero, FirstValue };
void sum_windows(std::span<const double> values, const Windows& windows, StartFrom start,
                 WindowSums& out);

/// Extremes of every non-empty window, NaN ignored unless there is nothing else; of equal values
/// the earliest.
enum class Extreme : uint8_t { Min, Max };
void extremes_of_windows(Extreme extreme, std::span<const double> values, const Windows& windows,
                         Row& out);

/// The values of a window in order, NaN first, kept sorted while the window slides.
class SortedWindow {
 public:
  explicit SortedWindow(std::span<const double> values) : values_(values) {}
  /// `first` and `last` never decrease from call to call.
  const std::vector<double>& slide_to(uint32_t first, uint32_t last);

 private:
  size_t position_of(double value) const;  // of the first that is not before it
  void insert(double value);
  void erase(double value);

  const std::span<const double> values_;
  uint32_t first_ = 0;
  uint32_t last_ = 0;
  std::vector<double> sorted_;
};

}  // namespace aerie::query
