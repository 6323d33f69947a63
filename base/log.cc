#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>

namespace aerie {
namespace {

std::atomic<LogLevel> g_level{LogLevel::Info};  // set once by configure_log, before threads start
std::atomic<LogFormat> g_format{LogFormat::Logfmt};

/// spdlog owns the stream and its lock; the text of a line is ours.
spdlog::logger& sink() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("aerie",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::Debug: return "DEBUG";
    case LogLevel::Info: return "INFO";
    case LogLevel::Warn: return "WARN";
    case LogLevel::Error: return "ERROR";
  }
  return "INFO";
}

std::string timestamp_now() {
  const auto now = std::chrono::system_clock::now();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     ms % 1000);
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

/// A logfmt value needs quotes when a reader could take it for something else.
bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c == ' ' || c == '"' || c == '=' || c == '\\' || static_cast<unsigned char>(c) < 0x20) {
      return true;
    }
  }
  return false;
}

std::string format_logfmt(LogLevel level, std::string_view place, std::string_view message,
                          std::initializer_list<LogField> fields) {
  std::string out =
      fmt::format("time={} level={} source={} msg=", timestamp_now(), level_name(level), place);
  append_quoted(out, message);
  for (const LogField& field : fields) {
    out += ' ';
    out += field.key;
    out += '=';
    if (needs_quotes(field.value)) {
      append_quoted(out, field.value);
    } else {
      out += field.value;
    }
  }
  return out;
}

std::string format_json(LogLevel level, std::string_view place, std::string_view message,
                        std::initializer_list<LogField> fields) {
  std::string out =
      fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"source\":\"{}\",\"msg\":", timestamp_now(),
                  level_name(level), place);
  append_quoted(out, message);
  for (const LogField& field : fields) {
    out += ',';
    append_quoted(out, field.key);
    out += ':';
    append_quoted(out, field.value);
  }
  out += '}';
  return out;
}

}  // namespace

void configure_log(LogLevel level, LogFormat format) {
  g_level = level;
  g_format = format;
}

bool log_enabled(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

void log_line(LogLevel level, const char* file, int line, std::string_view message,
              std::initializer_list<LogField> fields) {
  std::string_view path = file;
  // __FILE__ is "/store/log.cc" after -ffile-prefix-map, or a path relative to the build.
  while (path.substr(0, 3) == "../") path.remove_prefix(3);
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  const std::string place = fmt::format("{}:{}", path, line);
  const std::string text = g_format.load() == LogFormat::Json
                               ? format_json(level, place, message, fields)
                               : format_logfmt(level, place, message, fields);
  sink().log(spdlog::level::info, text);
}

}  // namespace aerie
