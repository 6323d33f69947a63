#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include "base/check.h"
#include "cli/openmetrics.h"
#include "cli/remote_read.h"

// What aeriectl reads from files and from other servers: any bytes give samples or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::istringstream in(text);
  aerie::cli::OpenMetricsReader reader(in);
  for (auto sample = reader.next(); sample && *sample; sample = reader.next()) {
    const auto labels = aerie::cli::parse_series((*sample)->series);
    if (labels)
      AERIE_CHECK(aerie::cli::parse_series((*sample)->series)->hash() == labels->hash(),
                  "the same twice");
  }
  reader.take_families();
  if (const auto series = aerie::cli::series_of_read_response(text)) {
    for (const std::string_view one : *series)
      aerie::cli::inspect_series(one).ignore("any answer will do");
  }
  return 0;
}
