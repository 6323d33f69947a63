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

/// What rate() and the instant selector need to know of the windows, the same for all series with
/// the same timestamps.
struct WindowGeometry {
  uint64_t version = 0;               ///< of the Windows it was derived from
  std::vector<uint32_t> first_index;  ///< of the first and last sample; 0 where there is none
  std::vector<uint32_t> last_index;
  std::vector<double> to_start;  ///< seconds to extrapolate to the window's edges, before the
                                 ///< counter's zero point is known
  std::vector<double> to_end;
  std::vector<double>
      sampled;  ///< seconds between the first and the last sample; 1 where there are not enough
  std::vector<uint64_t> enough;    ///< steps with at least two samples
  std::vector<uint64_t> occupied;  ///< steps with at least one
};

/// Brings `geometry` up to date.
void measure_windows(const std::vector<model::TimestampMs>& timestamps, const Windows& windows,
                     const WindowGrid& grid, WindowGeometry& geometry);

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
  WindowGeometry geometry;
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
  void insert(double value);
  void erase(double value);

  const std::span<const double> values_;
  uint32_t first_ = 0;
  uint32_t last_ = 0;
  std::vector<double> sorted_;
};

}  // namespace aerie::query
