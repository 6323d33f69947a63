#include "alerting/template_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace aerie::alerting {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

std::string trimmed_fraction(int64_t value, int digits) {
  std::string text = fmt::format("{:0{}}", value, digits);
  while (!text.empty() && text.back() == '0') text.pop_back();
  return text;
}

using Word = std::string (*)(const CivilTime&);
struct LayoutWord {
  std::string_view word;
  Word print;
};

int hour12(const CivilTime& t) { return t.hour % 12 == 0 ? 12 : t.hour % 12; }

/// Longer words first, so that `January` is not read as `Jan`.
constexpr std::array<LayoutWord, 32> kWords = {{
    {"January",
     [](const CivilTime& t) { return std::string(kMonths[static_cast<size_t>(t.month - 1)]); }},
    {"Monday",
     [](const CivilTime& t) { return std::string(kDays[static_cast<size_t>(t.weekday)]); }},
    {"-07:00:00", [](const CivilTime&) { return std::string("+00:00:00"); }},
    {"Z07:00:00", [](const CivilTime&) { return std::string("Z"); }},
    {"-070000", [](const CivilTime&) { return std::string("+000000"); }},
    {"Z070000", [](const CivilTime&) { return std::string("Z"); }},
    {"-07:00", [](const CivilTime&) { return std::string("+00:00"); }},
    {"Z07:00", [](const CivilTime&) { return std::string("Z"); }},
    {"-0700", [](const CivilTime&) { return std::string("+0000"); }},
    {"Z0700", [](const CivilTime&) { return std::string("Z"); }},
    {"2006", [](const CivilTime& t) { return fmt::format("{:04}", t.year); }},
    {"Jan",
     [](const CivilTime& t) {
       return std::string(kMonths[static_cast<size_t>(t.month - 1)].substr(0, 3));
     }},
    {"Mon",
     [](const CivilTime& t) {
       return std::string(kDays[static_cast<size_t>(t.weekday)].substr(0, 3));
     }},
    {"MST", [](const CivilTime&) { return std::string("UTC"); }},
    {"002", [](const CivilTime& t) { return fmt::format("{:03}", t.year_day); }},
    {"-07", [](const CivilTime&) { return std::string("+00"); }},
    {"Z07", [](const CivilTime&) { return std::string("Z"); }},
    {"01", [](const CivilTime& t) { return fmt::format("{:02}", t.month); }},
    {"02", [](const CivilTime& t) { return fmt::format("{:02}", t.day); }},
    {"03", [](const CivilTime& t) { return fmt::format("{:02}", hour12(t)); }},
    {"04", [](const CivilTime& t) { return fmt::format("{:02}", t.minute); }},
    {"05", [](const CivilTime& t) { return fmt::format("{:02}", t.second); }},
    {"06", [](const CivilTime& t) { return fmt::format("{:02}", t.year % 100); }},
    {"15", [](const CivilTime& t) { return fmt::format("{:02}", t.hour); }},
    {"PM", [](const CivilTime& t) { return std::string(t.hour >= 12 ? "PM" : "AM"); }},
    {"pm", [](const CivilTime& t) { return std::string(t.hour >= 12 ? "pm" : "am"); }},
    {"_2", [](const CivilTime& t) { return fmt::format("{:2}", t.day); }},
    {"1", [](const CivilTime& t) { return std::to_string(t.month); }},
    {"2", [](const CivilTime& t) { return std::to_string(t.day); }},
    {"3", [](const CivilTime& t) { return std::to_string(hour12(t)); }},
    {"4", [](const CivilTime& t) { return std::to_string(t.minute); }},
    {"5", [](const CivilTime& t) { return std::to_string(t.second); }},
}};

/// `.000` or `.999` behind seconds; 0 if there is none at `at`.
size_t fraction_length(std::string_view layout, size_t at) {
  if (at + 1 >= layout.size() || (layout[at] != '.' && layout[at] != ',')) return 0;
  const char digit = layout[at + 1];
  if (digit != '0' && digit != '9') return 0;
  size_t end = at + 1;
  while (end < layout.size() && layout[end] == digit) ++end;
  const bool more_digits = end < layout.size() && layout[end] >= '0' && layout[end] <= '9';
  return more_digits ? 0 : end - at;
}

std::string fraction_text(const CivilTime& time, std::string_view word) {
  std::string digits =
      fmt::format("{:03}000000", time.millisecond).substr(0, std::min<size_t>(word.size() - 1, 9));
  if (word[1] == '9') {
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
    if (digits.empty()) return {};
  }
  return word[0] + digits;
}

}  // namespace

CivilTime civil_time(TemplateTime time) {
  using std::chrono::days;
  constexpr int64_t kDayMs = 86'400'000;
  int64_t day = time.milliseconds / kDayMs;
  int64_t rest = time.milliseconds % kDayMs;
  if (rest < 0) {
    rest += kDayMs;
    --day;
  }
  // The calendar types reach to the year 32767; later and earlier times cannot come from
  // nanoseconds in 64 bits.
  const std::chrono::sys_days date{days{std::clamp<int64_t>(day, -1'000'000, 1'000'000)}};
  const std::chrono::year_month_day civil{date};
  CivilTime result;
  result.year = static_cast<int>(civil.year());
  result.month = static_cast<int>(static_cast<unsigned>(civil.month()));
  result.day = static_cast<int>(static_cast<unsigned>(civil.day()));
  result.hour = static_cast<int>(rest / 3'600'000);
  result.minute = static_cast<int>(rest / 60'000 % 60);
  result.second = static_cast<int>(rest / 1000 % 60);
  result.millisecond = static_cast<int>(rest % 1000);
  result.weekday = static_cast<int>(std::chrono::weekday{date}.c_encoding());
  const std::chrono::sys_days first{civil.year() / std::chrono::January / 1};
  result.year_day = static_cast<int>((date - first).count()) + 1;
  return result;
}

std::string format_time(TemplateTime time, std::string_view layout) {
  const CivilTime civil = civil_time(time);
  std::string out;
  for (size_t at = 0; at < layout.size();) {
    if (const size_t length = fraction_length(layout, at); length > 0) {
      out += fraction_text(civil, layout.substr(at, length));
      at += length;
      continue;
    }
    const LayoutWord* found = nullptr;
    for (const LayoutWord& candidate : kWords) {
      if (!layout.substr(at).starts_with(candidate.word)) continue;
      found = &candidate;
      break;
    }
    if (found == nullptr) {
      out += layout[at++];
      continue;
    }
    out += found->print(civil);
    at += found->word.size();
  }
  return out;
}

std::string time_text(TemplateTime time) {
  return format_time(time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

std::string duration_text(TemplateDuration duration) {
  const bool negative = duration.nanoseconds < 0;
  const uint64_t ns = negative ? 0 - static_cast<uint64_t>(duration.nanoseconds)
                               : static_cast<uint64_t>(duration.nanoseconds);
  if (ns == 0) return "0s";
  const auto decimal = [](uint64_t value, uint64_t unit, int digits) {
    std::string text = std::to_string(value / unit);
    const std::string fraction = trimmed_fraction(static_cast<int64_t>(value % unit), digits);
    return fraction.empty() ? text : text + "." + fraction;
  };
  std::string text;
  if (ns < 1'000) {
    text = std::to_string(ns) + "ns";
  } else if (ns < 1'000'000) {
    text = decimal(ns, 1'000, 3) + "µs";
  } else if (ns < 1'000'000'000) {
    text = decimal(ns, 1'000'000, 6) + "ms";
  } else {
    constexpr uint64_t kMinute = 60'000'000'000;
    const uint64_t minutes = ns / kMinute;
    text = decimal(ns % kMinute, 1'000'000'000, 9) + "s";
    if (minutes > 0) text = fmt::format("{}m", minutes % 60) + text;
    if (minutes >= 60) text = fmt::format("{}h", minutes / 60) + text;
  }
  return negative ? "-" + text : text;
}

}  // namespace aerie::alerting
