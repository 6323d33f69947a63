#pragma once

#include <string_view>

#include "tests/promql/script.h"

namespace aerie::promqltest {

/// `metric{a="b"} 1 2+3x4 _ stale {{schema:1 sum:2}}`. Errors: InvalidArgument.
Result<SeriesLine> parse_series_line(std::string_view line);

/// A number alone on its line.
std::optional<double> parse_bare_number(std::string_view line);

/// `metric@st -1mx2 _`: start timestamps of the line below. They are checked for form and not kept:
/// samples of aerie have none yet.
bool is_start_timestamp_line(std::string_view line);
Status check_start_timestamp_line(std::string_view line);

}  // namespace aerie::promqltest
