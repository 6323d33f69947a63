#pragma once

#include <cstdint>

namespace aerie::server {

/// Bytes of memory that this process may use: what the machine has, or less if its control group
/// (v2) says so. Reads files of the kernel.
uint64_t usable_memory_bytes();

}  // namespace aerie::server
