#include "model/time.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

#include "model/labels.h"

namespace aerie::model {
namespace {

struct Unit {
  std::string_view name;
  int64_t ms;
  bool only_exact;  // printed only when nothing remains
};
constexpr std::array<Unit, 7> kUnits = {{{"y", 365LL * 24 * 3600 * 1000, true},
                                         {"w", 7LL * 24 * 3600 * 1000, true},
                                         {"d", 24LL * 3600 * 1000, false},
                                         {"h", 3600LL * 1000, false},
                                         {"m", 60LL * 1000, false},
                                         {"s", 1000, false},
                                         {"ms", 1, false}}};
// Prometheus keeps durations as int64 nanoseconds.
constexpr int64_t kMaxDurationMs = std::numeric_limits<int64_t>::max() / 1'000'000;

// What Prometheus prints for its minimum and maximum times, and accepts back.
constexpr std::string_view kMinTimeText = "-292273086-05-16T16:47:06Z";
constexpr std::string_view kMaxTimeText = "292277025-08-18T07:12:54.999999999Z";
constexpr TimestampMs kMinTime = std::numeric_limits<int64_t>::min() / 1000 + 62135596801 * 1000;
constexpr TimestampMs kMaxTime = std::numeric_limits<int64_t>::max() / 1000 - 62135596801 * 1000;

/// Takes exactly `digits` decimal digits off the front.
std::optional<int> take_number(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_char(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// Nanoseconds of `.123456789`; nothing if there is no digit.
std::optional<int64_t> take_fraction(std::string_view& text) {
  int64_t nanos = 0;
  int64_t place = 100'000'000;
  bool any = false;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    nanos += (text.front() - '0') * place;
    place /= 10;
    any = true;
    text.remove_prefix(1);
  }
  return any ? std::optional(nanos) : std::nullopt;
}

/// Offset of a zone in minutes: `Z` or `+02:00`.
std::optional<int> take_zone(std::string_view& text) {
  if (take_char(text, 'Z')) return 0;
  const bool east = take_char(text, '+');
  if (!east && !take_char(text, '-')) return std::nullopt;
  const auto hours = take_number(text, 2);
  if (!hours || !take_char(text, ':')) return std::nullopt;
  const auto minutes = take_number(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return (east ? 1 : -1) * (*hours * 60 + *minutes);
}

std::optional<TimestampMs> parse_rfc3339(std::string_view text) {
  const auto year = take_number(text, 4);
  if (!year || !take_char(text, '-')) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take_char(text, '-')) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day || !take_char(text, 'T')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take_char(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take_char(text, ':')) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  int64_t nanos = 0;
  if (take_char(text, '.')) {
    const auto fraction = take_fraction(text);
    if (!fraction) return std::nullopt;
    nanos = *fraction;
  }
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t seconds = ((days * 24 + *hour) * 60 + *minute - *zone) * 60 + *second;
  return seconds * 1000 + nanos / 1'000'000;
}

}  // namespace

Result<DurationMs> parse_duration(std::string_view text) {
  if (text.empty()) return Error(ErrorCode::InvalidArgument, "empty duration string");
  if (text == "0") return DurationMs{0};
  const auto invalid = [&] {
    return Error(ErrorCode::InvalidArgument, "not a valid duration string: " + go_quote(text));
  };
  const auto too_long = [] { return Error(ErrorCode::InvalidArgument, "duration out of range"); };
  std::string_view rest = text;
  size_t next_unit = 0;  // units must come largest first, each at most once
  int64_t total = 0;
  while (!rest.empty()) {
    int64_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    if (error == std::errc::result_out_of_range) return too_long();
    if (error != std::errc() || rest.front() == '-') return invalid();
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    size_t letters = 0;
    while (letters < rest.size() && (rest[letters] < '0' || rest[letters] > '9')) ++letters;
    const std::string_view unit = rest.substr(0, letters);
    if (letters > 0 && std::none_of(kUnits.begin(), kUnits.end(),
                                    [&](const Unit& known) { return known.name == unit; })) {
      return Error(ErrorCode::InvalidArgument,
                   fmt::format("unknown unit {} in duration {}", go_quote(unit), go_quote(text)));
    }
    while (next_unit < kUnits.size() && kUnits[next_unit].name != unit) ++next_unit;
    if (next_unit == kUnits.size()) return invalid();
    if (count > (kMaxDurationMs - total) / kUnits[next_unit].ms) return too_long();
    total += count * kUnits[next_unit].ms;
    ++next_unit;
    rest.remove_prefix(letters);
  }
  return total;
}

std::string format_duration(DurationMs duration) {
  if (duration == 0) return "0s";
  std::string out = duration < 0 ? "-" : "";
  int64_t rest = duration < 0 ? -duration : duration;
  for (const Unit& unit : kUnits) {
    if (unit.only_exact && rest % unit.ms != 0) continue;
    if (const int64_t count = rest / unit.ms; count > 0) {
      out += fmt::format("{}{}", count, unit.name);
      rest -= count * unit.ms;
    }
  }
  return out;
}

std::string format_rfc3339(TimestampMs t) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(t)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::string out =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (const auto ms = clock.subseconds().count(); ms != 0) {
    std::string digits = fmt::format("{:03}", ms);
    while (digits.back() == '0') digits.pop_back();
    out += '.' + digits;
  }
  return out + 'Z';
}

Result<TimestampMs> parse_timestamp(std::string_view text) {
  double seconds = 0;
  const std::string_view digits = !text.empty() && text.front() == '+' ? text.substr(1) : text;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (error == std::errc() && end == digits.data() + digits.size() && std::isfinite(seconds)) {
    double whole = 0;
    const double fraction = std::modf(seconds, &whole);
    if (std::abs(whole) < 9.2e15) {
      return static_cast<TimestampMs>(whole) * 1000 +
             static_cast<TimestampMs>(std::round(fraction * 1000));
    }
  }
  if (text == kMinTimeText) return kMinTime;
  if (text == kMaxTimeText) return kMaxTime;
  if (const auto t = parse_rfc3339(text)) return *t;
  return Error(ErrorCode::InvalidArgument,
               "cannot parse " + go_quote(text) + " to a valid timestamp");
}

}  // namespace aerie::model
