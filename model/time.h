#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aerie::model {

/// Milliseconds since the Unix epoch, as on the wire; negative before 1970.
using TimestampMs = int64_t;
using DurationMs = int64_t;

inline constexpr TimestampMs kMinTimestamp = std::numeric_limits<int64_t>::min();
inline constexpr TimestampMs kMaxTimestamp = std::numeric_limits<int64_t>::max();

/// Both ends inclusive. Empty when `first > last`.
struct TimeRange {
  TimestampMs first = kMinTimestamp;
  TimestampMs last = kMaxTimestamp;

  bool contains(TimestampMs t) const { return first <= t && t <= last; }
  bool overlaps(const TimeRange& other) const { return first <= other.last && other.first <= last; }
  bool operator==(const TimeRange&) const = default;
};

/// Prometheus durations: `1h30m`, `0`, units y w d h m s ms, largest first. Errors: InvalidArgument
/// with Prometheus's texts
/// (`unknown unit "x" in duration "5x"`, `empty duration string`, `duration out of range`).
Result<DurationMs> parse_duration(std::string_view text);
/// The shortest form Prometheus prints: `1h30m`, `90d` as `90d`, `1w` only when it divides evenly,
/// `0s`.
std::string format_duration(DurationMs duration);
/// RFC 3339 in UTC with up to millisecond digits: `2026-11-20T10:00:00.5Z`.
std::string format_rfc3339(TimestampMs t);
/// Float seconds (`1435781451.781`) or RFC 3339 with any offset; rounded to milliseconds as
/// Prometheus does.
Result<TimestampMs> parse_timestamp(std::string_view text);

}  // namespace aerie::model
