#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/sample.h"
#include "store/decimal.h"
#include "store/integer_block.h"

namespace aerie::store {

/// What a column is encoded as. The numbers are in the files: docs/formats/columns.md.
enum class ColumnKind : uint8_t {
  Constant = 1,
  Runs = 2,
  ChangeMask = 3,
  Integers = 4,
  Decimals = 5,
  Xor = 6,
  Raw = 7,
  OrderedBits = 8,
  BucketChain = 16,
  PlainHistograms = 32,
  PackedHistograms = 33,
  Exemplars = 48,  // reserved
  StartTimestamps = 49,
  Metadata = 50,  // reserved
};

/// Columns longer than this are refused by writer and reader.
inline constexpr size_t kMaxColumnRows = 1u << 20;

/// Encodes columns of doubles, bit-exact. One owner; keeps its memory from call to call.
class FloatEncoder {
 public:
  /// Appends the smallest of the encodings that suit. `values`: 1..kMaxColumnRows.
  void put(std::span<const double> values, ColumnBytes& out);

 private:
  void put_flat(std::span<const double> values, ColumnBytes& out);
  template <DecimalMethod kMethod>
  bool find_decimals(std::span<const double> values, unsigned& decimals, unsigned most);
  void find_exceptions(std::span<const double> values);
  bool put_decimals(std::span<const double> values, ColumnBytes& out);
  void put_ordered_bits(std::span<const double> values, ColumnBytes& out);
  void put_xor(std::span<const double> values, ColumnBytes& out);
  void put_changes(std::span<const double> values, size_t changes, ColumnBytes& out);

  IntegerEncoder integers_;
  ColumnBytes flat_;
  ColumnBytes other_;
  ColumnBytes changed_;
  std::vector<int64_t> whole_;
  std::vector<int64_t> better_;
  std::vector<uint64_t> bits_;
  std::vector<size_t> exceptions_;
  std::vector<double> distinct_;
};

/// Decodes columns of doubles, whole. One owner; keeps its memory from call to call.
class FloatDecoder {
 public:
  /// Fills `out` (its length says how many rows, at least one). Of a chained column: how far it
  /// lies above the one before it (bucket_chain.h). Errors: Corruption; `out` is then undefined.
  Status get(ColumnReader& in, std::span<double> out);

 private:
  Status get_decimals(bool scaled, ColumnReader& in, std::span<double> out);
  Status get_flat(uint8_t kind, ColumnReader& in, std::span<double> out);
  Status get_runs(ColumnReader& in, std::span<double> out);
  Status get_changes(ColumnReader& in, std::span<double> out);

  std::vector<int64_t> whole_;
  std::vector<double> distinct_;
};

/// The value of a column that never changes, in O(1) whatever its length. Nothing if it is of
/// another kind or damaged: FloatDecoder::get() tells.
std::optional<double> constant_of(std::string_view head);

/// A clock: the timestamps of a column, strictly ascending, 1..kMaxColumnRows, as one string (head
/// and body together).
std::string encode_clock(IntegerEncoder& encoder, std::span<const model::TimestampMs> timestamps);
/// How many rows, without decoding. Errors: Corruption.
Result<size_t> clock_rows(std::string_view bytes);
/// Replaces `out`. Errors: Corruption.
Status decode_clock(std::string_view bytes, std::vector<model::TimestampMs>& out);

/// Native histograms, packed or, where that is smaller or not possible, plain; timestamps are in
/// the clock. Appends. Each must be storable().
void put_histograms(std::span<const model::HistogramSample> samples, ColumnBytes& out);
/// Appends one sample per timestamp to `out`. Errors: Corruption.
Status get_histograms(ColumnReader& in, std::span<const model::TimestampMs> timestamps,
                      std::vector<model::HistogramSample>& out);

/// True if spans and buckets fit each other.
bool storable(const model::NativeHistogram& histogram);
/// Equal with all bits, NaN payloads included.
bool same_histogram(const model::NativeHistogram& a, const model::NativeHistogram& b);

/// One double as tag and digits.
void put_number(std::string& out, double value);
double get_number(ByteReader& in);

}  // namespace aerie::store
