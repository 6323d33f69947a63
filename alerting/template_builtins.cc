#include "alerting/template_builtins.h"

#include <fmt/format.h>

#include <optional>

#include "alerting/template_time.h"

namespace aerie::alerting {
namespace {

using Arguments = std::vector<TemplateValue>;
using Environment = TemplateEnvironment;

Error failure(std::string what) { return Error(ErrorCode::Execution, std::move(what)); }
TemplateValue text_value(std::string text) { return TemplateValue::of(std::move(text)); }

Result<TemplateValue> call_not(const Environment&, const Arguments& arguments) {
  return TemplateValue::of(!is_true(arguments[0]));
}

/// Never called: the evaluator runs `and` and `or` itself.
Result<TemplateValue> call_early_stop(const Environment&, const Arguments& arguments) {
  return arguments.back();
}

Result<TemplateValue> call_len(const Environment&, const Arguments& arguments) {
  const auto length = [](size_t n) { return TemplateValue::of(static_cast<int64_t>(n)); };
  if (const auto* text = arguments[0].as<std::string>()) return length(text->size());
  if (const auto* map = arguments[0].as<TemplateValue::MapPtr>())
    return length((*map)->values.size());
  if (const auto* list = arguments[0].as<TemplateValue::ListPtr>()) return length((*list)->size());
  if (arguments[0].is_nil()) return failure("len of nil pointer");
  return failure("len of type " + type_name(arguments[0]));
}

Result<TemplateValue> index_map(const TemplateMap& map, const TemplateValue& key) {
  const auto* name = key.as<std::string>();
  if (name == nullptr) {
    return failure(key.is_nil()
                       ? "value is nil; should be of type string"
                       : fmt::format("value has type {}; should be string", type_name(key)));
  }
  const auto found = map.values.find(*name);
  if (found != map.values.end()) return found->second;
  return map.of_strings ? text_value({}) : TemplateValue();
}

/// A position in something with `size` elements; `size` itself is allowed for slices.
Result<size_t> position_of(const TemplateValue& index, size_t size, bool may_be_end) {
  const auto* number = index.as<int64_t>();
  if (number == nullptr) {
    return failure(index.is_nil() ? "cannot index slice/array with nil"
                                  : "cannot index slice/array with type " + type_name(index));
  }
  if (*number < 0 || static_cast<uint64_t>(*number) >= size + (may_be_end ? 1 : 0)) {
    return failure(fmt::format("index out of range: {}", *number));
  }
  return static_cast<size_t>(*number);
}

Result<TemplateValue> call_index(const Environment&, const Arguments& arguments) {
  TemplateValue value = arguments[0];
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (const auto* map = value.as<TemplateValue::MapPtr>()) {
      auto element = index_map(**map, arguments[i]);
      if (!element) return element;
      value = std::move(*element);
    } else if (const auto* list = value.as<TemplateValue::ListPtr>()) {
      auto position = position_of(arguments[i], (*list)->size(), /*may_be_end=*/false);
      if (!position) return std::move(position).error();
      TemplateValue element = (**list)[*position];
      value = std::move(element);
    } else if (const auto* text = value.as<std::string>()) {
      auto position = position_of(arguments[i], text->size(), /*may_be_end=*/false);
      if (!position) return std::move(position).error();
      value =
          TemplateValue::of(static_cast<int64_t>(static_cast<unsigned char>((*text)[*position])));
    } else {
      return failure(value.is_nil() ? "index of untyped nil"
                                    : "can't index item of type " + type_name(value));
    }
  }
  return value;
}

Result<TemplateValue> call_slice(const Environment&, const Arguments& arguments) {
  const auto* text = arguments[0].as<std::string>();
  const auto* list = arguments[0].as<TemplateValue::ListPtr>();
  if (text == nullptr && list == nullptr) {
    return failure("can't slice item of type " + type_name(arguments[0]));
  }
  if (arguments.size() > 3)
    return failure(fmt::format("too many slice indexes: {}", arguments.size() - 1));
  const size_t size = text != nullptr ? text->size() : (*list)->size();
  size_t bounds[2] = {0, size};
  for (size_t i = 1; i < arguments.size(); ++i) {
    auto position = position_of(arguments[i], size, /*may_be_end=*/true);
    if (!position) return std::move(position).error();
    bounds[i - 1] = *position;
  }
  if (bounds[0] > bounds[1])
    return failure(fmt::format("invalid slice index: {} > {}", bounds[0], bounds[1]));
  if (text != nullptr) return text_value(text->substr(bounds[0], bounds[1] - bounds[0]));
  const auto first = (*list)->begin();
  auto part = std::make_shared<TemplateList>(first + static_cast<ptrdiff_t>(bounds[0]),
                                             first + static_cast<ptrdiff_t>(bounds[1]));
  return TemplateValue::of(TemplateValue::ListPtr(std::move(part)));
}

Result<TemplateValue> call_print(const Environment&, const Arguments& arguments) {
  return text_value(print_values(arguments, /*as_line=*/false));
}
Result<TemplateValue> call_println(const Environment&, const Arguments& arguments) {
  return text_value(print_values(arguments, /*as_line=*/true));
}
Result<TemplateValue> call_printf(const Environment&, const Arguments& arguments) {
  return text_value(
      format_values(*arguments[0].as<std::string>(), {arguments.begin() + 1, arguments.end()}));
}

Result<TemplateValue> call_html(const Environment&, const Arguments& arguments) {
  std::string out;
  for (const char c : print_values(arguments, /*as_line=*/false)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      case '\0': out += "\xef\xbf\xbd"; break;
      default: out += c;
    }
  }
  return text_value(std::move(out));
}

Result<TemplateValue> call_js(const Environment&, const Arguments& arguments) {
  std::string out;
  for (const char c : print_values(arguments, /*as_line=*/false)) {
    if (c == '\\' || c == '\'' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '<' || c == '>' || c == '&' || c == '=' ||
               static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return text_value(std::move(out));
}

Result<TemplateValue> call_urlquery(const Environment&, const Arguments& arguments) {
  return text_value(query_escape(print_values(arguments, /*as_line=*/false)));
}
Result<TemplateValue> call_call(const Environment&, const Arguments& arguments) {
  return failure("non-function of type " + type_name(arguments[0]));
}

bool is_basic(const TemplateValue& value) {
  return value.as<bool>() != nullptr || value.as<int64_t>() != nullptr ||
         value.as<double>() != nullptr || value.as<std::string>() != nullptr;
}

/// -1, 0, 1, or 2 when one of them is NaN. Go compares only values of one kind.
Result<int> compare(const TemplateValue& a, const TemplateValue& b, bool ordered) {
  if (!is_basic(a) || !is_basic(b)) {
    if (!ordered && a.is_nil() && b.is_nil()) return 0;
    if (!ordered && (a.is_nil() || b.is_nil())) return 1;
    return failure("invalid type for comparison");
  }
  if (a.data.index() != b.data.index()) return failure("incompatible types for comparison");
  if (ordered && a.as<bool>() != nullptr) return failure("invalid type for comparison");
  const auto order = [](const auto& x, const auto& y) {
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
  };
  if (const auto* x = a.as<int64_t>()) return order(*x, *b.as<int64_t>());
  if (const auto* x = a.as<double>()) return order(*x, *b.as<double>());
  if (const auto* x = a.as<bool>()) return order(*x, *b.as<bool>());
  return order(*a.as<std::string>(), *b.as<std::string>());
}

Result<TemplateValue> call_eq(const Environment&, const Arguments& arguments) {
  if (arguments.size() < 2) return failure("missing argument for comparison");
  for (size_t i = 1; i < arguments.size(); ++i) {
    auto order = compare(arguments[0], arguments[i], /*ordered=*/false);
    if (!order) return std::move(order).error();
    if (*order == 0) return TemplateValue::of(true);
  }
  return TemplateValue::of(false);
}
Result<TemplateValue> call_ne(const Environment&, const Arguments& arguments) {
  auto order = compare(arguments[0], arguments[1], /*ordered=*/false);
  if (!order) return std::move(order).error();
  return TemplateValue::of(*order != 0);
}

enum class Order { Less, LessOrEqual, Greater, GreaterOrEqual };
template <Order Wanted>
Result<TemplateValue> call_ordered(const Environment&, const Arguments& arguments) {
  auto order = compare(arguments[0], arguments[1], /*ordered=*/true);
  if (!order) return std::move(order).error();
  const bool less = *order == -1;
  const bool less_or_equal = less || *order == 0;
  // As Go defines them, with their odd answers for NaN: greater is "not less or equal".
  switch (Wanted) {
    case Order::Less: return TemplateValue::of(less);
    case Order::LessOrEqual: return TemplateValue::of(less_or_equal);
    case Order::Greater: return TemplateValue::of(!less_or_equal);
    case Order::GreaterOrEqual: return TemplateValue::of(!less);
  }
  return TemplateValue();
}

std::optional<Result<TemplateValue>> call_time_method(TemplateTime time, std::string_view name,
                                                      const Arguments& arguments) {
  const auto integer = [](int64_t value) { return TemplateValue::of(value); };
  if (name == "Format" && arguments.size() == 1 && arguments[0].as<std::string>() != nullptr) {
    return text_value(format_time(time, *arguments[0].as<std::string>()));
  }
  if (name == "Sub" && arguments.size() == 1 && arguments[0].as<TemplateTime>() != nullptr) {
    const int64_t difference = time.milliseconds - arguments[0].as<TemplateTime>()->milliseconds;
    return TemplateValue::of(TemplateDuration{difference * 1'000'000});
  }
  if (!arguments.empty()) return std::nullopt;
  const CivilTime civil = civil_time(time);
  if (name == "String") return text_value(time_text(time));
  if (name == "UTC") return TemplateValue::of(time);
  if (name == "Unix") return integer((time.milliseconds - civil.millisecond) / 1000);
  if (name == "UnixMilli") return integer(time.milliseconds);
  if (name == "Year") return integer(civil.year);
  if (name == "Month") return text_value(format_time(time, "January"));
  if (name == "Weekday") return text_value(format_time(time, "Monday"));
  if (name == "Day") return integer(civil.day);
  if (name == "YearDay") return integer(civil.year_day);
  if (name == "Hour") return integer(civil.hour);
  if (name == "Minute") return integer(civil.minute);
  if (name == "Second") return integer(civil.second);
  return std::nullopt;
}

}  // namespace

const std::vector<TemplateFunction>& builtin_functions() {
  using enum ParameterType;
  static const std::vector<TemplateFunction> functions = {
      {"and", {Any, Any}, true, call_early_stop},
      {"or", {Any, Any}, true, call_early_stop},
      {"not", {Any}, false, call_not},
      {"len", {Any}, false, call_len},
      {"index", {Any, Any}, true, call_index},
      {"slice", {Any, Any}, true, call_slice},
      {"print", {Any}, true, call_print},
      {"println", {Any}, true, call_println},
      {"printf", {String, Any}, true, call_printf},
      {"html", {Any}, true, call_html},
      {"js", {Any}, true, call_js},
      {"urlquery", {Any}, true, call_urlquery},
      {"call", {Any, Any}, true, call_call},
      {"eq", {Any, Any}, true, call_eq},
      {"ne", {Any, Any}, false, call_ne},
      {"lt", {Any, Any}, false, call_ordered<Order::Less>},
      {"le", {Any, Any}, false, call_ordered<Order::LessOrEqual>},
      {"gt", {Any, Any}, false, call_ordered<Order::Greater>},
      {"ge", {Any, Any}, false, call_ordered<Order::GreaterOrEqual>},
  };
  return functions;
}

std::optional<Result<TemplateValue>> call_method(const TemplateValue& receiver,
                                                 std::string_view name,
                                                 const std::vector<TemplateValue>& arguments) {
  if (const auto* time = receiver.as<TemplateTime>())
    return call_time_method(*time, name, arguments);
  const auto* duration = receiver.as<TemplateDuration>();
  if (duration == nullptr || !arguments.empty()) return std::nullopt;
  const auto ns = static_cast<double>(duration->nanoseconds);
  if (name == "String") return text_value(duration_text(*duration));
  if (name == "Seconds") return TemplateValue::of(ns / 1e9);
  if (name == "Minutes") return TemplateValue::of(ns / 60e9);
  if (name == "Hours") return TemplateValue::of(ns / 3600e9);
  if (name == "Milliseconds") return TemplateValue::of(duration->nanoseconds / 1'000'000);
  return std::nullopt;
}

}  // namespace aerie::alerting
