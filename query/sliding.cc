#include "query/sliding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "query/kahan.h"

namespace aerie::query {
namespace {

bool nan_first(double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; }

/// Steps are summed side by side: a compensated sum is a chain of dependent additions, and one
/// chain alone leaves the processor waiting.
constexpr size_t kLanes = 8;

/// One compensated addition for every lane, without branches.
inline void add_lanes(double* __restrict sums, double* __restrict compensation,
                      const double* __restrict values) {
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const double sum = sums[lane];
    const double value = values[lane];
    const double total = sum + value;
    const bool sum_is_larger = std::fabs(sum) >= std::fabs(value);
    const double larger = sum_is_larger ? sum : value;
    const double smaller = sum_is_larger ? value : sum;
    const double next = compensation[lane] + ((larger - total) + smaller);
    compensation[lane] = std::fabs(total) > std::numeric_limits<double>::max() ? 0.0 : next;
    sums[lane] = total;
  }
}

struct OneWindow {
  const double* values;
  uint32_t count;
};

KahanSum sum_one(const OneWindow& window, StartFrom start) {
  KahanSum sum;
  uint32_t i = 0;
  if (start == StartFrom::FirstValue && window.count > 0) sum.sum = window.values[i++];
  for (; i < window.count; ++i) sum.add(window.values[i]);
  return sum;
}

/// kLanes windows at once: together as far as the shortest reaches, the rest one by one.
void sum_lanes(const OneWindow* windows, StartFrom start, double* sums, double* compensation) {
  uint32_t common = windows[0].count;
  for (size_t lane = 1; lane < kLanes; ++lane) common = std::min(common, windows[lane].count);
  double lane_sums[kLanes] = {};
  double lane_compensation[kLanes] = {};
  double column[kLanes];
  uint32_t i = 0;
  if (start == StartFrom::FirstValue && common > 0) {
    for (size_t lane = 0; lane < kLanes; ++lane) lane_sums[lane] = windows[lane].values[0];
    i = 1;
  }
  for (; i < common; ++i) {
    for (size_t lane = 0; lane < kLanes; ++lane) column[lane] = windows[lane].values[i];
    add_lanes(lane_sums, lane_compensation, column);
  }
  for (size_t lane = 0; lane < kLanes; ++lane) {
    KahanSum sum{lane_sums[lane], lane_compensation[lane]};
    uint32_t rest = common;
    if (start == StartFrom::FirstValue && common == 0 && windows[lane].count > 0)
      sum.sum = windows[lane].values[rest++];
    for (; rest < windows[lane].count; ++rest) sum.add(windows[lane].values[rest]);
    sums[lane] = sum.sum;
    compensation[lane] = sum.compensation;
  }
}

/// The extreme of two neighbouring stretches, `earlier` before `later`.
template <Extreme extreme>
inline double better_of(double earlier, double later) {
  const bool replace = extreme == Extreme::Max ? later > earlier : later < earlier;
  return replace || earlier != earlier ? later : earlier;
}

template <Extreme extreme>
void direct_extremes(std::span<const double> values, const Windows& windows, Row& out) {
  for (size_t i = 0; i < out.steps(); ++i) {
    if (windows.first[i] == windows.last[i]) continue;
    double best = values[windows.first[i]];
    for (uint32_t j = windows.first[i] + 1; j < windows.last[i]; ++j)
      best = better_of<extreme>(best, values[j]);
    out.set(i, best);
  }
}

/// levels[k][i] is the extreme of the 2^k values from i on; any window is covered by two such
/// stretches.
template <Extreme extreme>
void extremes_by_doubling(std::span<const double> values, const Windows& windows, uint32_t longest,
                          Row& out) {
  const auto top = static_cast<size_t>(std::bit_width(longest)) - 1;
  const size_t count = values.size();
  std::vector<std::vector<double>> levels(top + 1);
  levels[0].assign(values.begin(), values.end());
  for (size_t k = 1; k <= top; ++k) {
    const size_t half = size_t{1} << (k - 1);
    const double* below = levels[k - 1].data();
    levels[k].resize(count - 2 * half + 1);
    double* level = levels[k].data();
    for (size_t i = 0; i + 2 * half <= count; ++i)
      level[i] = better_of<extreme>(below[i], below[i + half]);
  }
  for (size_t i = 0; i < out.steps(); ++i) {
    const uint32_t length = windows.last[i] - windows.first[i];
    if (length == 0) continue;
    const auto k = static_cast<size_t>(std::bit_width(length)) - 1;
    const double* level = levels[k].data();
    out.set(i, better_of<extreme>(level[windows.first[i]],
                                  level[windows.last[i] - (uint32_t{1} << k)]));
  }
}

template <Extreme extreme>
void choose_extremes(std::span<const double> values, const Windows& windows, Row& out) {
  uint64_t total = 0;
  uint32_t longest = 0;
  for (size_t i = 0; i < out.steps(); ++i) {
    const uint32_t length = windows.last[i] - windows.first[i];
    total += length;
    longest = std::max(longest, length);
  }
  if (longest == 0) return;
  if (total <= 4 * values.size()) return direct_extremes<extreme>(values, windows, out);
  extremes_by_doubling<extreme>(values, windows, longest, out);
}

template <bool counter, bool per_second>
void extrapolate_all(double range_seconds, const WindowGeometry& geometry,
                     const double* __restrict first_values, const double* __restrict changes,
                     double* __restrict out) {
  const double* to_start_of = geometry.to_start.data();
  const double* to_end_of = geometry.to_end.data();
  const double* sampled_of = geometry.sampled.data();
  const size_t steps = geometry.to_start.size();
  for (size_t i = 0; i < steps; ++i) {
    const double sampled = sampled_of[i];
    const double change = changes[i];
    double to_start = to_start_of[i];
    if constexpr (counter) {
      const double to_zero = sampled * (first_values[i] / change);
      const bool known = (change > 0) & (first_values[i] >= 0) & (to_zero < to_start);
      to_start = known ? to_zero : to_start;
    }
    double factor = (sampled + to_start + to_end_of[i]) / sampled;
    if constexpr (per_second) factor /= range_seconds;
    out[i] = change * factor;
  }
}

}  // namespace

void measure_windows(const std::vector<model::TimestampMs>& timestamps, const Windows& windows,
                     const WindowGrid& grid, WindowGeometry& geometry) {
  if (geometry.version == windows.version()) return;
  const size_t steps = grid.steps.count;
  geometry.version = windows.version();
  geometry.first_index.assign(steps, 0);
  geometry.last_index.assign(steps, 0);
  geometry.to_start.assign(steps, 0);
  geometry.to_end.assign(steps, 0);
  geometry.sampled.assign(steps, 1);
  geometry.enough.assign(grid.steps.words(), 0);
  geometry.occupied.assign(grid.steps.words(), 0);
  for (size_t i = 0; i < steps; ++i) {
    const uint32_t count = windows.last[i] - windows.first[i];
    if (count == 0) continue;
    const uint32_t first = windows.first[i];
    const uint32_t last = windows.last[i] - 1;
    geometry.first_index[i] = first;
    geometry.last_index[i] = last;
    mark_present(geometry.occupied.data(), i);
    if (count < 2) continue;
    mark_present(geometry.enough.data(), i);
    const double sampled = static_cast<double>(timestamps[last] - timestamps[first]) / 1000;
    const double average = sampled / static_cast<double>(count - 1);
    const double threshold = average * 1.1;
    const double to_start = static_cast<double>(timestamps[first] - grid.start_of(i)) / 1000;
    const double to_end = static_cast<double>(grid.end_of(i) - timestamps[last]) / 1000;
    geometry.sampled[i] = sampled;
    geometry.to_start[i] = to_start >= threshold ? average / 2 : to_start;
    geometry.to_end[i] = to_end >= threshold ? average / 2 : to_end;
  }
}

void extrapolate(const Extrapolation& kind, const WindowGeometry& geometry,
                 const double* first_values, const double* changes, double* out) {
  if (!kind.counter) return extrapolate_all<false, false>(1, geometry, first_values, changes, out);
  if (!kind.per_second)
    return extrapolate_all<true, false>(1, geometry, first_values, changes, out);
  extrapolate_all<true, true>(kind.range_seconds, geometry, first_values, changes, out);
}

bool has_falls(std::span<const double> values) {
  int falls = 0;
  for (size_t i = 1; i < values.size(); ++i) falls |= static_cast<int>(values[i] < values[i - 1]);
  return falls != 0;
}

bool has_stale(std::span<const double> values) {
  int stale = 0;
  for (const double value : values) stale |= static_cast<int>(model::is_stale(value));
  return stale != 0;
}

void sum_windows(std::span<const double> values, const Windows& windows, StartFrom start,
                 WindowSums& out) {
  const size_t steps = windows.first.size();
  out.sums.resize(steps);
  out.compensation.resize(steps);
  size_t i = 0;
  for (; i + kLanes <= steps; i += kLanes) {
    OneWindow lanes[kLanes];
    for (size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = {values.data() + windows.first[i + lane],
                     windows.last[i + lane] - windows.first[i + lane]};
    sum_lanes(lanes, start, out.sums.data() + i, out.compensation.data() + i);
  }
  for (; i < steps; ++i) {
    const KahanSum sum =
        sum_one({values.data() + windows.first[i], windows.last[i] - windows.first[i]}, start);
    out.sums[i] = sum.sum;
    out.compensation[i] = sum.compensation;
  }
}

void extremes_of_windows(Extreme extreme, std::span<const double> values, const Windows& windows,
                         Row& out) {
  if (extreme == Extreme::Min) return choose_extremes<Extreme::Min>(values, windows, out);
  choose_extremes<Extreme::Max>(values, windows, out);
}

const std::vector<double>& SortedWindow::slide_to(uint32_t first, uint32_t last) {
  const uint32_t entering = last - std::max(last_, first);
  if (first >= last_ || entering > (last - first) / 4) {
    sorted_.assign(values_.begin() + first, values_.begin() + last);
    std::sort(sorted_.begin(), sorted_.end(), nan_first);
  } else {
    for (uint32_t i = first_; i < first; ++i) erase(values_[i]);
    for (uint32_t i = last_; i < last; ++i) insert(values_[i]);
  }
  first_ = first;
  last_ = last;
  return sorted_;
}

void SortedWindow::insert(double value) {
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), value, nan_first), value);
}

void SortedWindow::erase(double value) {
  sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), value, nan_first));
}

}  // namespace aerie::query
