#include "query/xor_chunk.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "query/protobuf_wire.h"

namespace aerie::query {
namespace {

/// Bits, the most significant first.
class BitWriter {
 public:
  explicit BitWriter(std::string& out) : out_(out) {}
  void bits(uint64_t value, unsigned count) {
    while (count > 0) {
      if (free_ == 0) {
        out_ += '\0';
        free_ = 8;
      }
      const unsigned take = std::min(count, free_);
      const auto part = static_cast<uint8_t>((value >> (count - take)) & ((1u << take) - 1));
      out_.back() = static_cast<char>(static_cast<uint8_t>(out_.back()) | part << (free_ - take));
      free_ -= take;
      count -= take;
    }
  }
  void bytes(std::string_view text) {
    for (const char c : text) bits(static_cast<uint8_t>(c), 8);
  }

 private:
  std::string& out_;
  unsigned free_ = 0;
};

bool fits(int64_t value, unsigned bits) {
  const int64_t half = int64_t{1} << (bits - 1);
  return -(half - 1) <= value && value <= half;
}

void write_time_change(BitWriter& out, int64_t change) {
  const auto bits = static_cast<uint64_t>(change);
  if (change == 0) {
    out.bits(0b0, 1);
  } else if (fits(change, 14)) {
    out.bits(0b10, 2);
    out.bits(bits, 14);
  } else if (fits(change, 17)) {
    out.bits(0b110, 3);
    out.bits(bits, 17);
  } else if (fits(change, 20)) {
    out.bits(0b1110, 4);
    out.bits(bits, 20);
  } else {
    out.bits(0b1111, 4);
    out.bits(bits, 64);
  }
}

/// Values, each by the bits that differ from the one before.
class ValueWriter {
 public:
  explicit ValueWriter(double first) : previous_(std::bit_cast<uint64_t>(first)) {}
  void write(BitWriter& out, double value) {
    const auto bits = std::bit_cast<uint64_t>(value);
    const uint64_t change = bits ^ previous_;
    previous_ = bits;
    if (change == 0) return out.bits(0, 1);
    out.bits(1, 1);
    const unsigned leading = std::min(static_cast<unsigned>(std::countl_zero(change)), 31u);
    const auto trailing = static_cast<unsigned>(std::countr_zero(change));
    if (known_ && leading >= leading_ && trailing >= trailing_) {
      out.bits(0, 1);
      return out.bits(change >> trailing_, 64 - leading_ - trailing_);
    }
    known_ = true;
    leading_ = leading;
    trailing_ = trailing;
    const unsigned significant = 64 - leading - trailing;
    out.bits(1, 1);
    out.bits(leading, 5);
    out.bits(significant & 63, 6);  // 64 is written as 0
    out.bits(change >> trailing, significant);
  }

 private:
  uint64_t previous_;
  bool known_ = false;
  unsigned leading_ = 0;
  unsigned trailing_ = 0;
};

}  // namespace

std::string encode_xor_chunk(std::span<const model::TimestampMs> timestamps,
                             std::span<const double> values) {
  std::string out;
  const size_t count = timestamps.size();
  out += static_cast<char>(count >> 8);
  out += static_cast<char>(count);
  BitWriter writer(out);
  std::string number;
  append_varint(number, to_zigzag(timestamps[0]));
  writer.bytes(number);
  writer.bits(std::bit_cast<uint64_t>(values[0]), 64);
  ValueWriter value_writer(values[0]);
  int64_t delta = 0;
  for (size_t i = 1; i < count; ++i) {
    const int64_t next = timestamps[i] - timestamps[i - 1];
    if (i == 1) {
      number.clear();
      append_varint(number, static_cast<uint64_t>(next));
      writer.bytes(number);
    } else {
      write_time_change(writer, next - delta);
    }
    delta = next;
    value_writer.write(writer, values[i]);
  }
  return out;
}

}  // namespace aerie::query
