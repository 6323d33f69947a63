#include "server/config.h"

#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base/yaml_reader.h"
#include "model/labels.h"

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

Result<model::DurationMs> get_duration(const YamlNode& map, std::string_view key,
                                       model::DurationMs fallback) {
  const auto node = map.find(key);
  if (!node || node->is_null()) return fallback;
  auto text = node->as_string();
  if (!text) return std::move(text).error();
  const auto duration = model::parse_duration(*text);
  if (!duration)
    return node->error(duration.error().message() + "; write it like 30s, 5m, 1h30m, 15d");
  return *duration;
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

Result<ingest::UnlabelledPairs> read_pairs(const YamlNode& node) {
  const auto text = node.as_string();
  if (!text) return text.error();
  if (*text == "detect") return ingest::UnlabelledPairs::Detect;
  if (*text == "always") return ingest::UnlabelledPairs::Always;
  if (*text == "off" || *text == "false") return ingest::UnlabelledPairs::Off;
  return node.error(
      fmt::format("unlabelled_pairs must be detect, always or off, not \"{}\"", *text));
}

Status read_ha(const YamlNode& node, ingest::HaOptions& ha) {
  if (auto known = node.expect_keys(
          {"replica_labels", "group_label", "unlabelled_pairs", "min_silence", "max_silence"});
      !known) {
    return known;
  }
  if (const auto labels = node.find("replica_labels")) {
    auto names = labels->as_strings();
    if (!names) return names.error();
    ha.replica_labels = std::move(*names);
  }
  auto group = node.get_string("group_label", ha.group_label);
  if (!group) return group.error();
  ha.group_label = std::move(*group);
  if (const auto pairs = node.find("unlabelled_pairs")) {
    const auto mode = read_pairs(*pairs);
    if (!mode) return mode.error();
    ha.unlabelled_pairs = *mode;
  }
  const auto min_silence = get_duration(node, "min_silence", ha.min_silence);
  if (!min_silence) return min_silence.error();
  const auto max_silence = get_duration(node, "max_silence", ha.max_silence);
  if (!max_silence) return max_silence.error();
  ha.min_silence = *min_silence;
  ha.max_silence = *max_silence;
  return {};
}

Result<ingest::OnMismatch> read_on_mismatch(const YamlNode& node) {
  const auto text = node.get_string("on_mismatch", "enforce");
  if (!text) return text.error();
  if (*text == "enforce") return ingest::OnMismatch::Enforce;
  if (*text == "verify") return ingest::OnMismatch::Verify;
  if (*text == "fill") return ingest::OnMismatch::Fill;
  return node.error(fmt::format("on_mismatch must be enforce, verify or fill, not \"{}\"", *text));
}

bool is_sha256_hex(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Status read_cluster(const YamlNode& node, Config& config) {
  if (auto known = node.expect_keys(
          {"name", "tokens", "environment", "zone", "labels", "on_mismatch", "unlabelled_pairs"});
      !known) {
    return known;
  }
  ingest::ClusterBinding binding;
  const auto name = node.require("name");
  if (!name) return name.error();
  auto name_text = name->as_string();
  if (!name_text) return name_text.error();
  if (name_text->empty()) return name->error("name must not be empty");
  binding.name = std::move(*name_text);
  binding.labels.emplace_back("cluster", binding.name);
  for (const char* key : {"environment", "zone"}) {
    auto value = node.get_string(key);
    if (!value) return value.error();
    if (!value->empty()) binding.labels.emplace_back(key, std::move(*value));
  }
  const auto labels = node.get_string_map("labels");
  if (!labels) return labels.error();
  for (const auto& [label, value] : *labels) binding.labels.emplace_back(label, value);
  const auto tokens = node.require("tokens");
  if (!tokens) return tokens.error();
  const auto items = tokens->as_sequence();
  if (!items) return items.error();
  for (const YamlNode& item : *items) {
    auto text = item.as_string();
    if (!text) return text.error();
    if (text->rfind("sha256:", 0) == 0) text->erase(0, 7);
    if (!is_sha256_hex(*text)) {
      return item.error(
          "a token is given as sha256:HEX of the token; make one with: "
          "printf %s \"$TOKEN\" | sha256sum");
    }
    binding.token_sha256.push_back(std::move(*text));
  }
  if (binding.token_sha256.empty()) return tokens->error("at least one token is needed");
  const auto mismatch = read_on_mismatch(node);
  if (!mismatch) return mismatch.error();
  binding.on_mismatch = *mismatch;
  if (const auto pairs = node.find("unlabelled_pairs")) {
    const auto mode = read_pairs(*pairs);
    if (!mode) return mode.error();
    binding.unlabelled_pairs = *mode;
  }
  config.clusters.push_back(std::move(binding));
  return {};
}

Status read_clusters(const YamlNode& node, Config& config) {
  const auto items = node.as_sequence();
  if (!items) return items.error();
  std::set<std::string> names;
  std::set<std::string> tokens;
  for (const YamlNode& item : *items) {
    if (auto read = read_cluster(item, config); !read) return read;
    const ingest::ClusterBinding& binding = config.clusters.back();
    if (!names.insert(binding.name).second)
      return item.error("cluster " + binding.name + " stands here twice");
    for (const std::string& token : binding.token_sha256) {
      if (!tokens.insert(token).second)
        return item.error("a token of cluster " + binding.name + " is used twice");
    }
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

Status read_root(const YamlNode& root, const std::string& path, Config& config) {
  if (auto known =
          root.expect_keys({"global", "rule_files", "alerting", "clusters", "ha", "desired_state"});
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
  if (const auto node = root.find("clusters")) {
    if (auto read = read_clusters(*node, config); !read) return read;
  }
  if (const auto node = root.find("ha")) {
    if (auto read = read_ha(*node, config.ha); !read) return read;
  }
  if (const auto node = root.find("desired_state")) {
    if (auto read = read_desired(*node, path, config); !read) return read;
  }
  return {};
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
