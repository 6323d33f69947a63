#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/byte_io.h"

namespace aerie::store {

/// `Packed` and `Integers` of docs/formats/columns.md: whole numbers as bit-packed residuals over a
/// base, in values, deltas or deltas of deltas, with a common factor taken out and the few numbers
/// that do not fit patched in.

/// Head and body of a column while it is written.
struct ColumnBytes {
  std::string head;
  std::string body;
  void clear() {
    head.clear();
    body.clear();
  }
  size_t size() const { return head.size() + body.size(); }
};

/// Head and body of a column while it is read. Several parts may follow each other in both.
struct ColumnReader {
  ByteReader head;
  ByteReader body;
};

/// Appends `numbers` as Packed of the cheapest width.
void put_packed(std::span<const uint64_t> numbers, ColumnBytes& out);
/// As many numbers as `out` is long. Errors: Corruption.
Status get_packed(ColumnReader& in, std::span<uint64_t> out);

/// Packs values into Integers. One owner; keeps its memory from call to call.
class IntegerEncoder {
 public:
  /// Appends the cheapest of the three orders. `values` is not empty.
  void put(std::span<const int64_t> values, ColumnBytes& out);

 private:
  struct Plan;
  Plan plan(std::span<const uint64_t> residuals, unsigned order, uint64_t head_bytes) const;
  void scale_plan(std::span<const uint64_t> residuals, Plan& plan) const;
  std::vector<uint64_t> series_[3];  // values, deltas, deltas of deltas
  mutable std::vector<int64_t> sorted_;
};

/// As many values as `out` is long (at least one). Errors: Corruption.
Status get_integers(ColumnReader& in, std::span<int64_t> out);

}  // namespace aerie::store
