#pragma once

#include <string_view>

#include "base/result.h"
#include "base/yaml_reader.h"
#include "model/time.h"
#include "server/config.h"

namespace aerie::server {

/// Reads what a configuration file says about who may write and how: `clusters`, `ha`, `limits`.
/// Errors: InvalidArgument `file:line:column: what was expected`.
Status read_ingest(const YamlNode& root, Config& config);

/// A Prometheus duration under `key`, or the fallback.
Result<model::DurationMs> get_duration(const YamlNode& map, std::string_view key,
                                       model::DurationMs fallback);

}  // namespace aerie::server
