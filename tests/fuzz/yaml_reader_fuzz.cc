#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/yaml_reader.h"

namespace {

/// Visits everything that a reader could ask for.
void walk(const aerie::YamlNode& node) {
  node.as_string().ignore("fuzz");
  node.as_integer().ignore("fuzz");
  node.as_number().ignore("fuzz");
  node.as_boolean().ignore("fuzz");
  node.expect_keys({"groups", "name"}).ignore("fuzz");
  if (const auto items = node.as_sequence()) {
    for (const aerie::YamlNode& item : *items) walk(item);
  }
  if (const auto entries = node.as_map()) {
    for (const aerie::YamlEntry& entry : *entries) walk(entry.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Larger inputs find nothing new, but walking expanded aliases takes its time.
  if (size > 4096) return 0;
  const auto node = aerie::YamlNode::parse({reinterpret_cast<const char*>(data), size}, "fuzz.yml");
  if (node) walk(*node);
  return 0;
}
