#include "store/bucket_chain.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace aerie::store {
namespace {

constexpr std::string_view kBucketLabel = "le";

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

/// Markers and infinities stand for themselves, as does what lies above one. They are left where
/// they are rather than chosen by a conditional expression: a compiler may turn `c ? a + b : b`
/// into `b + (c ? a : -0.0)`, which makes a quiet NaN of a stale marker.
bool is_chainable(double below, double value) {
  return std::isfinite(below) && std::isfinite(value);
}

const GroupColumn* floats_of(const ColumnGroup& group, uint32_t series) {
  const auto columns = group.columns(series);
  return !columns.empty() && columns[0].role == ColumnRole::Floats ? &columns[0] : nullptr;
}

Error corrupt(const char* what) {
  return Error(ErrorCode::Corruption, std::string("bucket chain: ") + what);
}

}  // namespace

bool same_histogram_buckets(const model::Labels& a, const model::Labels& b) {
  if (!a.has(kBucketLabel) || a.size() != b.size()) return false;
  auto x = a.begin();
  auto y = b.begin();
  for (; x != a.end(); ++x, ++y) {
    if (x->name != y->name) return false;
    if (x->value != y->value && x->name != kBucketLabel) return false;
  }
  return true;
}

bool put_chained(FloatEncoder& encoder, std::span<const double> below,
                 std::span<const double> values, ColumnBytes& out) {
  std::vector<double> steps(values.begin(), values.end());
  for (size_t i = 0; i < steps.size(); ++i)
    if (is_chainable(below[i], steps[i])) steps[i] -= below[i];
  std::vector<double> back = steps;
  add_below(below, back);
  if (!std::equal(back.begin(), back.end(), values.begin(), same_bits)) return false;
  put_u8(out.head, static_cast<uint8_t>(ColumnKind::BucketChain));
  encoder.put(steps, out);
  return true;
}

void add_below(std::span<const double> below, std::span<double> values) {
  for (size_t i = 0; i < values.size(); ++i)
    if (is_chainable(below[i], values[i])) values[i] += below[i];
}

Result<std::shared_ptr<const BucketChain>> decode_chain(const ColumnGroup& group, uint32_t series,
                                                        size_t rows) {
  uint32_t first = series;
  const GroupColumn* column = floats_of(group, first);
  while (column != nullptr && is_chained(column->head)) {
    if (first == group.first_series() || series - first > kLongestChain)
      return corrupt("it has no beginning");
    column = floats_of(group, --first);
  }
  if (column == nullptr) return corrupt("it has no beginning");
  const uint32_t clock = column->clock;
  auto chain = std::make_shared<BucketChain>();
  chain->first = first;
  FloatDecoder decoder;
  for (uint32_t id = first;; ++id) {
    column = floats_of(group, id);
    const bool goes_on = column != nullptr && (id == first || is_chained(column->head));
    if (!goes_on || chain->values.size() > kLongestChain) break;
    if (column->clock != clock) return corrupt("its columns have different clocks");
    std::vector<double> values(rows);
    ColumnReader reader{ByteReader(column->head), ByteReader(column->body)};
    if (Status status = decoder.get(reader, values); !status) return std::move(status).error();
    if (id != first) add_below(chain->values.back(), values);
    chain->values.push_back(std::move(values));
  }
  if (series - first >= chain->values.size()) return corrupt("it ends too early");
  return std::shared_ptr<const BucketChain>(std::move(chain));
}

}  // namespace aerie::store
