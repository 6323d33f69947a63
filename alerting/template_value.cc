#include "alerting/template_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

#include "alerting/template_time.h"
#include "model/labels.h"

namespace aerie::alerting {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::string special_number(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

/// One `%` directive: flags, width and precision before its verb.
struct Directive {
  bool minus = false;
  bool plus = false;
  bool zero = false;
  bool space = false;
  bool sharp = false;
  size_t width = 0;
  std::optional<int> precision;
  char verb = 0;
};

constexpr size_t kMaxWidth = 1000;  // a template must not ask for a gigabyte of spaces

size_t read_number(std::string_view format, size_t& at) {
  size_t number = 0;
  while (at < format.size() && format[at] >= '0' && format[at] <= '9') {
    number = std::min<size_t>(number * 10 + static_cast<size_t>(format[at++] - '0'), kMaxWidth);
  }
  return number;
}

/// Reads behind the `%`; the verb stays 0 when the format ends first.
Directive read_directive(std::string_view format, size_t& at) {
  Directive directive;
  for (; at < format.size(); ++at) {
    const char c = format[at];
    if (c == '-') {
      directive.minus = true;
    } else if (c == '+') {
      directive.plus = true;
    } else if (c == '0') {
      directive.zero = true;
    } else if (c == ' ') {
      directive.space = true;
    } else if (c == '#') {
      directive.sharp = true;
    } else {
      break;
    }
  }
  directive.width = read_number(format, at);
  if (at < format.size() && format[at] == '.') {
    ++at;
    directive.precision = static_cast<int>(std::min<size_t>(read_number(format, at), 100));
  }
  if (at < format.size()) directive.verb = format[at++];
  return directive;
}

size_t character_count(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

/// Pads to the width; zeros go between sign and digits of a number.
std::string padded(std::string text, const Directive& directive, bool number) {
  const size_t have = character_count(text);
  if (have >= directive.width) return text;
  const size_t missing = directive.width - have;
  if (directive.minus) return text + std::string(missing, ' ');
  if (!directive.zero || !number) return std::string(missing, ' ') + text;
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
  return text.substr(0, sign) + std::string(missing, '0') + text.substr(sign);
}

std::string with_sign(std::string text, const Directive& directive) {
  if (text[0] == '-' || text[0] == '+') {
    if (text[0] == '+' && !directive.plus) return text;  // +Inf keeps its sign
    return text;
  }
  if (directive.plus) return "+" + text;
  if (directive.space) return " " + text;
  return text;
}

std::optional<std::string> format_integer(const Directive& directive, int64_t value) {
  std::string text;
  const uint64_t magnitude =
      value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  switch (directive.verb) {
    case 'v':
    case 'd': text = fmt::format("{}", magnitude); break;
    case 'b': text = fmt::format("{:b}", magnitude); break;
    case 'o': text = fmt::format("{:o}", magnitude); break;
    case 'x': text = fmt::format("{}{:x}", directive.sharp ? "0x" : "", magnitude); break;
    case 'X': text = fmt::format("{}{:X}", directive.sharp ? "0X" : "", magnitude); break;
    case 'U': return fmt::format("U+{:04X}", magnitude);
    case 'c':
      if (value < 0x20 || value > 0x7e) return std::nullopt;
      return padded(std::string(1, static_cast<char>(value)), directive, false);
    default: return std::nullopt;
  }
  if (value < 0) text.insert(0, "-");
  return padded(with_sign(std::move(text), directive), directive, true);
}

std::optional<std::string> format_real(const Directive& directive, double value) {
  std::string text;
  if (!std::isfinite(value)) {
    Directive plain = directive;
    plain.zero = false;
    if (std::string_view("vfFeEgG").find(directive.verb) == std::string_view::npos)
      return std::nullopt;
    return padded(with_sign(special_number(value), plain), plain, true);
  }
  char buffer[512];
  int length = 0;
  const int precision = directive.precision.value_or(6);
  switch (directive.verb) {
    case 'v':
    case 'g':
    case 'G':
      if (!directive.precision) {
        text = format_shortest(value);
        break;
      }
      length = std::snprintf(buffer, sizeof buffer, "%.*g", precision, value);
      break;
    case 'f':
    case 'F': length = std::snprintf(buffer, sizeof buffer, "%.*f", precision, value); break;
    case 'e':
    case 'E': length = std::snprintf(buffer, sizeof buffer, "%.*e", precision, value); break;
    default: return std::nullopt;
  }
  if (length > 0) text.assign(buffer, static_cast<size_t>(length));
  if (directive.verb == 'E' || directive.verb == 'G') {
    for (char& c : text) c = c == 'e' ? 'E' : c;
  }
  return padded(with_sign(std::move(text), directive), directive, true);
}

std::optional<std::string> format_text(const Directive& directive, std::string_view text) {
  if (directive.verb == 'q') return padded(model::go_quote(text), directive, false);
  if (directive.verb == 'x' || directive.verb == 'X') {
    std::string digits;
    for (const char c : text) {
      digits += directive.verb == 'x' ? fmt::format("{:02x}", static_cast<unsigned char>(c))
                                      : fmt::format("{:02X}", static_cast<unsigned char>(c));
    }
    return padded(std::move(digits), directive, false);
  }
  if (directive.verb != 's' && directive.verb != 'v') return std::nullopt;
  if (directive.precision) {
    size_t end = 0;
    for (int left = *directive.precision; end < text.size(); ++end) {
      const bool begins = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
      if (begins && left-- == 0) break;
    }
    text = text.substr(0, end);
  }
  return padded(std::string(text), directive, false);
}

/// Nothing when the verb does not fit the value.
std::optional<std::string> format_one(const Directive& directive, const TemplateValue& value) {
  if (directive.verb == 'T')
    return padded(value.is_nil() ? "<nil>" : type_name(value), directive, false);
  if (const auto* integer = value.as<int64_t>()) return format_integer(directive, *integer);
  if (const auto* real = value.as<double>()) return format_real(directive, *real);
  if (const auto* text = value.as<std::string>()) return format_text(directive, *text);
  if (value.as<bool>() != nullptr) {
    if (directive.verb != 't' && directive.verb != 'v') return std::nullopt;
    return padded(print_value(value), directive, false);
  }
  if (directive.verb == 'v' || (directive.verb == 's' && !value.is_nil())) {
    return padded(value.is_nil() ? "<nil>" : print_value(value), directive, false);
  }
  return std::nullopt;
}

std::string typed(const TemplateValue& value) {
  if (value.is_nil()) return "<nil>";
  return type_name(value) + "=" + print_value(value);
}

}  // namespace

std::string type_name(const TemplateValue& value) {
  return std::visit(
      Overloaded{
          [](std::monostate) { return std::string("nil"); },
          [](bool) { return std::string("bool"); }, [](int64_t) { return std::string("int"); },
          [](double) { return std::string("float64"); },
          [](const std::string&) { return std::string("string"); },
          [](TemplateTime) { return std::string("*time.Time"); },
          [](TemplateDuration) { return std::string("*time.Duration"); },
          [](const TemplateValue::MapPtr& map) {
            return std::string(map->of_strings ? "map[string]string" : "map[string]interface {}");
          },
          [](const TemplateValue::ListPtr&) { return std::string("template.queryResult"); },
          [](const TemplateValue::StructPtr& object) { return object->type_name; }},
      value.data);
}

bool is_true(const TemplateValue& value) {
  return std::visit(
      Overloaded{[](std::monostate) { return false; }, [](bool truth) { return truth; },
                 [](int64_t number) { return number != 0; },
                 [](double number) { return number != 0; },
                 [](const std::string& text) { return !text.empty(); },
                 [](const TemplateValue::MapPtr& map) { return !map->values.empty(); },
                 [](const TemplateValue::ListPtr& list) { return !list->empty(); },
                 [](const auto&) { return true; }},
      value.data);
}

std::string print_value(const TemplateValue& value) {
  return std::visit(
      Overloaded{[](std::monostate) { return std::string("<no value>"); },
                 [](bool truth) { return std::string(truth ? "true" : "false"); },
                 [](int64_t number) { return std::to_string(number); },
                 [](double number) { return format_shortest(number); },
                 [](const std::string& text) { return text; },
                 [](TemplateTime time) { return time_text(time); },
                 [](TemplateDuration duration) { return duration_text(duration); },
                 [](const TemplateValue::MapPtr& map) {
                   std::string out;
                   for (const auto& [key, element] : map->values) {
                     out += (out.empty() ? "" : " ") + key + ":" + print_value(element);
                   }
                   return "map[" + out + "]";
                 },
                 [](const TemplateValue::ListPtr& list) {
                   std::string out;
                   for (const TemplateValue& element : *list)
                     out += (out.empty() ? "" : " ") + print_value(element);
                   return "[" + out + "]";
                 },
                 [](const TemplateValue::StructPtr& object) {
                   std::string out;
                   for (size_t i = 0; i < object->fields.size(); ++i) {
                     out += (i == 0 ? "" : " ") + print_value(object->fields[i].second);
                   }
                   return (object->type_name.starts_with('*') ? "&{" : "{") + out + "}";
                 }},
      value.data);
}

std::string print_values(const std::vector<TemplateValue>& values, bool as_line) {
  std::string out;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool strings = values[i].as<std::string>() != nullptr ||
                         (i > 0 && values[i - 1].as<std::string>() != nullptr);
    if (i > 0 && (as_line || !strings)) out += ' ';
    out += values[i].is_nil() ? "<nil>" : print_value(values[i]);
  }
  if (as_line) out += '\n';
  return out;
}

std::string format_values(std::string_view format, const std::vector<TemplateValue>& values) {
  std::string out;
  size_t used = 0;
  for (size_t at = 0; at < format.size();) {
    const size_t percent = std::min(format.find('%', at), format.size());
    out += format.substr(at, percent - at);
    at = percent;
    if (at >= format.size()) break;
    ++at;
    const Directive directive = read_directive(format, at);
    if (directive.verb == 0) {
      out += "%!(NOVERB)";
    } else if (directive.verb == '%') {
      out += '%';
    } else if (used >= values.size()) {
      out += fmt::format("%!{}(MISSING)", directive.verb);
    } else {
      const TemplateValue& value = values[used++];
      const auto text = format_one(directive, value);
      out += text ? *text : fmt::format("%!{}({})", directive.verb, typed(value));
    }
  }
  if (used < values.size()) {
    std::string extra;
    for (; used < values.size(); ++used) extra += (extra.empty() ? "" : ", ") + typed(values[used]);
    out += "%!(EXTRA " + extra + ")";
  }
  return out;
}

std::string format_shortest(double value) {
  if (!std::isfinite(value)) return special_number(value);
  char buffer[64];
  const auto written =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view scientific(buffer, static_cast<size_t>(written.ptr - buffer));
  const size_t mark = scientific.find('e');
  int exponent = 0;
  const std::string_view power = scientific.substr(mark + (scientific[mark + 1] == '+' ? 2 : 1));
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (exponent < -4 || exponent >= 6) return std::string(scientific);
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  return std::string(buffer, fixed.ptr);
}

std::string format_general(double value, int precision) {
  if (!std::isfinite(value)) return special_number(value);
  char buffer[64];
  const int length = std::snprintf(buffer, sizeof buffer, "%.*g", std::min(precision, 40), value);
  return std::string(buffer, static_cast<size_t>(length));
}

}  // namespace aerie::alerting
