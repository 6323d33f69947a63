#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/yaml_reader.h"
#include "store/erased_now.h"

namespace aerie::server {

/// The section `retention` of the configuration file. Errors: InvalidArgument with file and line.
Result<std::vector<store::ClusterRetention>> read_retention(const YamlNode& node);

/// Bytes as Prometheus writes them: `512MB`, `1.5GB`, `10GiB`, units of 1024 with or without the i,
/// several one after the other. Errors: InvalidArgument.
Result<uint64_t> parse_byte_size(std::string_view text);

}  // namespace aerie::server
