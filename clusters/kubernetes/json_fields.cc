#include "clusters/kubernetes/json_fields.h"

#include <array>
#include <boost/json/parse.hpp>
#include <charconv>
#include <chrono>
#include <utility>

namespace aerie::clusters::kubernetes {

namespace json = boost::json;

const json::object* object_at(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  return value ? value->if_object() : nullptr;
}

const json::array* array_at(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  return value ? value->if_array() : nullptr;
}

std::string_view text_at(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? std::string_view(text->data(), text->size()) : std::string_view();
}

std::optional<int64_t> integer_at(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  if (!value || !value->if_int64()) return std::nullopt;
  return value->get_int64();
}

bool flag_at(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  return value && value->if_bool() && value->get_bool();
}

Result<json::object> parse_object(std::string_view text) {
  json::parse_options options;
  options.max_depth = 64;
  json::error_code error;
  json::value value = json::parse(text, error, {}, options);
  if (error) return Error(ErrorCode::InvalidArgument, "no JSON: " + error.message());
  if (!value.is_object()) return Error(ErrorCode::InvalidArgument, "JSON, but no object");
  return std::move(value.get_object());
}

std::optional<int64_t> parse_time(std::string_view text) {
  // 2026-01-02T03:04:05Z; metav1.Time always writes UTC.
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text.size() <= kShape.size() || text.back() != 'Z') return std::nullopt;
  const auto number = [&](size_t at, size_t count) {
    int value = -1;
    const char* end = text.data() + at + count;
    return std::from_chars(text.data() + at, end, value).ptr == end ? value : -1;
  };
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return std::nullopt;
  }
  using namespace std::chrono;
  const year_month_day date(year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))),
                            day(static_cast<unsigned>(number(8, 2))));
  if (!date.ok()) return std::nullopt;
  const int64_t days = sys_days(date).time_since_epoch().count();
  return days * 86400 + number(11, 2) * 3600 + number(14, 2) * 60 + number(17, 2);
}

std::optional<double> parse_quantity(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 15> kUnits = {
      {{"", 1},
       {"n", 1e-9},
       {"u", 1e-6},
       {"m", 1e-3},
       {"k", 1e3},
       {"M", 1e6},
       {"G", 1e9},
       {"T", 1e12},
       {"P", 1e15},
       {"Ki", 1024.0},
       {"Mi", 1048576.0},
       {"Gi", 1073741824.0},
       {"Ti", 1099511627776.0},
       {"Pi", 1125899906842624.0},
       {"Ei", 1152921504606846976.0}}};
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || !(number >= -1e300 && number <= 1e300)) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(read.ptr - text.data()));
  for (const auto& [name, factor] : kUnits) {
    if (unit == name) return number * factor;
  }
  return std::nullopt;
}

}  // namespace aerie::clusters::kubernetes
