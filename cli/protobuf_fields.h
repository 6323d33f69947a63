#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aerie::cli {

/// The few bytes of protobuf's wire format that importing needs; ingest has the real decoder.
/// https://protobuf.dev/programming-guides/encoding/
void put_varint(std::string& out, uint64_t value);
void put_bytes(std::string& out, uint32_t field, std::string_view bytes);
void put_number(std::string& out, uint32_t field, uint64_t value);
void put_double(std::string& out, uint32_t field, double value);

struct ProtobufField {
  uint32_t number = 0;
  std::string_view bytes;  ///< of a length-delimited field; empty for numbers
};

/// Walks the fields of one message. Bounds are checked; ok() is false once something did not fit.
class ProtobufFields {
 public:
  explicit ProtobufFields(std::string_view message) : rest_(message) {}
  /// The next field, or nothing at the end or when the message is broken.
  std::optional<ProtobufField> next();
  bool ok() const { return ok_; }

 private:
  std::optional<uint64_t> varint();
  std::optional<ProtobufField> broken();

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace aerie::cli
