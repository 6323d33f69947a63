#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace aerie::alerting {

struct TemplateValue;

/// Go's map[string]string or map[string]any.
struct TemplateMap {
  bool of_strings = true;  ///< a missing key is "" rather than nil
  std::map<std::string, TemplateValue, std::less<>> values;
};
using TemplateList = std::vector<TemplateValue>;
/// A Go struct: fields in order.
struct TemplateStruct {
  std::string type_name;  ///< as Go prints it in error texts
  std::vector<std::pair<std::string, TemplateValue>> fields;
};
struct TemplateTime {
  int64_t milliseconds = 0;  ///< since the Unix epoch, always UTC
};
struct TemplateDuration {
  int64_t nanoseconds = 0;
};

/// What a template computes with: the Go values that rules can meet. A value type, cheap to copy.
struct TemplateValue {
  using MapPtr = std::shared_ptr<const TemplateMap>;
  using ListPtr = std::shared_ptr<const TemplateList>;
  using StructPtr = std::shared_ptr<const TemplateStruct>;
  std::variant<std::monostate, bool, int64_t, double, std::string, TemplateTime, TemplateDuration,
               MapPtr, ListPtr, StructPtr>
      data;

  TemplateValue() = default;
  template <class T>
  static TemplateValue of(T value) {
    TemplateValue result;
    result.data = std::move(value);
    return result;
  }
  template <class T>
  const T* as() const {
    return std::get_if<T>(&data);
  }
  bool is_nil() const { return as<std::monostate>() != nullptr; }
};

/// The Go type: `float64`, `map[string]string`, `nil`.
std::string type_name(const TemplateValue& value);
/// Whether `if` takes its branch.
bool is_true(const TemplateValue& value);

/// Go's `%v`: shortest digits for numbers, `map[a:b]`, `[x y]`.
std::string print_value(const TemplateValue& value);
/// Go's fmt.Sprint and fmt.Sprintln: a space between operands when neither is a string (Sprintln:
/// always).
std::string print_values(const std::vector<TemplateValue>& values, bool as_line);
/// Go's fmt.Sprintf for the verbs %v %s %q %d %b %o %x %X %c %U %t %T %f %F %e %E %g %G %% with
/// flags, width, precision, `*` and argument indexes left out. Misuse prints what Go prints:
/// `%!d(float64=1.5)`, `%!s(MISSING)`, `%!(EXTRA int=1)`.
std::string format_values(std::string_view format, const std::vector<TemplateValue>& values);

/// Go's strconv.FormatFloat(value, 'g', -1, 64): shortest digits; exponent form below 1e-4 and from
/// 1e+06 on.
std::string format_shortest(double value);
/// Go's fmt with `%.<precision>g`; NaN, +Inf, -Inf as Go writes them.
std::string format_general(double value, int precision);

}  // namespace aerie::alerting
