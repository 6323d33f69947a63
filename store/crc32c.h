#pragma once

#include <cstdint>
#include <string_view>

namespace aerie::store {

/// CRC32C (Castagnoli), as in RFC 3720. Uses the processor's instruction where it has one.
/// Thread-safe.
uint32_t crc32c(std::string_view bytes);
/// Continues `crc` (a result of crc32c) over more bytes.
uint32_t crc32c_extend(uint32_t crc, std::string_view bytes);

}  // namespace aerie::store
