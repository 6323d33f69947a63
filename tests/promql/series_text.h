#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tests/promql/script.h"

namespace aerie::promqltest {

/// `metric{a="b"} 1 2+3x4 _ stale {{schema:1 sum:2}}`. Errors: InvalidArgument.
Result<SeriesLine> parse_series_line(std::string_view line);

/// A number alone on its line.
std::optional<double> parse_bare_number(std::string_view line);

/// `metric@st -1mx2 _`: when the counters of the line below began, each relative to its sample.
struct StartsLine {
  model::Labels labels;
  std::vector<std::optional<model::DurationMs>> before;
};
bool is_starts_line(std::string_view line);
/// Errors: InvalidArgument.
Result<StartsLine> parse_starts_line(std::string_view line);

}  // namespace aerie::promqltest
