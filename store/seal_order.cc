#include <charconv>
#include <cmath>

#include "store/partition_set.h"

namespace aerie::store {
namespace {

constexpr std::string_view kBucketLabel = "le";

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

}  // namespace

bool SealOrder::operator()(const model::Labels& a, const model::Labels& b) const {
  if (const int order = a.metric_name().compare(b.metric_name()); order != 0) return order < 0;
  if (const int order = a.get("cluster").compare(b.get("cluster")); order != 0) return order < 0;
  auto x = a.begin();
  auto y = b.begin();
  for (; x != a.end() && y != b.end(); ++x, ++y) {
    if (const int order = x->name.compare(y->name); order != 0) return order < 0;
    if (x->value == y->value) continue;
    return (x->name == kBucketLabel ? compare_bounds(x->value, y->value)
                                    : x->value.compare(y->value)) < 0;
  }
  return x == a.end() && y != b.end();
}

}  // namespace aerie::store
