#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aerie::model {

/// What a Go literal in double, single or back quotes means (strconv.Unquote); nothing if an escape
/// is wrong. `quoted` holds at least the two quotes.
std::optional<std::string> go_unquote(std::string_view quoted);

/// Appends one code point, at most U+10FFFF.
void append_utf8(std::string& out, uint32_t code_point);

}  // namespace aerie::model
