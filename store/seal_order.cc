#include <algorithm>
#include <charconv>
#include <cmath>

#include "store/byte_io.h"
#include "store/partition_set.h"

namespace aerie::store {
namespace {

constexpr std::string_view kBucketLabel = "le";
constexpr std::string_view kClusterLabel = "cluster";

/// The number of an `le` value; NaN when it is none.
double bucket_bound(std::string_view text) {
  if (text == "+Inf" || text == "Inf" || text == "inf" || text == "+inf") return HUGE_VAL;
  double bound = 0;
  const char* first = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), bound);
  if (error != std::errc() || end != text.data() + text.size()) return NAN;
  return bound;
}

/// Numbers by value, then everything else; equal numbers written differently by their bytes.
int compare_bounds(std::string_view a, std::string_view b) {
  const double x = bucket_bound(a);
  const double y = bucket_bound(b);
  if (std::isnan(x) != std::isnan(y)) return std::isnan(x) ? 1 : -1;
  if (x < y) return -1;
  if (x > y) return 1;
  return a.compare(b);
}

bool slow_less(const model::Labels& a, const model::Labels& b) {
  if (const int order = a.metric_name().compare(b.metric_name()); order != 0) return order < 0;
  if (const int order = a.get(kClusterLabel).compare(b.get(kClusterLabel)); order != 0)
    return order < 0;
  auto x = a.begin();
  auto y = b.begin();
  const auto skip_bound = [](auto& at, auto end) {
    if (at != end && at->name == kBucketLabel) ++at;
  };
  while (true) {
    skip_bound(x, a.end());
    skip_bound(y, b.end());
    if (x == a.end() || y == b.end()) break;
    if (const int order = x->name.compare(y->name); order != 0) return order < 0;
    if (const int order = x->value.compare(y->value); order != 0) return order < 0;
    ++x;
    ++y;
  }
  if (x != a.end() || y != b.end()) return x == a.end();
  const std::string_view bound_a = a.get(kBucketLabel);
  const std::string_view bound_b = b.get(kBucketLabel);
  if (bound_a.empty() || bound_b.empty()) return bound_a.empty() && !bound_b.empty();
  return compare_bounds(bound_a, bound_b) < 0;
}

}  // namespace

bool SealOrder::operator()(const model::Labels& a, const model::Labels& b) const {
  // Neighbours in a sort mostly differ in the value of one late label: what is equal before it is
  // skipped as bytes.
  const std::string_view x = a.encoded();
  const std::string_view y = b.encoded();
  const size_t differs = model::first_difference(x, y);
  if (differs == x.size() && differs == y.size()) return false;
  ByteReader in(x);
  std::string_view name;
  size_t value_at = 0;
  do {
    name = in.sized_bytes();
    value_at = x.size() - in.left();
    in.sized_bytes();
  } while (x.size() - in.left() <= differs && !in.at_end());
  // Safe when the difference lies behind a common name that does not sort before the cluster's; a
  // bucket's bound counts only when all else is equal.
  if (differs < value_at || name == kBucketLabel ||
      (name < kClusterLabel && name != model::kMetricName))
    return slow_less(a, b);
  ByteReader of_x(std::string_view(x).substr(value_at));
  ByteReader of_y(std::string_view(y).substr(value_at));
  const std::string_view value_x = of_x.sized_bytes();
  const std::string_view value_y = of_y.sized_bytes();
  if (value_x == value_y) return slow_less(a, b);
  return value_x < value_y;
}

}  // namespace aerie::store
