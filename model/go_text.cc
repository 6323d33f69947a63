#include "model/go_text.h"

#include <charconv>
#include <cstddef>
#include <cstdint>

namespace aerie::model {
namespace {

/// Appends the escape at text[i] (behind the backslash), moves i behind it. False if it is no
/// escape of Go's.
bool append_escape(std::string_view text, size_t& i, std::string& out) {
  constexpr std::string_view kLetters = "abfnrtv\\'\"";
  constexpr std::string_view kMeaning = "\a\b\f\n\r\t\v\\'\"";
  const char c = text[i];
  if (const size_t known = kLetters.find(c); known != std::string_view::npos) {
    out += kMeaning[known];
    ++i;
    return true;
  }
  int base = 16;
  size_t digits = 0;
  if (c == 'x') digits = 2;
  if (c == 'u') digits = 4;
  if (c == 'U') digits = 8;
  if (digits > 0) ++i;
  if (c >= '0' && c <= '7') {
    base = 8;
    digits = 3;
  }
  if (digits == 0 || i + digits > text.size()) return false;
  uint32_t value = 0;
  const char* first = text.data() + i;
  const auto parsed = std::from_chars(first, first + digits, value, base);
  if (parsed.ec != std::errc() || parsed.ptr != first + digits) return false;
  i += digits;
  if (c == 'x' || base == 8) {
    if (value > 0xff) return false;
    out += static_cast<char>(value);
    return true;
  }
  if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return false;
  append_utf8(out, value);
  return true;
}

}  // namespace

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

std::optional<std::string> go_unquote(std::string_view quoted) {
  const std::string_view text = quoted.substr(1, quoted.size() - 2);
  if (quoted.front() == '`') return std::string(text);
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
      continue;
    }
    if (++i >= text.size() || !append_escape(text, i, out)) return std::nullopt;
  }
  return out;
}

}  // namespace aerie::model
