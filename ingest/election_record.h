#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "ingest/ha_tracker.h"

namespace aerie::ingest {

/// The table in which elections survive a restart; one row per group.
inline constexpr const char* kElectionsTable = "ha_elections";

/// Key: cluster, a zero byte, group. Value: `1 <epoch> <cut ms> <since ms> <replica>`.
std::string election_key(const HaGroup& group);
std::string encode_election(const Election& election);
/// Errors: Corruption.
Result<Election> decode_election(std::string_view key, std::string_view value);

}  // namespace aerie::ingest
