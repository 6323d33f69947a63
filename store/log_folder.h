#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/file_system.h"
#include "store/log_frame.h"

namespace aerie::store {

/// Names of the files in a log's folder, and what stands in the small ones. docs/formats/log.md.

/// Of preallocated files that wait to become segments.
inline constexpr std::string_view kSparePrefix = "spare-";

std::string segment_name(uint64_t sequence);
/// Nothing if `name` is not that of a segment.
std::optional<uint64_t> parse_segment_name(std::string_view name);

/// A stretch of the log that cannot be read.
struct LogLoss {
  std::string file;       ///< empty: no file holds it any more
  LogPosition first = 0;  ///< [first, end); equal: how much came before is not known
  LogPosition end = 0;
  uint64_t records = 0;     ///< 0: not known
  bool checkpoint = false;  ///< a checkpoint may have been in it: ids known before it mean nothing
  /// `0000000000000002.seg: records from position 64 to 96 are damaged: 32 bytes,
  /// 1 record lost`.
  std::string text() const;
};

/// The file `end`: the log was durable up to here. Written at every orderly close and into
/// snapshots, so that a lost or emptied last segment is not taken for a torn tail.
Status write_end_mark(FileSystem& files, const std::string& folder, LogPosition end);
/// 0 if there is none, or none that can be trusted: it is a lower bound, no more.
LogPosition read_end_mark(FileSystem& files, const std::string& folder);

}  // namespace aerie::store
