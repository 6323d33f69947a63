#include "server/flags.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "server/retention_config.h"
#include "server/version.h"

namespace aerie::server {
namespace {

/// `--web.listen-address` is AERIE_WEB_LISTEN_ADDRESS in the environment.
std::string environment_name(std::string_view flag) {
  std::string name = "AERIE_";
  for (const char c : flag.substr(2)) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    name += word ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : '_';
  }
  return name;
}

/// A flag whose value is a Prometheus duration.
CLI::Option* add_duration(CLI::App& app, const std::string& flag, model::DurationMs& target,
                          const std::string& help) {
  const auto read = [&target, flag](const CLI::results_t& values) {
    const auto parsed = model::parse_duration(values.back());
    if (!parsed)
      throw CLI::ValidationError(flag,
                                 parsed.error().message() + "; write it like 30s, 5m, 1h30m, 15d");
    target = *parsed;
    return true;
  };
  return app.add_option(flag, read, help)
      ->type_name("DURATION")
      ->default_str(model::format_duration(target));
}

void declare_storage_flags(CLI::App& app, Flags& flags) {
  app.add_option("--config.file", flags.config_file,
                 "Configuration file (YAML). Without one, defaults are used.")
      ->type_name("FILE");
  app.add_option("--storage.path", flags.storage_path, "Folder for the data; created if missing.")
      ->type_name("FOLDER")
      ->capture_default_str();
  add_duration(app, "--storage.retention.time", flags.retention,
               "How long samples are kept. 0 keeps them for ever.");
  const auto read_size = [&flags](const CLI::results_t& values) {
    const auto parsed = parse_byte_size(values.back());
    if (!parsed) throw CLI::ValidationError("--storage.retention.size", parsed.error().message());
    flags.retention_bytes = *parsed;
    flags.retention_size = values.back();
    return true;
  };
  app.add_option("--storage.retention.size", read_size,
                 "Bytes that partitions and log may take together; the oldest partitions go first. "
                 "Units: B, KB, MB, GB, TB, PB, EB, of 1024. 0: no limit.")
      ->type_name("BYTES")
      ->default_str("0");
  app.add_option("--storage.log-sync", flags.log_sync,
                 "When the log is synced to disk. Anything but 'always' may lose acknowledged "
                 "samples when power fails.")
      ->check(CLI::IsMember({"always", "interval", "off"}))
      ->capture_default_str();
  app.add_flag(
      "--storage.skip-corrupt-log", flags.skip_corrupt_log,
      "Start even if the log is damaged in the middle: what the damaged parts held is lost "
      "(the log lines say how much). For one start, not for ever.");
}

void declare_web_flags(CLI::App& app, Flags& flags) {
  app.add_option("--web.listen-address", flags.listen_address,
                 "Address to listen on, host:port or :port.")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option("--web.config.file", flags.web_config_file,
                 "File with TLS, users and response headers, in the schema of Prometheus's "
                 "exporter-toolkit; read again when it changes.")
      ->type_name("FILE");
  app.add_option("--web.external-url", flags.external_url,
                 "The URL under which aerie is reached from outside; used in links of alerts.")
      ->type_name("URL");
  app.add_option("--web.route-prefix", flags.route_prefix, "Prefix of all paths.")
      ->type_name("PATH");
  app.add_option("--web.cors.origin", flags.cors_origin,
                 "Regular expression for allowed CORS origins.")
      ->capture_default_str();
  app.add_option("--web.max-connections", flags.max_connections,
                 "Connections open at the same time.")
      ->check(CLI::Range(size_t{1}, size_t{1'000'000}))
      ->capture_default_str();
  app.add_option("--web.search.max-limit", flags.search_max_limit,
                 "Largest limit that /api/v1/search takes.")
      ->check(CLI::Range(size_t{1}, size_t{1'000'000}))
      ->capture_default_str();
  add_duration(app, "--web.read-timeout", flags.read_timeout,
               "Time to read a request before the connection is closed.");
  app.add_flag("--web.enable-lifecycle", flags.enable_lifecycle, "Allow /-/reload and /-/quit.");
  app.add_flag("--web.enable-admin-api", flags.enable_admin_api, "Allow /api/v1/admin/.");
}

void declare_query_flags(CLI::App& app, Flags& flags) {
  add_duration(app, "--query.lookback-delta", flags.lookback,
               "How far an instant selector looks back.");
  add_duration(app, "--query.timeout", flags.query_timeout, "Longest time a query may take.");
  app.add_option("--query.max-concurrency", flags.query_concurrency,
                 "Queries evaluated at the same time.")
      ->check(CLI::Range(size_t{1}, size_t{1000}))
      ->capture_default_str();
  app.add_option("--query.max-samples", flags.query_max_samples,
                 "Samples one query may hold in memory.")
      ->capture_default_str();
  app.add_option("--query.max-memory", flags.query_max_memory,
                 "Memory for the samples one query holds, like 512MB. 0 for no limit.")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE")
      ->default_str("1GB");
  app.add_option("--query.max-total-memory", flags.query_max_total_memory,
                 "The same for all queries together.")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE")
      ->default_str("4GB");
  app.add_option("--query.cache-size", flags.query_cache_size,
                 "Memory for remembered answers to range queries. 0 to evaluate everything anew.")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE")
      ->default_str("32MB");
  add_duration(app, "--rules.alert.for-outage-tolerance", flags.for_outage_tolerance,
               "Longest outage over which the 'for' state of alerts is restored.");
  add_duration(app, "--rules.alert.resend-delay", flags.resend_delay,
               "Time before an alert is sent again.");
  app.add_option("--enable-feature", flags.features,
                 "Feature names of Prometheus, separated by commas.")
      ->delimiter(',')
      ->type_name("NAME");
}

void declare_log_flags(CLI::App& app, Flags& flags) {
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::Debug},
                                                  {"info", LogLevel::Info},
                                                  {"warn", LogLevel::Warn},
                                                  {"error", LogLevel::Error}};
  const std::map<std::string, LogFormat> formats = {{"logfmt", LogFormat::Logfmt},
                                                    {"json", LogFormat::Json}};
  app.add_option("--log.level", flags.log_level, "debug, info, warn or error.")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case).description(""))
      ->type_name("LEVEL")
      ->default_str("info");
  app.add_option("--log.format", flags.log_format, "logfmt or json.")
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case).description(""))
      ->type_name("FORMAT")
      ->default_str("logfmt");
}

std::vector<std::pair<std::string, std::string>> describe(const CLI::App& app) {
  std::vector<std::pair<std::string, std::string>> all;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (name.rfind("--", 0) != 0 || name == "--help" || name == "--version") continue;
    std::string value = option->get_default_str();
    if (option->count() > 0) {
      value.clear();
      for (const std::string& part : option->results()) value += (value.empty() ? "" : ",") + part;
    } else if (option->get_items_expected_max() == 0) {
      value = "false";
    }
    all.emplace_back(name.substr(2), value);
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

std::string_view version_number() { return kVersion; }
std::string_view revision() { return kRevision; }

std::string version_text() {
  return fmt::format(
      "aerie, version {} (branch: {}, revision: {})\n  compiler: {}\n  platform: linux\n", kVersion,
      kBranch, kRevision, kCompiler);
}

ParsedFlags parse_flags(int argc, const char* const* argv) {
  Flags flags;
  CLI::App app(
      "aerie: one place for the metrics, alerts and rollouts of many clusters.\n"
      "Point Prometheus at http://HOST:9707/api/v1/write and open http://HOST:9707/.\n"
      "Every flag can be given in the environment: --web.listen-address is "
      "AERIE_WEB_LISTEN_ADDRESS.",
      "aerie");
  app.get_formatter()->column_width(44);
  app.set_help_flag("-h,--help", "Print this text.");
  app.set_version_flag("--version", version_text());
  declare_storage_flags(app, flags);
  declare_web_flags(app, flags);
  declare_query_flags(app, flags);
  declare_log_flags(app, flags);
  for (CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (name.rfind("--", 0) == 0 && name != "--help" && name != "--version")
      option->envname(environment_name(name));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return {std::nullopt, 0, app.help()};
  } catch (const CLI::CallForVersion&) {
    return {std::nullopt, 0, version_text()};
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, 2,
            fmt::format("aerie: {}\nRun aerie --help for the list of flags.\n", error.what())};
  }
  flags.all = describe(app);
  return {std::move(flags), 0, {}};
}

}  // namespace aerie::server
