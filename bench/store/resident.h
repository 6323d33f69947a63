#pragma once

#include <cstdint>
#include <fstream>

namespace aerie::bench {

/// Resident memory of this process in millions of bytes; pages are 4 KiB.
inline double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * 4096 / 1e6;
}

}  // namespace aerie::bench
