#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aerie::query {

/// Walks over the fields of one protobuf message without copying. Bytes that are no message end the
/// walk with `ok() == false`. A value type over borrowed bytes.
class ProtobufReader {
 public:
  enum class Wire : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };
  struct Field {
    uint32_t number = 0;
    Wire wire = Wire::Varint;
    uint64_t integer = 0;    ///< of a varint or fixed field
    std::string_view bytes;  ///< of a length-delimited one
    double as_double() const { return std::bit_cast<double>(integer); }
  };

  explicit ProtobufReader(std::string_view message) : rest_(message) {}
  /// The next field; nothing at the end or where the bytes are broken.
  std::optional<Field> next();
  bool ok() const { return ok_; }

 private:
  std::optional<uint64_t> varint();
  std::optional<uint64_t> fixed(size_t size);

  std::string_view rest_;
  bool ok_ = true;
};

/// Appends fields of a protobuf message. Zero is left out, as proto3 has it.
class ProtobufWriter {
 public:
  explicit ProtobufWriter(std::string& out) : out_(out) {}
  void integer(uint32_t field, uint64_t value);
  void zigzag(uint32_t field, int64_t value);  ///< sint32, sint64
  void number(uint32_t field, double value);
  void bytes(uint32_t field, std::string_view value);
  /// One of several, written even if it is empty or zero.
  void element(uint32_t field, std::string_view message);
  void present_integer(uint32_t field, uint64_t value);
  void present_number(uint32_t field, double value);

 private:
  std::string& out_;
};

void append_varint(std::string& out, uint64_t value);
inline uint64_t to_zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

}  // namespace aerie::query
