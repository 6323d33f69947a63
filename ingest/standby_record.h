#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ingest/negotiation.h"

namespace aerie::ingest {

/// Who sent what a standby ring keeps.
struct StandbySender {
  std::string cluster;
  std::string group;
  std::string replica;
  auto operator<=>(const StandbySender&) const = default;
};

/// A standby's request as it came, acknowledged and not stored.
struct KeptRequest {
  std::string body;  ///< still compressed
  BodyKind kind;
  std::string binding;   ///< the name of the cluster whose credential it came with; empty: none
  int64_t until_ms = 0;  ///< wall clock; not needed any more after that
  bool operator==(const KeptRequest&) const = default;
};

/// One record of a ring's file. docs/formats/standby-ring.md.
struct StandbyRecord {
  StandbySender sender;
  KeptRequest request;
};

std::string encode_standby_record(const StandbySender& sender, const KeptRequest& request);
/// Reads the record at `offset` and moves `offset` behind it. Errors: Corruption; a record that is
/// cut off is one too.
Result<StandbyRecord> decode_standby_record(std::string_view file, size_t& offset);

}  // namespace aerie::ingest
