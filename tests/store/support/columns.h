#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/columns.h"

namespace aerie::store::testing {

using Random = std::mt19937_64;

/// Bytes as `04 00 1f`.
std::string hex(std::string_view bytes);
std::string from_hex(std::string_view text);

ColumnBytes encode(std::span<const double> values);
/// Errors: Corruption, also when bytes are left over.
Result<std::vector<double>> decode(const ColumnBytes& column, size_t rows);
bool same_bits(std::span<const double> a, std::span<const double> b);

/// One way in which values of a metric behave.
struct ValueShape {
  const char* name;
  std::vector<double> (*make)(Random& random, size_t rows);
};
/// Everyday shapes and hostile ones: counters with resets, decimals, NaN payloads, infinities,
/// extreme exponents.
std::span<const ValueShape> value_shapes();

model::NativeHistogram random_histogram(Random& random);

}  // namespace aerie::store::testing
