#include "query/literals.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "model/go_text.h"
#include "model/labels.h"

namespace aerie::query {
namespace {

constexpr uint32_t kReplacementRune = 0xFFFD;

bool is_decimal(char c) { return c >= '0' && c <= '9'; }

/// Go: underscores stand between digits only, or between a base prefix and a digit.
bool underscores_ok(std::string_view text) {
  char before = '^';
  size_t i = 0;
  bool hex = false;
  if (text.size() >= 2 && text[0] == '0') {
    const char prefix = static_cast<char>(text[1] | 0x20);
    if (prefix == 'b' || prefix == 'o' || prefix == 'x') {
      i = 2;
      before = '0';
      hex = prefix == 'x';
    }
  }
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (is_decimal(c) || (hex && hex_digit(c) < 16)) {
      before = '0';
    } else if (c == '_') {
      if (before != '0') return false;
      before = '_';
    } else {
      if (before == '_') return false;
      before = '!';
    }
  }
  return before != '_';
}

std::string without_underscores(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != '_') out += c;
  }
  return out;
}

/// Go's ParseInt(text, 0, 64) for unsigned input.
std::optional<int64_t> parse_integer(std::string_view text) {
  std::string digits = without_underscores(text);
  int base = 10;
  size_t prefix = 0;
  if (digits.size() > 1 && digits[0] == '0') {
    const bool hex = digits[1] == 'x' || digits[1] == 'X';
    base = hex ? 16 : 8;
    prefix = hex ? 2 : 1;
  }
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data() + prefix, end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

}  // namespace

CodePoint decode_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  size_t width = 0;
  uint32_t value = 0;
  if (lead >= 0xc2 && lead <= 0xdf) {
    width = 2;
    value = lead & 0x1f;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    width = 3;
    value = lead & 0x0f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    width = 4;
    value = lead & 0x07;
  }
  if (width == 0 || text.size() < width) return {kReplacementRune, 1};
  for (size_t i = 1; i < width; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {kReplacementRune, 1};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  const uint32_t least = width == 2 ? 0x80 : width == 3 ? 0x800 : 0x10000;
  if (value < least || value > kMaxCodePoint || (value >= 0xD800 && value < 0xE000))
    return {kReplacementRune, 1};
  return {value, width};
}

uint32_t hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint32_t>(c - '0');
  const char low = static_cast<char>(c | 0x20);
  if (low >= 'a' && low <= 'f') return static_cast<uint32_t>(low - 'a' + 10);
  return 16;
}

std::string go_quote_rune(int32_t c) {
  const uint32_t rune = c < 0 ? kReplacementRune : static_cast<uint32_t>(c);
  if (rune == '\'') return R"('\'')";
  if (rune == '"') return R"('"')";
  std::string utf8;
  model::append_utf8(utf8, rune);
  std::string quoted = model::go_quote(utf8);
  quoted.front() = '\'';
  quoted.back() = '\'';
  return quoted;
}

std::string describe_rune(int32_t c) {
  const uint32_t rune = c < 0 ? kReplacementRune : static_cast<uint32_t>(c);
  std::string utf8;
  model::append_utf8(utf8, rune);
  const bool printable =
      model::go_quote(utf8).find('\\') == std::string::npos || rune == '"' || rune == '\\';
  return printable ? fmt::format("U+{:04X} '{}'", rune, utf8) : fmt::format("U+{:04X}", rune);
}

Result<double> parse_number(std::string_view text) {
  const auto fail = [&](std::string_view reason) {
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("strconv.ParseFloat: parsing {}: {}", model::go_quote(text), reason));
  };
  if (equals_ignoring_case(text, "inf")) return std::numeric_limits<double>::infinity();
  if (equals_ignoring_case(text, "nan")) return std::numeric_limits<double>::quiet_NaN();
  if (!underscores_ok(text)) return fail("invalid syntax");
  if (const auto integer = parse_integer(text)) return static_cast<double>(*integer);
  const std::string digits = without_underscores(text);
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (stop != end || error == std::errc::invalid_argument) return fail("invalid syntax");
  if (error == std::errc::result_out_of_range) {
    const size_t exponent = digits.find_first_of("eE");
    const bool tiny = exponent != std::string::npos && digits[exponent + 1] == '-';
    if (tiny) return 0.0;  // too small is zero; only too large is an error
    return fail("value out of range");
  }
  return value;
}

std::string unquote(std::string_view quoted) {
  return model::go_unquote(quoted).value_or(std::string());
}

void append_float(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    return;
  }
  char buffer[40];
  if (const double size = std::fabs(value); size == 0 || (size >= 1e-5 && size < 1e15)) {
    const auto done =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
    out.append(buffer, done.ptr);
    return;
  }
  // Larger numbers: to_chars would print all digits of the binary value, Go pads the shortest ones.
  const auto done =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<size_t>(done.ptr - buffer));
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const size_t mark = text.find('e');
  int exponent = 0;
  const std::string_view power = text.substr(mark + (text[mark + 1] == '+' ? 2 : 1));
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  std::string digits(1, text.front());
  if (mark > 2) digits += text.substr(2, mark - 2);
  if (exponent < 0) {
    out += "0.";
    out.append(static_cast<size_t>(-exponent - 1), '0');
    out += digits;
    return;
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    out += digits;
    out.append(whole - digits.size(), '0');
  } else {
    out.append(digits, 0, whole).append(".").append(digits, whole);
  }
}

void append_float_exponent(std::string& out, double value) {
  if (!std::isfinite(value)) return append_float(out, value);
  char buffer[40];
  const auto done =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  out.append(buffer, done.ptr);
}

std::string format_float(double value) {
  std::string out;
  append_float(out, value);
  return out;
}

std::string format_float_short(double value) {
  const double size = std::fabs(value);
  std::string out;
  if (size == 0 || (size >= 1e-4 && size < 1e21)) {
    append_float(out, value);
  } else {
    append_float_exponent(out, value);
  }
  return out;
}

}  // namespace aerie::query
