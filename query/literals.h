#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aerie::query {

inline constexpr uint32_t kMaxCodePoint = 0x10FFFF;

struct CodePoint {
  uint32_t value = 0;  ///< U+FFFD for a byte that is not UTF-8
  size_t width = 0;
};
/// The first code point of a text that is not empty.
CodePoint decode_utf8(std::string_view text);

/// How a `\x`, `\u`, `\U` or octal escape is written.
struct EscapeForm {
  int digits = 0;
  uint32_t base = 0;
  uint32_t largest = 0;
};
/// 0..15, or 16 for what is no digit.
uint32_t hex_digit(char c);

/// Go's %q of a rune, `'x'`, and %#U, `U+0078 'x'`. A negative one is shown as U+FFFD.
std::string go_quote_rune(int32_t c);
std::string describe_rune(int32_t c);

/// A number as PromQL writes it: decimal, hexadecimal, octal with a leading 0, `_` between digits,
/// Inf, NaN. Errors: InvalidArgument with Go's text (`strconv.ParseFloat: parsing "1e400": value
/// out of range`).
Result<double> parse_number(std::string_view text);

/// The value of a quoted string that the lexer accepted.
std::string unquote(std::string_view quoted);

/// Go's FormatFloat(value, 'f', -1, 64): shortest digits, never an exponent; NaN, +Inf, -Inf.
void append_float(std::string& out, double value);
/// Go's FormatFloat(value, 'e', -1, 64): `1e-07`.
void append_float_exponent(std::string& out, double value);
std::string format_float(double value);
/// Go's %v of a float64: shortest digits, exponent below 1e-4 and from 1e21 on.
std::string format_float_short(double value);

}  // namespace aerie::query
