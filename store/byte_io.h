#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace aerie::store {

/// Appending and reading the small pieces that the formats of docs/formats are made of.
/// Little-endian, LEB128 varints.
static_assert(std::endian::native == std::endian::little, "the formats are read by plain loads");

inline void put_u8(std::string& out, uint8_t value) { out.push_back(static_cast<char>(value)); }
inline void put_u64(std::string& out, uint64_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <class T>
void put_fixed(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}
/// Writes at most 10 bytes at `out`, returns the end.
inline char* put_varint_at(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}
inline void put_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}
inline uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
}
inline void put_zigzag(std::string& out, int64_t value) { put_varint(out, zigzag(value)); }
inline void put_bytes(std::string& out, std::string_view bytes) {
  put_varint(out, bytes.size());
  out.append(bytes);
}
/// Bytes that put_varint() writes.
inline size_t varint_size(uint64_t value) {
  return value == 0 ? 1 : (static_cast<size_t>(std::bit_width(value)) + 6) / 7;
}

/// Walks over bytes that may be damaged: past the end everything reads as zero and failed() turns
/// true. Not owning.
class ByteReader {
 public:
  ByteReader() = default;
  explicit ByteReader(std::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool failed() const { return failed_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  bool at_end() const { return at_ == end_; }

  uint8_t u8() { return left() < 1 ? (fail(), uint8_t{0}) : static_cast<uint8_t>(*at_++); }
  uint64_t u64() {
    uint64_t value = 0;
    const std::string_view raw = bytes(sizeof value);
    if (!raw.empty()) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  uint64_t varint() {
    if (left() > 0 && static_cast<uint8_t>(*at_) < 0x80) return static_cast<uint8_t>(*at_++);
    return long_varint();
  }
  int64_t zigzag() { return unzigzag(varint()); }
  /// The next `length` bytes; empty and failed when there are fewer.
  std::string_view bytes(uint64_t length) {
    if (length > left()) {
      fail();
      return {};
    }
    const std::string_view out(at_, static_cast<size_t>(length));
    at_ += length;
    return out;
  }
  std::string_view sized_bytes() { return bytes(varint()); }
  template <class T>
  T fixed() {
    T value{};
    const std::string_view raw = bytes(sizeof(T));
    if (!raw.empty()) std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  /// A count of things that take at least `bytes_each`: one that cannot fit fails instead of making
  /// somebody allocate.
  size_t count(size_t bytes_each) {
    const uint64_t n = varint();
    if (n > left() / bytes_each) {
      fail();
      return 0;
    }
    return static_cast<size_t>(n);
  }
  void fail() {
    failed_ = true;
    at_ = end_;
  }

 private:
  uint64_t long_varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail();
    return 0;
  }
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  bool failed_ = false;
};

}  // namespace aerie::store
