#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aerie::store {

/// Appends the XXH3-64 of `bytes`, seeded: who writes samples cannot know the seed and so cannot
/// build collisions.
void append_checksum(std::string& bytes, uint64_t seed);
/// The bytes without their checksum. Errors: Corruption with both values.
Result<std::string_view> without_checksum(std::string_view bytes, uint64_t seed);

}  // namespace aerie::store
