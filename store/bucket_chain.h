#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "store/column_group.h"
#include "store/columns.h"

namespace aerie::store {

/// Buckets of classic histograms count what the bucket below them counts too. In a chain only the
/// first column holds values, every further one holds how far it lies above the column of the
/// series before it: docs/formats/columns.md, kind 16.

/// Longer chains are begun anew: reading one series decodes its whole chain.
inline constexpr size_t kLongestChain = 64;

/// True if both are buckets of one histogram: they differ in `le` alone.
bool same_histogram_buckets(const model::Labels& a, const model::Labels& b);

/// Appends `values` as a chained column above `below` (as long). False, with nothing appended, if
/// some row would not come back with all bits.
bool put_chained(FloatEncoder& encoder, std::span<const double> below,
                 std::span<const double> values, ColumnBytes& out);
/// Turns what FloatDecoder gives for a chained column into its values.
void add_below(std::span<const double> below, std::span<double> values);
inline bool is_chained(std::string_view head) {
  return !head.empty() && static_cast<ColumnKind>(head[0]) == ColumnKind::BucketChain;
}

/// All columns of one chain, decoded.
struct BucketChain {
  uint32_t first = 0;                       // series
  std::vector<std::vector<double>> values;  // by series
};
/// Decodes the chain of floats that goes through `series`, whose column is chained; all lie in one
/// group and share a clock of `rows`. Errors: Corruption.
Result<std::shared_ptr<const BucketChain>> decode_chain(const ColumnGroup& group, uint32_t series,
                                                        size_t rows);

}  // namespace aerie::store
