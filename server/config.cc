#include "server/config.h"

#include <fmt/core.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/yaml_reader.h"
#include "model/labels.h"
#include "server/ingest_config.h"
#include "server/retention_config.h"

namespace aerie::server {
namespace {

/// Replaces `${NAME}` by the environment's value; an unset one becomes empty, `$$` a dollar sign.
std::string expand_environment(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    const size_t close = text.find('}');
    if (!text.empty() && text.front() == '{' && close != std::string_view::npos) {
      const char* value = std::getenv(std::string(text.substr(1, close - 1)).c_str());
      out += value == nullptr ? "" : value;
      text.remove_prefix(close + 1);
    } else {
      out += '$';
      if (!text.empty() && text.front() == '$') text.remove_prefix(1);
    }
  }
  return out;
}

std::string beside(const std::string& config_path, const std::string& name) {
  const std::filesystem::path path(name);
  if (path.is_absolute()) return name;
  return (std::filesystem::path(config_path).parent_path() / path).string();
}

Status read_global(const YamlNode& node, Config& config) {
  if (auto known = node.expect_keys({"evaluation_interval", "external_labels"}); !known)
    return known;
  auto interval = get_duration(node, "evaluation_interval", config.evaluation_interval);
  if (!interval) return std::move(interval).error();
  if (*interval <= 0) return node.error("evaluation_interval must be longer than 0");
  config.evaluation_interval = *interval;
  auto labels = node.get_string_map("external_labels");
  if (!labels) return std::move(labels).error();
  for (const auto& [name, value] : *labels) {
    if (!model::is_valid_utf8(name) || name.empty() || name == model::kMetricName) {
      return node.error(fmt::format("\"{}\" is not a valid label name", name));
    }
    config.external_labels.emplace_back(name, expand_environment(value));
  }
  return {};
}

Status read_alertmanager(const YamlNode& node, Config& config) {
  if (auto known =
          node.expect_keys({"scheme", "path_prefix", "timeout", "api_version", "static_configs"});
      !known) {
    return known;
  }
  const auto scheme = node.get_string("scheme", "http");
  if (!scheme) return scheme.error();
  if (*scheme != "http" && *scheme != "https") return node.error("scheme must be http or https");
  const auto version = node.get_string("api_version", "v2");
  if (!version) return version.error();
  if (*version != "v2")
    return node.error("api_version must be v2; Alertmanager 0.27 and later know no other");
  auto prefix = node.get_string("path_prefix");
  if (!prefix) return prefix.error();
  while (!prefix->empty() && prefix->back() == '/') prefix->pop_back();
  const auto timeout = get_duration(node, "timeout", 10'000);
  if (!timeout) return timeout.error();
  const auto groups = node.get_sequence("static_configs");
  if (!groups) return groups.error();
  for (const YamlNode& group : *groups) {
    if (auto known = group.expect_keys({"targets"}); !known) return known;
    const auto targets = group.get_strings("targets");
    if (!targets) return targets.error();
    for (const std::string& target : *targets) {
      config.alertmanagers.push_back({*scheme + "://" + target + *prefix, *timeout});
    }
  }
  return {};
}

Status read_alerting(const YamlNode& node, Config& config) {
  if (auto known = node.expect_keys({"alertmanagers"}); !known) return known;
  const auto entries = node.get_sequence("alertmanagers");
  if (!entries) return entries.error();
  for (const YamlNode& entry : *entries) {
    if (auto read = read_alertmanager(entry, config); !read) return read;
  }
  return {};
}

Status read_desired(const YamlNode& node, const std::string& path, Config& config) {
  if (auto known = node.expect_keys({"file"}); !known) return known;
  const auto file = node.get_string("file");
  if (!file) return file.error();
  if (!file->empty()) config.desired_state_file = beside(path, *file);
  return {};
}

Status read_watched(const YamlNode& node, const std::string& path, Config& config) {
  constexpr std::array<std::string_view, 5> kKeys = {"cluster", "environment", "zone", "kubeconfig",
                                                     "context"};
  if (auto known = node.expect_keys(kKeys); !known) return known;
  std::array<std::string, kKeys.size()> values;
  for (size_t i = 0; i < kKeys.size(); ++i) {
    auto value = node.get_string(kKeys[i]);
    if (!value) return value.error();
    values[i] = std::move(*value);
  }
  auto& [cluster, environment, zone, kubeconfig, context] = values;
  if (cluster.empty()) return node.error("cluster is missing: the name under which it writes");
  if (kubeconfig.empty()) return node.error("kubeconfig is missing: the file that leads to it");
  for (const auto& other : config.kubernetes) {
    if (other.cluster == cluster) return node.error("cluster " + cluster + " is named twice");
  }
  config.kubernetes.push_back({std::move(cluster), std::move(environment), std::move(zone),
                               beside(path, kubeconfig), std::move(context)});
  return {};
}

Status read_kubernetes(const YamlNode& root, const std::string& path, Config& config) {
  const auto entries = root.get_sequence("kubernetes");
  if (!entries) return entries.error();
  for (const YamlNode& entry : *entries) {
    if (auto read = read_watched(entry, path, config); !read) return read;
  }
  return {};
}

Status read_storage(const YamlNode& node, Config& config) {
  if (auto known = node.expect_keys({"tsdb"}); !known) return known;
  const auto tsdb = node.find("tsdb");
  if (!tsdb) return {};
  if (auto known = tsdb->expect_keys(
          {"out_of_order_time_window", "backfill_days_per_hour", "head_memory_limit_mib"});
      !known) {
    return known;
  }
  const auto window =
      get_duration(*tsdb, "out_of_order_time_window", config.out_of_order_time_window);
  if (!window) return window.error();
  config.out_of_order_time_window = *window;
  const auto days = tsdb->get_integer(
      "backfill_days_per_hour", static_cast<int64_t>(config.backfill_days_per_hour), 0, 100'000);
  if (!days) return days.error();
  config.backfill_days_per_hour = static_cast<size_t>(*days);
  const auto memory = tsdb->get_integer("head_memory_limit_mib", 0, 0, 1 << 30);
  if (!memory) return memory.error();
  config.head_memory_limit_mib = static_cast<uint64_t>(*memory);
  return {};
}

Status read_root(const YamlNode& root, const std::string& path, Config& config) {
  if (auto known = root.expect_keys({"global", "rule_files", "alerting", "clusters", "ha", "limits",
                                     "desired_state", "storage", "retention", "kubernetes"});
      !known) {
    return known;
  }
  const auto files = root.get_strings("rule_files");
  if (!files) return files.error();
  for (const std::string& file : *files) config.rule_files.push_back(beside(path, file));
  if (const auto node = root.find("global")) {
    if (auto read = read_global(*node, config); !read) return read;
  }
  if (const auto node = root.find("alerting")) {
    if (auto read = read_alerting(*node, config); !read) return read;
  }
  if (auto read = read_ingest(root, config); !read) return read;
  if (const auto node = root.find("retention")) {
    auto rules = read_retention(*node);
    if (!rules) return std::move(rules).error();
    config.cluster_retention = std::move(*rules);
  }
  if (const auto node = root.find("desired_state")) {
    if (auto read = read_desired(*node, path, config); !read) return read;
  }
  if (const auto node = root.find("storage")) {
    if (auto read = read_storage(*node, config); !read) return read;
  }
  return read_kubernetes(root, path, config);
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& path) {
  auto root = YamlNode::parse(text, path);
  if (!root) return std::move(root).error();
  Config config;
  if (auto read = read_root(*root, path, config); !read) return std::move(read).error();
  config.text = std::string(text);  // tokens stand in it as hashes only
  return config;
}

Result<Config> load_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Error(ErrorCode::NotFound,
                 "cannot read configuration file " + path +
                     "; check --config.file, or leave it out to run with defaults");
  }
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return parse_config(text, path);
}

}  // namespace aerie::server
