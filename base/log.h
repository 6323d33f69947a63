#pragma once

#include <fmt/core.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace aerie {

enum class LogLevel { Debug, Info, Warn, Error };
enum class LogFormat { Logfmt, Json };

/// One `key=value` of a log line. Anything fmt can print becomes a value.
struct LogField {
  template <class T>
  LogField(std::string_view name, const T& field_value)
      : key(name), value(fmt::format("{}", field_value)) {}
  std::string_view key;
  std::string value;
};

/// Sets level and format for the whole process; called once by main before threads start.
void configure_log(LogLevel level, LogFormat format);
bool log_enabled(LogLevel level);

/// Writes one line to standard error: time=… level=… source=file:line msg="…" key=value ….
/// Thread-safe.
void log_line(LogLevel level, const char* file, int line, std::string_view message,
              std::initializer_list<LogField> fields);

}  // namespace aerie

/// AERIE_LOG(Warn, "remote write refused", {"cluster", name}, {"reason", text}). Fields are not
/// computed when the level is off.
#define AERIE_LOG(level, message, ...)                                                         \
  do {                                                                                         \
    if (::aerie::log_enabled(::aerie::LogLevel::level))                                        \
      ::aerie::log_line(::aerie::LogLevel::level, __FILE__, __LINE__, message, {__VA_ARGS__}); \
  } while (false)
