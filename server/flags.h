#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "model/time.h"

namespace aerie::server {

/// What the command line and the environment (AERIE_CONFIG_FILE for --config.file and so on) say.
/// Constant after parsing. Names follow Prometheus, so that a unit file or a habit carries over.
struct Flags {
  std::string config_file;  ///< empty: defaults
  std::string storage_path = "data";
  model::DurationMs retention = 15LL * 24 * 3600 * 1000;
  uint64_t retention_bytes = 0;     ///< of partitions and log; 0: no limit
  std::string retention_size;       ///< the same as it was written
  std::string log_sync = "always";  ///< always, interval, off
  bool skip_corrupt_log = false;
  std::string listen_address = ":9707";
  std::string web_config_file;  ///< TLS, users, headers; empty: none of them
  std::string external_url;     ///< empty: http://<host name>:<port>
  std::string route_prefix;
  std::string cors_origin = ".*";
  size_t max_connections = 512;
  model::DurationMs read_timeout = 5LL * 60 * 1000;
  bool enable_lifecycle = false;
  bool enable_admin_api = false;
  model::DurationMs lookback = 5LL * 60 * 1000;
  model::DurationMs query_timeout = 2LL * 60 * 1000;
  size_t query_concurrency = 20;
  uint64_t query_max_samples = 50'000'000;
  uint64_t query_max_memory = 1ULL << 30;        ///< bytes; 0: no limit
  uint64_t query_max_total_memory = 4ULL << 30;  ///< bytes; 0: no limit
  uint64_t query_cache_size = 32ULL << 20;       ///< bytes; 0: no cache
  size_t search_max_limit = 10'000;
  model::DurationMs for_outage_tolerance = 3600LL * 1000;
  model::DurationMs resend_delay = 60LL * 1000;
  std::vector<std::string> features;
  LogLevel log_level = LogLevel::Info;
  LogFormat log_format = LogFormat::Logfmt;

  /// Every flag with its value as text, sorted by name: for /api/v1/status/flags.
  std::vector<std::pair<std::string, std::string>> all;
};

/// What main does next: run with these flags, or print `text` and exit with `exit_code` (help,
/// version, a bad flag: 2).
struct ParsedFlags {
  std::optional<Flags> flags;
  int exit_code = 0;
  std::string text;
};

ParsedFlags parse_flags(int argc, const char* const* argv);

/// `aerie, version 0.1.0 (branch: …, revision: …)` and the lines below it, as `--version` prints
/// them.
std::string version_text();
std::string_view version_number();
std::string_view revision();

}  // namespace aerie::server
