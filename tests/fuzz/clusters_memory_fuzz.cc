// The memory of verdicts comes from disk, the desired-state file from a user: any bytes are
// survived, and what was read once is written and read again without change.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "clusters/desired.h"
#include "clusters/verdict.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string once = aerie::clusters::Memory::decode(text).encode();
  if (aerie::clusters::Memory::decode(once).encode() != once) std::abort();
  aerie::clusters::DesiredFile::parse("fuzz.yml", std::string(text), 0)
      .ignore("any bytes are allowed");
  return 0;
}
