#include "query/protobuf_wire.h"

namespace aerie::query {

std::optional<uint64_t> ProtobufReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<uint64_t> ProtobufReader::fixed(size_t size) {
  if (rest_.size() < size) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i)
    value |= static_cast<uint64_t>(static_cast<uint8_t>(rest_[i])) << (8 * i);
  rest_.remove_prefix(size);
  return value;
}

std::optional<ProtobufReader::Field> ProtobufReader::next() {
  if (rest_.empty() || !ok_) return std::nullopt;
  ok_ = false;
  const auto key = varint();
  if (!key || *key >> 3 == 0 || *key >> 3 > UINT32_MAX) return std::nullopt;
  Field field;
  field.number = static_cast<uint32_t>(*key >> 3);
  std::optional<uint64_t> value;
  switch (*key & 7) {
    case 0: value = varint(); break;
    case 1:
      field.wire = Wire::Fixed64;
      value = fixed(8);
      break;
    case 2:
      field.wire = Wire::Bytes;
      value = varint();
      if (!value || *value > rest_.size()) return std::nullopt;
      field.bytes = rest_.substr(0, *value);
      rest_.remove_prefix(*value);
      break;
    case 5:
      field.wire = Wire::Fixed32;
      value = fixed(4);
      break;
    default: break;
  }
  if (!value) return std::nullopt;
  field.integer = *value;
  ok_ = true;
  return field;
}

void append_varint(std::string& out, uint64_t value) {
  for (; value > 0x7f; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void ProtobufWriter::integer(uint32_t field, uint64_t value) {
  if (value != 0) present_integer(field, value);
}

void ProtobufWriter::zigzag(uint32_t field, int64_t value) { integer(field, to_zigzag(value)); }

void ProtobufWriter::number(uint32_t field, double value) {
  if (std::bit_cast<uint64_t>(value) != 0) present_number(field, value);
}

void ProtobufWriter::bytes(uint32_t field, std::string_view value) {
  if (!value.empty()) element(field, value);
}

void ProtobufWriter::element(uint32_t field, std::string_view message) {
  append_varint(out_, uint64_t{field} << 3 | 2);
  append_varint(out_, message.size());
  out_ += message;
}

void ProtobufWriter::present_integer(uint32_t field, uint64_t value) {
  append_varint(out_, uint64_t{field} << 3);
  append_varint(out_, value);
}

void ProtobufWriter::present_number(uint32_t field, double value) {
  append_varint(out_, uint64_t{field} << 3 | 1);
  const auto bits = std::bit_cast<uint64_t>(value);
  for (unsigned shift = 0; shift < 64; shift += 8) out_ += static_cast<char>(bits >> shift);
}

}  // namespace aerie::query
