#include "alerting/template_functions.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "alerting/template_builtins.h"
#include "alerting/template_time.h"
#include "model/time.h"

namespace aerie::alerting {
namespace {

using Arguments = std::vector<TemplateValue>;
using Environment = TemplateEnvironment;

TemplateValue text_value(std::string text) { return TemplateValue::of(std::move(text)); }
Error failure(std::string what) { return Error(ErrorCode::Execution, std::move(what)); }
const std::string& text_of(const TemplateValue& value) { return *value.as<std::string>(); }

const TemplateValue* field_of(const TemplateValue& object, std::string_view name) {
  const auto* pointer = object.as<TemplateValue::StructPtr>();
  if (pointer == nullptr) return nullptr;
  for (const auto& [field, value] : (*pointer)->fields) {
    if (field == name) return &value;
  }
  return nullptr;
}

std::string label_of(const TemplateValue& sample, std::string_view name) {
  const TemplateValue* labels = field_of(sample, "Labels");
  if (labels == nullptr) return {};
  const auto* map = labels->as<TemplateValue::MapPtr>();
  if (map == nullptr) return {};
  const auto found = (*map)->values.find(name);
  return found == (*map)->values.end() ? std::string() : text_of(found->second);
}

/// Go's strconv.ParseFloat for decimal numbers, inf and nan.
Result<double> parse_float(const std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value);
  if (parsed.ptr == end && parsed.ec == std::errc() && !digits.empty()) return value;
  const std::string quoted = model::go_quote(text);
  if (parsed.ptr == end && parsed.ec == std::errc::result_out_of_range) {
    return failure(fmt::format("strconv.ParseFloat: parsing {}: value out of range", quoted));
  }
  return failure(fmt::format("strconv.ParseFloat: parsing {}: invalid syntax", quoted));
}

Result<double> to_number(const TemplateValue& value) {
  if (const auto* real = value.as<double>()) return *real;
  if (const auto* integer = value.as<int64_t>()) return static_cast<double>(*integer);
  if (const auto* text = value.as<std::string>()) return parse_float(*text);
  if (const auto* duration = value.as<TemplateDuration>()) {
    return static_cast<double>(duration->nanoseconds) / 1e9;
  }
  return failure(
      fmt::format("can't convert {} to float", value.is_nil() ? "<nil>" : type_name(value)));
}

constexpr std::array<std::string_view, 8> kSmallPrefixes = {"m", "u", "n", "p", "f", "a", "z", "y"};

/// Divides by `base` up the prefixes, or multiplies by 1000 down the small ones.
std::string scaled(double value, double base, const std::array<std::string_view, 8>& prefixes) {
  std::string_view prefix;
  for (const std::string_view candidate : prefixes) {
    if (std::abs(value) < base) break;
    prefix = candidate;
    value /= base;
  }
  return format_general(value, 4).append(prefix);
}
std::string scaled_down(double value) {
  std::string_view prefix;
  for (const std::string_view candidate : kSmallPrefixes) {
    if (std::abs(value) >= 1) break;
    prefix = candidate;
    value *= 1000;
  }
  return format_general(value, 4).append(prefix);
}

std::string humanize(double value) {
  if (value == 0 || !std::isfinite(value)) return format_general(value, 4);
  if (std::abs(value) < 1) return scaled_down(value);
  return scaled(value, 1000, {"k", "M", "G", "T", "P", "E", "Z", "Y"});
}

std::string humanize_1024(double value) {
  if (std::abs(value) <= 1 || !std::isfinite(value)) return format_general(value, 4);
  return scaled(value, 1024, {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"});
}

std::string humanize_duration(double value) {
  if (!std::isfinite(value)) return format_general(value, 4);
  if (value == 0) return "0s";
  if (std::abs(value) < 1) return scaled_down(value) + "s";
  const std::string_view sign = value < 0 ? "-" : "";
  value = std::abs(value);
  // Beyond 64 bits the units mean nothing any more.
  const auto seconds = static_cast<int64_t>(std::min(value, 9e18));
  const int64_t minutes = seconds / 60;
  if (seconds >= 86400) {
    return fmt::format("{}{}d {}h {}m {}s", sign, seconds / 86400, minutes / 60 % 24, minutes % 60,
                       seconds % 60);
  }
  if (seconds >= 3600)
    return fmt::format("{}{}h {}m {}s", sign, minutes / 60, minutes % 60, seconds % 60);
  if (seconds >= 60) return fmt::format("{}{}m {}s", sign, minutes, seconds % 60);
  return fmt::format("{}{}s", sign, format_general(value, 4));
}

Result<TemplateTime> to_time(double seconds) {
  const double nanoseconds = seconds * 1e9;
  if (!(std::abs(nanoseconds) < static_cast<double>(std::numeric_limits<int64_t>::max()))) {
    return failure(
        fmt::format("{} cannot be represented as a nanoseconds timestamp since it overflows int64",
                    format_shortest(seconds)));
  }
  // Cut to milliseconds by integer division, as Prometheus does: the double's last bits show.
  return TemplateTime{static_cast<int64_t>(nanoseconds) / 1'000'000};
}

template <std::string (*Function)(double)>
Result<TemplateValue> number_to_text(const Environment&, const Arguments& arguments) {
  auto number = to_number(arguments[0]);
  if (!number) return std::move(number).error();
  return text_value(Function(*number));
}

Result<TemplateValue> call_humanize_timestamp(const Environment&, const Arguments& arguments) {
  auto number = to_number(arguments[0]);
  if (!number) return std::move(number).error();
  if (!std::isfinite(*number)) return text_value(format_general(*number, 4));
  auto time = to_time(*number);
  if (!time) return std::move(time).error();
  return text_value(time_text(*time));
}

Result<TemplateValue> call_to_time(const Environment&, const Arguments& arguments) {
  auto number = to_number(arguments[0]);
  if (!number) return std::move(number).error();
  if (!std::isfinite(*number)) return failure("value is NaN or Inf");
  auto time = to_time(*number);
  if (!time) return std::move(time).error();
  return TemplateValue::of(*time);
}

Result<TemplateValue> call_to_duration(const Environment&, const Arguments& arguments) {
  auto number = to_number(arguments[0]);
  if (!number) return std::move(number).error();
  auto time = to_time(*number);
  if (!std::isfinite(*number) || !time) return failure("value is NaN, Inf or too large");
  return TemplateValue::of(TemplateDuration{static_cast<int64_t>(*number * 1e9)});
}

Result<TemplateValue> call_query(const Environment& environment, const Arguments& arguments) {
  if (!environment.query) return failure("query is not available here");
  auto samples = environment.query(text_of(arguments[0]));
  if (!samples) return std::move(samples).error();
  auto list = std::make_shared<TemplateList>();
  for (const TemplateSample& sample : *samples) list->push_back(sample_value(sample));
  return TemplateValue::of(TemplateValue::ListPtr(std::move(list)));
}

Result<TemplateValue> call_first(const Environment&, const Arguments& arguments) {
  const auto& list = **arguments[0].as<TemplateValue::ListPtr>();
  if (list.empty()) return failure("first() called on vector with no elements");
  return list.front();
}

Result<TemplateValue> call_label(const Environment&, const Arguments& arguments) {
  return text_value(label_of(arguments[1], text_of(arguments[0])));
}
Result<TemplateValue> call_value(const Environment&, const Arguments& arguments) {
  const TemplateValue* value = field_of(arguments[0], "Value");
  return value == nullptr ? TemplateValue() : *value;
}
Result<TemplateValue> call_strvalue(const Environment&, const Arguments& arguments) {
  return text_value(label_of(arguments[0], "__value__"));
}

Result<TemplateValue> call_sort_by_label(const Environment&, const Arguments& arguments) {
  auto sorted = std::make_shared<TemplateList>(**arguments[1].as<TemplateValue::ListPtr>());
  const std::string& name = text_of(arguments[0]);
  std::stable_sort(sorted->begin(), sorted->end(),
                   [&](const TemplateValue& a, const TemplateValue& b) {
                     return label_of(a, name) < label_of(b, name);
                   });
  return TemplateValue::of(TemplateValue::ListPtr(std::move(sorted)));
}

Result<TemplateValue> call_args(const Environment&, const Arguments& arguments) {
  auto map = std::make_shared<TemplateMap>();
  map->of_strings = false;
  for (size_t i = 0; i < arguments.size(); ++i)
    map->values["arg" + std::to_string(i)] = arguments[i];
  return TemplateValue::of(TemplateValue::MapPtr(std::move(map)));
}

Error bad_pattern(const RE2& pattern) {
  return failure(fmt::format("regexp: Compile(`{}`): error parsing regexp: {}", pattern.pattern(),
                             pattern.error()));
}
RE2::Options pattern_options() {
  RE2::Options options;
  options.set_log_errors(false);
  return options;
}

Result<TemplateValue> call_match(const Environment&, const Arguments& arguments) {
  const RE2 pattern(text_of(arguments[0]), pattern_options());
  if (!pattern.ok()) return failure(fmt::format("error parsing regexp: {}", pattern.error()));
  return TemplateValue::of(RE2::PartialMatch(text_of(arguments[1]), pattern));
}

/// Expands `$1`, `$name`, `${name}` and `$$` of Go's replacement texts. A name takes as many
/// letters as it can.
std::string expand_replacement(std::string_view text, const RE2& pattern,
                               const std::vector<re2::StringPiece>& groups) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '$' || i + 1 >= text.size()) {
      out += text[i++];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      i += 2;
      continue;
    }
    const bool braced = text[i + 1] == '{';
    const size_t start = i + (braced ? 2 : 1);
    size_t end = start;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
      ++end;
    if (end == start || (braced && (end >= text.size() || text[end] != '}'))) {
      out += text[i++];
      continue;
    }
    const std::string name(text.substr(start, end - start));
    size_t group = groups.size();
    const auto number = std::from_chars(name.data(), name.data() + name.size(), group);
    if (number.ptr != name.data() + name.size()) {
      const auto named = pattern.NamedCapturingGroups().find(name);
      group = named == pattern.NamedCapturingGroups().end() ? groups.size()
                                                            : static_cast<size_t>(named->second);
    }
    if (group < groups.size()) out.append(groups[group].data(), groups[group].size());
    i = end + (braced ? 1 : 0);
  }
  return out;
}

Result<TemplateValue> call_replace_all(const Environment&, const Arguments& arguments) {
  const RE2 pattern(text_of(arguments[0]), pattern_options());
  if (!pattern.ok()) return bad_pattern(pattern);
  const std::string& text = text_of(arguments[2]);
  std::vector<re2::StringPiece> groups(static_cast<size_t>(pattern.NumberOfCapturingGroups()) + 1);
  std::string out;
  size_t at = 0;
  size_t copied = 0;
  while (at <= text.size() && pattern.Match(text, at, text.size(), RE2::UNANCHORED, groups.data(),
                                            static_cast<int>(groups.size()))) {
    const auto begin = static_cast<size_t>(groups[0].data() - text.data());
    const size_t end = begin + groups[0].size();
    // Go takes no empty match right behind the last match.
    if (end > begin || begin > copied || begin == 0) {
      out.append(text, copied, begin - copied);
      out += expand_replacement(text_of(arguments[1]), pattern, groups);
      copied = end;
    }
    at = end > at ? end : at + 1;
    if (end == begin && at == end) ++at;
    if (out.size() > (1u << 20)) return failure("the result is too large");
  }
  out.append(text, std::min(copied, text.size()));
  return text_value(std::move(out));
}

/// Go's net.SplitHostPort, host alone; nothing if it would fail.
std::optional<std::pair<std::string, std::string>> split_host_port(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string host = text.substr(0, colon);
  if (text.starts_with('[')) {
    const size_t bracket = text.find(']');
    if (bracket == std::string::npos || bracket + 1 != colon) return std::nullopt;
    host = text.substr(1, bracket - 1);
  } else if (host.find(':') != std::string::npos) {
    return std::nullopt;
  }
  if (host.find_first_of("[]") != std::string::npos) return std::nullopt;
  return std::pair(std::move(host), text.substr(colon + 1));
}

bool is_ip_address(const std::string& text) {
  if (text.find(':') != std::string::npos)
    return text.find_first_not_of("0123456789abcdefABCDEF:.") == std::string::npos;
  int numbers = 0;
  for (size_t at = 0; at <= text.size(); ++numbers) {
    const size_t dot = std::min(text.find('.', at), text.size());
    unsigned value = 256;
    const auto parsed = std::from_chars(text.data() + at, text.data() + dot, value);
    if (parsed.ptr != text.data() + dot || value > 255) return false;
    at = dot + 1;
  }
  return numbers == 4;
}

Result<TemplateValue> call_strip_port(const Environment&, const Arguments& arguments) {
  const auto split = split_host_port(text_of(arguments[0]));
  return split ? text_value(split->first) : arguments[0];
}

Result<TemplateValue> call_strip_domain(const Environment&, const Arguments& arguments) {
  const auto split = split_host_port(text_of(arguments[0]));
  const std::string host = split ? split->first : text_of(arguments[0]);
  if (is_ip_address(host)) return arguments[0];
  const std::string name = host.substr(0, host.find('.'));
  return text_value(split && !split->second.empty() ? name + ":" + split->second : name);
}

/// Letters, digits and underscores continue a word; the bytes of multi-byte characters count as
/// letters.
bool separates_words(char c) {
  return !(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80);
}

Result<TemplateValue> call_title(const Environment&, const Arguments& arguments) {
  std::string text = text_of(arguments[0]);
  char before = ' ';
  for (char& c : text) {
    const char original = c;
    if (separates_words(before) && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    before = original;
  }
  return text_value(std::move(text));
}

template <char First, char Last, int Shift>
Result<TemplateValue> change_case(const Environment&, const Arguments& arguments) {
  std::string text = text_of(arguments[0]);
  for (char& c : text) {
    if (c >= First && c <= Last) c = static_cast<char>(c + Shift);
  }
  return text_value(std::move(text));
}

Result<TemplateValue> call_parse_duration(const Environment&, const Arguments& arguments) {
  std::string_view text = text_of(arguments[0]);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  auto duration = model::parse_duration(text);
  if (!duration) return std::move(duration).error();
  const double seconds = static_cast<double>(*duration) / 1000;
  return TemplateValue::of(negative ? -seconds : seconds);
}

Result<TemplateValue> call_identity(const Environment&, const Arguments& arguments) {
  return arguments[0];
}
Result<TemplateValue> call_graph_link(const Environment&, const Arguments& arguments) {
  return text_value("/graph?g0.expr=" + query_escape(text_of(arguments[0])) + "&g0.tab=0");
}
Result<TemplateValue> call_table_link(const Environment&, const Arguments& arguments) {
  return text_value(table_link(text_of(arguments[0])));
}
Result<TemplateValue> call_now(const Environment& environment, const Arguments&) {
  return TemplateValue::of(static_cast<double>(environment.now) / 1000);
}
Result<TemplateValue> call_external_url(const Environment& environment, const Arguments&) {
  return text_value(environment.external_url);
}
Result<TemplateValue> call_path_prefix(const Environment& environment, const Arguments&) {
  const size_t scheme = environment.external_url.find("://");
  const size_t path =
      environment.external_url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  return text_value(path == std::string::npos ? std::string()
                                              : environment.external_url.substr(path));
}
Result<TemplateValue> call_query_escape(const Environment&, const Arguments& arguments) {
  return text_value(query_escape(text_of(arguments[0])));
}

std::string humanize_percentage(double value) { return format_general(value * 100, 4) + "%"; }

const std::vector<TemplateFunction>& prometheus_functions() {
  using enum ParameterType;
  static const std::vector<TemplateFunction> functions = {
      {"query", {String}, false, call_query},
      {"first", {Samples}, false, call_first},
      {"label", {String, Sample}, false, call_label},
      {"value", {Sample}, false, call_value},
      {"strvalue", {Sample}, false, call_strvalue},
      {"sortByLabel", {String, Samples}, false, call_sort_by_label},
      {"args", {Any}, true, call_args},
      {"match", {String, String}, false, call_match},
      {"reReplaceAll", {String, String, String}, false, call_replace_all},
      {"safeHtml", {String}, false, call_identity},
      {"title", {String}, false, call_title},
      {"toUpper", {String}, false, change_case<'a', 'z', 'A' - 'a'>},
      {"toLower", {String}, false, change_case<'A', 'Z', 'a' - 'A'>},
      {"graphLink", {String}, false, call_graph_link},
      {"tableLink", {String}, false, call_table_link},
      {"stripPort", {String}, false, call_strip_port},
      {"stripDomain", {String}, false, call_strip_domain},
      {"humanize", {Any}, false, number_to_text<humanize>},
      {"humanize1024", {Any}, false, number_to_text<humanize_1024>},
      {"humanizeDuration", {Any}, false, number_to_text<humanize_duration>},
      {"humanizePercentage", {Any}, false, number_to_text<humanize_percentage>},
      {"humanizeTimestamp", {Any}, false, call_humanize_timestamp},
      {"toTime", {Any}, false, call_to_time},
      {"toDuration", {Any}, false, call_to_duration},
      {"now", {}, false, call_now},
      {"pathPrefix", {}, false, call_path_prefix},
      {"externalURL", {}, false, call_external_url},
      {"parseDuration", {String}, false, call_parse_duration},
      {"urlQueryEscape", {String}, false, call_query_escape},
  };
  return functions;
}

}  // namespace

std::string_view parameter_type_name(ParameterType type) {
  switch (type) {
    case ParameterType::Any: return "interface {}";
    case ParameterType::String: return "string";
    case ParameterType::Samples: return "template.queryResult";
    case ParameterType::Sample: return "*template.sample";
  }
  return {};
}

const TemplateFunction* find_template_function(std::string_view name) {
  for (const auto* functions : {&prometheus_functions(), &builtin_functions()}) {
    for (const TemplateFunction& function : *functions) {
      if (function.name == name) return &function;
    }
  }
  return nullptr;
}

TemplateValue labels_value(const model::Labels& labels) {
  auto map = std::make_shared<TemplateMap>();
  for (const auto& [name, value] : labels)
    map->values.emplace(name, text_value(std::string(value)));
  return TemplateValue::of(TemplateValue::MapPtr(std::move(map)));
}

TemplateValue sample_value(const TemplateSample& sample) {
  auto object = std::make_shared<TemplateStruct>();
  object->type_name = "*template.sample";
  object->fields.emplace_back("Labels", labels_value(sample.labels));
  object->fields.emplace_back("Value", TemplateValue::of(sample.value));
  return TemplateValue::of(TemplateValue::StructPtr(std::move(object)));
}

std::string query_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        (byte < 0x80 && std::isalnum(byte) != 0) || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

std::string table_link(std::string_view expression) {
  return "/graph?g0.expr=" + query_escape(expression) + "&g0.tab=1";
}

}  // namespace aerie::alerting
