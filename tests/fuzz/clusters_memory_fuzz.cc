// The memory of verdicts and the timeline come from disk, the desired-state file from a user: any
// bytes are survived, and what was read once is written and read again without change.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "clusters/desired.h"
#include "clusters/kube_selector.h"
#include "clusters/timeline.h"
#include "clusters/verdict.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string once = aerie::clusters::Memory::decode(text).encode();
  if (aerie::clusters::Memory::decode(once).encode() != once) std::abort();
  if (const auto entry = aerie::clusters::TimelineEntry::decode(text)) {
    const std::string row = entry->encode();
    const auto again = aerie::clusters::TimelineEntry::decode(row);
    if (!again || again->encode() != row) std::abort();
  }
  // Comes from the network.
  aerie::clusters::KubeSelector::parse(text).ignore("any bytes are allowed");
  aerie::clusters::DesiredFile::parse("fuzz.yml", std::string(text), 0)
      .ignore("any bytes are allowed");
  return 0;
}
