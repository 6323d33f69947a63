#include "store/checksum.h"

#include <cstring>

#include <fmt/core.h>
#include <xxhash.h>

#include "store/byte_io.h"

namespace aerie::store {

void append_checksum(std::string& bytes, uint64_t seed) {
  put_u64(bytes, XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed));
}

Result<std::string_view> without_checksum(std::string_view bytes, uint64_t seed) {
  uint64_t stored = 0;
  if (bytes.size() < sizeof stored)
    return Error(ErrorCode::Corruption,
                 fmt::format("record of {} bytes is too short", bytes.size()));
  const std::string_view content = bytes.substr(0, bytes.size() - sizeof stored);
  std::memcpy(&stored, bytes.data() + content.size(), sizeof stored);
  const uint64_t computed = XXH3_64bits_withSeed(content.data(), content.size(), seed);
  if (computed != stored)
    return Error(ErrorCode::Corruption,
                 fmt::format("checksum mismatch: want={:#018x} got={:#018x}", stored, computed));
  return content;
}

}  // namespace aerie::store
