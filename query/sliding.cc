#include "query/sliding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "query/kahan.h"
#include "query/vector_clones.h"

namespace aerie::query {
namespace {

bool nan_first(double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; }

/// Steps are summed side by side: a compensated sum is a chain of dependent additions, and one
/// chain alone leaves the processor waiting.
constexpr size_t kLanes = 8;

/// One compensated addition for every lane, without branches: `values[offsets[lane]]` joins sum
/// `lane`.
inline void add_lanes(double* __restrict sums, double* __restrict compensation,
                      const double* __restrict values, const uint32_t* __restrict offsets) {
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const double sum = sums[lane];
    const double value = values[offsets[lane]];
    const double total = sum + value;
    const bool sum_is_larger = std::fabs(sum) >= std::fabs(value);
    const double larger = sum_is_larger ? sum : value;
    const double smaller = sum_is_larger ? value : sum;
    const double next = compensation[lane] + ((larger - total) + smaller);
    compensation[lane] = std::fabs(total) > std::numeric_limits<double>::max() ? 0.0 : next;
    sums[lane] = total;
  }
}

/// The rest of a window from `next` on.
KahanSum sum_rest(KahanSum sum, const double* values, uint32_t next, uint32_t end, StartFrom start,
                  bool is_first) {
  if (is_first && start == StartFrom::FirstValue && next < end) sum.sum = values[next++];
  for (; next < end; ++next) sum.add(values[next]);
  return sum;
}

/// kLanes windows at once: together as far as the shortest reaches, the rest one by one.
inline void sum_lanes(const double* values, const uint32_t* first, const uint32_t* last,
                      StartFrom start, double* sums, double* compensation) {
  uint32_t common = last[0] - first[0];
  uint32_t offsets[kLanes];
  double lane_sums[kLanes] = {};
  double lane_compensation[kLanes] = {};
  for (size_t lane = 0; lane < kLanes; ++lane) {
    common = std::min(common, last[lane] - first[lane]);
    offsets[lane] = first[lane];
  }
  uint32_t i = 0;
  if (start == StartFrom::FirstValue && common > 0) {
    for (size_t lane = 0; lane < kLanes; ++lane) lane_sums[lane] = values[offsets[lane]];
    i = 1;
  }
  for (; i < common; ++i) add_lanes(lane_sums, lane_compensation, values + i, offsets);
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const KahanSum sum = sum_rest({lane_sums[lane], lane_compensation[lane]}, values,
                                  first[lane] + common, last[lane], start, common == 0);
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
inline void extrapolate_all(double range_seconds, const WindowGeometry& geometry,
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

AERIE_VECTOR_CLONES
void extrapolate(const Extrapolation& kind, const WindowGeometry& geometry,
                 const double* first_values, const double* changes, double* out) {
  if (!kind.counter) return extrapolate_all<false, false>(1, geometry, first_values, changes, out);
  if (!kind.per_second)
    return extrapolate_all<true, false>(1, geometry, first_values, changes, out);
  extrapolate_all<true, true>(kind.range_seconds, geometry, first_values, changes, out);
}

AERIE_VECTOR_CLONES
bool has_falls(std::span<const double> values) {
  int falls = 0;
  for (size_t i = 1; i < values.size(); ++i) falls |= static_cast<int>(values[i] < values[i - 1]);
  return falls != 0;
}

AERIE_VECTOR_CLONES
bool has_stale(std::span<const double> values) {
  int stale = 0;
  for (const double value : values) stale |= static_cast<int>(model::is_stale(value));
  return stale != 0;
}

AERIE_VECTOR_CLONES
void sum_windows(std::span<const double> values, const Windows& windows, StartFrom start,
                 WindowSums& out) {
  const size_t steps = windows.first.size();
  out.sums.resize(steps);
  out.compensation.resize(steps);
  const uint32_t* first = windows.first.data();
  const uint32_t* last = windows.last.data();
  size_t i = 0;
  for (; i + kLanes <= steps; i += kLanes)
    sum_lanes(values.data(), first + i, last + i, start, out.sums.data() + i,
              out.compensation.data() + i);
  for (; i < steps; ++i) {
    const KahanSum sum = sum_rest({}, values.data(), first[i], last[i], start, true);
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

size_t SortedWindow::position_of(double value) const {
  if (std::isnan(value)) return 0;
  constexpr size_t kCountUpTo =
      128;  // counting has no branches to mispredict; bisection wins later
  if (sorted_.size() > kCountUpTo)
    return static_cast<size_t>(std::lower_bound(sorted_.begin(), sorted_.end(), value, nan_first) -
                               sorted_.begin());
  size_t below = 0;
  for (const double other : sorted_) below += static_cast<size_t>(!(other >= value));
  return below;
}

void SortedWindow::insert(double value) {
  sorted_.insert(sorted_.begin() + static_cast<ptrdiff_t>(position_of(value)), value);
}

void SortedWindow::erase(double value) {
  sorted_.erase(sorted_.begin() + static_cast<ptrdiff_t>(position_of(value)));
}

}  // namespace aerie::query
