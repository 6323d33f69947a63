#include "ingest/standby_record.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <utility>

namespace aerie::ingest {
namespace {

constexpr uint32_t kMagic = 0x31595253;  // "SRY1"
constexpr size_t kHeaderBytes = 16;      // magic, length of the rest, checksum of the rest
constexpr size_t kLongestRecord = 64u << 20;

template <class T>
void add_integer(std::string& bytes, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    bytes += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i));
}

void add_text(std::string& bytes, std::string_view text) {
  add_integer(bytes, static_cast<uint32_t>(text.size()));
  bytes += text;
}

template <class T>
bool take_integer(std::string_view& rest, T& value) {
  if (rest.size() < sizeof(T)) return false;
  uint64_t bits = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    bits |= static_cast<uint64_t>(static_cast<uint8_t>(rest[i])) << (8 * i);
  value = static_cast<T>(bits);
  rest.remove_prefix(sizeof(T));
  return true;
}

bool take_text(std::string_view& rest, std::string& text) {
  uint32_t size = 0;
  if (!take_integer(rest, size) || rest.size() < size) return false;
  text = rest.substr(0, size);
  rest.remove_prefix(size);
  return true;
}

Error broken(size_t offset, std::string_view what) {
  return Error(ErrorCode::Corruption,
               fmt::format("standby ring: record at offset={}: {}", offset, what));
}

}  // namespace

std::string encode_standby_record(const StandbySender& sender, const KeptRequest& request) {
  const std::string* const texts[] = {&sender.cluster, &sender.group, &sender.replica,
                                      &request.binding, &request.body};
  size_t length = 8 + 1 + 1;
  for (const std::string* text : texts) length += 4 + text->size();
  std::string record;
  record.reserve(kHeaderBytes + length);
  add_integer(record, kMagic);
  add_integer(record, static_cast<uint32_t>(length));
  add_integer(record, uint64_t{0});  // the checksum, below
  add_integer(record, request.until_ms);
  add_integer(record, static_cast<uint8_t>(request.kind.format));
  add_integer(record, static_cast<uint8_t>(request.kind.encoding));
  for (const std::string* text : texts) add_text(record, *text);
  const uint64_t checksum = XXH3_64bits(record.data() + kHeaderBytes, length);
  for (size_t i = 0; i < 8; ++i) record[8 + i] = static_cast<char>(checksum >> (8 * i));
  return record;
}

Result<StandbyRecord> decode_standby_record(std::string_view file, size_t& offset) {
  if (offset > file.size()) return broken(offset, "behind the end");
  std::string_view rest = file.substr(offset);
  uint32_t magic = 0;
  uint32_t length = 0;
  uint64_t checksum = 0;
  if (!take_integer(rest, magic) || !take_integer(rest, length) || !take_integer(rest, checksum))
    return broken(offset, "cut off");
  if (magic != kMagic) return broken(offset, "not a record");
  if (length > kLongestRecord || length > rest.size()) return broken(offset, "cut off");
  rest = rest.substr(0, length);
  if (XXH3_64bits(rest.data(), rest.size()) != checksum) return broken(offset, "checksum mismatch");
  StandbyRecord record;
  uint8_t format = 0;
  uint8_t encoding = 0;
  const bool good =
      take_integer(rest, record.request.until_ms) && take_integer(rest, format) &&
      take_integer(rest, encoding) && format <= static_cast<uint8_t>(WireFormat::Otlp) &&
      encoding <= static_cast<uint8_t>(BodyEncoding::Identity) &&
      take_text(rest, record.sender.cluster) && take_text(rest, record.sender.group) &&
      take_text(rest, record.sender.replica) && take_text(rest, record.request.binding) &&
      take_text(rest, record.request.body) && rest.empty();
  if (!good) return broken(offset, "not what we write");
  record.request.kind = {static_cast<WireFormat>(format), static_cast<BodyEncoding>(encoding)};
  offset += kHeaderBytes + length;
  return record;
}

}  // namespace aerie::ingest
