#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/partition_set.h"

namespace aerie::store {

/// What a record holds. docs/formats/log.md.
enum class RecordType : uint8_t { Batch = 1, Checkpoint = 2, Arrivals = 3 };

inline constexpr size_t kFrameHeaderBytes = 24;
inline constexpr size_t kSegmentHeaderBytes = 64;
inline constexpr uint32_t kLogFormatVersion = 1;

/// One record as it stands in a segment. `payload` points into the bytes it was read from.
struct LogFrame {
  LogPosition position = 0;
  LogPosition durable =
      0;  ///< the log was durable up to here when the record was written; <= position
  RecordType type = RecordType::Batch;
  uint16_t shard = 0;
  std::string_view payload;
  size_t bytes() const { return kFrameHeaderBytes + payload.size(); }
};

/// Appends header and payload of `frame`.
void append_frame(std::string& out, const LogFrame& frame);

/// The record at the beginning of `bytes` if it is whole, undamaged and belongs at `position`;
/// nothing otherwise.
std::optional<LogFrame> read_frame(std::string_view bytes, LogPosition position);

/// The first valid record behind the start of `bytes` (which stands at `position`) that proves the
/// log was durable beyond `position`. O(bytes).
std::optional<LogFrame> find_proof_of_damage(std::string_view bytes, LogPosition position);

/// The first valid record behind the start of `bytes`, whatever it proves. O(bytes).
std::optional<LogFrame> find_next_frame(std::string_view bytes, LogPosition position);

struct SegmentHeader {
  static constexpr uint32_t kOrigin = 1;      ///< nothing precedes this segment
  static constexpr uint32_t kCheckpoint = 2;  ///< begins with a complete checkpoint
  uint32_t flags = 0;
  uint64_t sequence = 0;
  LogPosition start = 0;
  uint64_t file_bytes = 0;
  bool operator==(const SegmentHeader&) const = default;
};

/// Exactly kSegmentHeaderBytes.
std::string encode_segment_header(const SegmentHeader& header);
/// Errors: Corruption (not a header, or damaged), InvalidArgument (format version from the future).
Result<SegmentHeader> decode_segment_header(std::string_view bytes);

}  // namespace aerie::store
