#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace aerie::alerting {

/// What a Go literal in double or single quotes means (strconv.Unquote); nothing if an escape is
/// wrong. `quoted` holds at least the two quotes.
std::optional<std::string> unquote(std::string_view quoted);

}  // namespace aerie::alerting
