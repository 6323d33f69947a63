#include "cli/protobuf_fields.h"

#include <bit>

namespace aerie::cli {
namespace {

constexpr uint64_t kVarint = 0;
constexpr uint64_t kFixed64 = 1;
constexpr uint64_t kBytes = 2;
constexpr uint64_t kFixed32 = 5;

}  // namespace

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  put_varint(out, uint64_t{field} << 3 | kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_number(std::string& out, uint32_t field, uint64_t value) {
  put_varint(out, uint64_t{field} << 3 | kVarint);
  put_varint(out, value);
}

void put_double(std::string& out, uint32_t field, double value) {
  put_varint(out, uint64_t{field} << 3 | kFixed64);
  uint64_t bits = std::bit_cast<uint64_t>(value);
  for (int i = 0; i < 8; ++i, bits >>= 8) out += static_cast<char>(bits);
}

std::optional<ProtobufField> ProtobufFields::broken() {
  ok_ = false;
  rest_ = {};
  return {};
}

std::optional<uint64_t> ProtobufFields::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return {};
}

std::optional<ProtobufField> ProtobufFields::next() {
  if (rest_.empty()) return {};
  const auto key = varint();
  if (!key || *key >> 3 == 0 || *key >> 35 != 0) return broken();
  ProtobufField field{static_cast<uint32_t>(*key >> 3), {}};
  size_t skip = 0;
  switch (*key & 7) {
    case kVarint:
      if (!varint()) return broken();
      break;
    case kFixed64: skip = 8; break;
    case kFixed32: skip = 4; break;
    case kBytes: {
      const auto length = varint();
      if (!length || *length > rest_.size()) return broken();
      field.bytes = rest_.substr(0, *length);
      skip = *length;
      break;
    }
    default: return broken();
  }
  if (skip > rest_.size()) return broken();
  rest_.remove_prefix(skip);
  return field;
}

}  // namespace aerie::cli
