#pragma once

#include <string>

namespace aerie {

/// The process_* families of this process in Prometheus text format, read from /proc/self; what
/// cannot be read is left out. Names and units: Prometheus client guidelines, "process metrics".
/// Thread-safe.
std::string process_metrics();

}  // namespace aerie
