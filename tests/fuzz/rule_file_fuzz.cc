#include <cstddef>
#include <cstdint>
#include <string_view>

#include "alerting/rule_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aerie;
  if (size > 8192) return 0;
  const auto groups =
      alerting::parse_rule_file({reinterpret_cast<const char*>(data), size}, "fuzz.yml");
  if (!groups) return 0;
  for (const alerting::GroupSpec& group : *groups) (void)group.fingerprint();
  return 0;
}
