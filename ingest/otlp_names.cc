#include "ingest/otlp_names.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace aerie::ingest {
namespace {

constexpr std::pair<std::string_view, std::string_view> kUnits[] = {{"d", "days"},
                                                                    {"h", "hours"},
                                                                    {"min", "minutes"},
                                                                    {"s", "seconds"},
                                                                    {"ms", "milliseconds"},
                                                                    {"us", "microseconds"},
                                                                    {"ns", "nanoseconds"},
                                                                    {"By", "bytes"},
                                                                    {"KiBy", "kibibytes"},
                                                                    {"MiBy", "mebibytes"},
                                                                    {"GiBy", "gibibytes"},
                                                                    {"TiBy", "tibibytes"},
                                                                    {"KBy", "kilobytes"},
                                                                    {"MBy", "megabytes"},
                                                                    {"GBy", "gigabytes"},
                                                                    {"TBy", "terabytes"},
                                                                    {"m", "meters"},
                                                                    {"V", "volts"},
                                                                    {"A", "amperes"},
                                                                    {"J", "joules"},
                                                                    {"W", "watts"},
                                                                    {"g", "grams"},
                                                                    {"Cel", "celsius"},
                                                                    {"Hz", "hertz"},
                                                                    {"1", ""},
                                                                    {"%", "percent"}};
constexpr std::pair<std::string_view, std::string_view> kPerUnits[] = {
    {"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"},
    {"w", "week"},   {"mo", "month"}, {"y", "year"}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char c : text) {
    const bool part = is_letter(c) || is_digit(c) || c == ':';
    if (part && !inside) words.emplace_back();
    if (part) words.back() += c;
    inside = part;
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : "_").append(word);
  return text;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

template <size_t N>
std::string unit_word(std::string_view unit,
                      const std::pair<std::string_view, std::string_view> (&known)[N]) {
  unit = trimmed(unit);
  if (unit.find_first_of("{}") != std::string_view::npos) return {};  // an annotation
  for (const auto& [symbol, word] : known) {
    if (symbol == unit) return std::string(word);
  }
  return joined(words_of(unit));
}

struct UnitWords {
  std::string main;
  std::string per;  // without `per_`
};

UnitWords split_unit(std::string_view unit) {
  const size_t slash = unit.find('/');
  UnitWords words{unit_word(unit.substr(0, slash), kUnits), {}};
  if (slash != std::string_view::npos) words.per = unit_word(unit.substr(slash + 1), kPerUnits);
  return words;
}

bool has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

void move_to_end(std::vector<std::string>& words, const std::string& word) {
  words.erase(std::remove(words.begin(), words.end(), word), words.end());
  words.push_back(word);
}

}  // namespace

std::string otlp_unit(std::string_view unit) {
  const UnitWords words = split_unit(unit);
  if (words.per.empty()) return words.main;
  return words.main.empty() ? "per_" + words.per : words.main + "_per_" + words.per;
}

std::string otlp_metric_name(std::string_view name, std::string_view unit, OtlpKind kind) {
  std::vector<std::string> words = words_of(name);
  const UnitWords units = split_unit(unit);
  if (!units.main.empty() && !has(words, units.main)) words.push_back(units.main);
  if (!units.per.empty() && !has(words, units.per)) {
    words.emplace_back("per");
    words.push_back(units.per);
  }
  if (kind == OtlpKind::MonotonicSum) move_to_end(words, "total");
  if (kind == OtlpKind::Gauge && trimmed(unit) == "1") move_to_end(words, "ratio");
  std::string text = joined(words);
  if (!text.empty() && is_digit(text[0])) text.insert(0, 1, '_');
  return text;
}

std::string otlp_label_name(std::string_view name) {
  std::string text;
  for (const char c : name) {
    // One underscore for a character, however many bytes it has.
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) continue;
    text += is_letter(c) || is_digit(c) ? c : '_';
  }
  if (text.empty()) return text;
  if (is_digit(text[0])) return "key_" + text;
  if (text[0] == '_' && (text.size() == 1 || text[1] != '_')) return "key" + text;
  return text;
}

}  // namespace aerie::ingest
