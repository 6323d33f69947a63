#include <cstddef>
#include <cstdint>
#include <string_view>

#include "alerting/template.h"

/// Any text is either refused or expanded within its bounds.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aerie;
  if (size > 4096) return 0;
  const auto parsed =
      alerting::Template::parse("fuzz", {reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  const model::Labels labels{{"__name__", "up"}, {"job", "node"}};
  alerting::TemplateEnvironment environment;
  environment.external_url = "http://localhost:9707";
  environment.query = [&](std::string_view) -> Result<std::vector<alerting::TemplateSample>> {
    return std::vector<alerting::TemplateSample>{{labels, 1}, {labels, 2.5}};
  };
  (void)parsed->expand_or_explain({labels, labels, 1.5}, environment);
  return 0;
}
