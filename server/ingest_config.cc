#include "server/ingest_config.h"

#include <fmt/core.h>

#include <limits>
#include <set>
#include <string>
#include <utility>

#include "ingest/identity.h"

namespace aerie::server {
namespace {

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

Status read_limits(const YamlNode& node, ingest::ClusterLimits& limits) {
  if (auto known = node.expect_keys({"active_series", "new_series_per_second", "samples_per_second",
                                     "labels", "label_name_bytes", "label_value_bytes"});
      !known) {
    return known;
  }
  const auto active = node.get_integer("active_series", static_cast<int64_t>(limits.active_series),
                                       0, std::numeric_limits<int64_t>::max());
  if (!active) return active.error();
  limits.active_series = static_cast<uint64_t>(*active);
  for (const auto& [key, rate] : {std::pair{"new_series_per_second", &limits.new_series_per_second},
                                  std::pair{"samples_per_second", &limits.samples_per_second}}) {
    const auto number = node.get_number(key, *rate);
    if (!number) return number.error();
    if (!(*number >= 0)) return node.error(fmt::format("{} must be 0 (no limit) or more", key));
    *rate = *number;
  }
  for (const auto& [key, bound] : {std::pair{"labels", &limits.labels},
                                   std::pair{"label_name_bytes", &limits.label_name_bytes},
                                   std::pair{"label_value_bytes", &limits.label_value_bytes}}) {
    const auto number = node.get_integer(key, static_cast<int64_t>(*bound), 1, 1 << 20);
    if (!number) return number.error();
    *bound = static_cast<size_t>(*number);
  }
  return {};
}

Result<ingest::RelabelRule> read_rule(const YamlNode& node) {
  if (auto known = node.expect_keys({"source_labels", "separator", "target_label", "regex",
                                     "modulus", "replacement", "action"});
      !known) {
    return std::move(known).error();
  }
  ingest::RelabelRule rule;
  auto sources = node.get_strings("source_labels");
  if (!sources) return std::move(sources).error();
  rule.source_labels = std::move(*sources);
  for (const auto& [key, target] :
       {std::pair{"separator", &rule.separator}, std::pair{"target_label", &rule.target_label},
        std::pair{"regex", &rule.regex}, std::pair{"replacement", &rule.replacement}}) {
    const auto value = node.find(key);
    if (!value) continue;  // an empty text is not the default
    auto text = value->as_string();
    if (!text) return std::move(text).error();
    *target = std::move(*text);
  }
  const auto modulus = node.get_integer("modulus", 0, 0, std::numeric_limits<int64_t>::max());
  if (!modulus) return modulus.error();
  rule.modulus = static_cast<uint64_t>(*modulus);
  const auto name = node.get_string("action", "replace");
  if (!name) return name.error();
  const auto action = ingest::parse_relabel_action(*name);
  if (!action) return node.error(action.error().message());
  rule.action = *action;
  return rule;
}

Status read_relabelling(const YamlNode& node, std::vector<ingest::RelabelRule>& rules) {
  const auto items = node.get_sequence("write_relabel_configs");
  if (!items) return items.error();
  for (const YamlNode& item : *items) {
    auto rule = read_rule(item);
    if (!rule) return std::move(rule).error();
    if (const auto good = ingest::Relabeller::compile({*rule}); !good)
      return item.error(good.error().message());
    rules.push_back(std::move(*rule));
  }
  return {};
}

Status read_credentials(const YamlNode& node, ingest::ClusterBinding& binding) {
  const auto tokens = node.get_sequence("tokens");
  if (!tokens) return tokens.error();
  for (const YamlNode& item : *tokens) {
    auto text = item.as_string();
    if (!text) return text.error();
    if (text->rfind("sha256:", 0) == 0) text->erase(0, 7);
    if (!is_sha256_hex(*text)) {
      return item.error(
          "a token is given as sha256:HEX of the token; make one with: aeriectl token create, or "
          "printf %s \"$TOKEN\" | sha256sum");
    }
    binding.token_sha256.push_back(std::move(*text));
  }
  const auto certificates = node.get_sequence("certificates");
  if (!certificates) return certificates.error();
  for (const YamlNode& item : *certificates) {
    auto name = item.as_string();
    if (!name) return name.error();
    const std::string_view kind = std::string_view(*name).substr(0, name->find(':'));
    if (kind != "dns" && kind != "uri" && kind != "ip" && kind != "email" && kind != "cn")
      return item.error("a certificate is given by a name in it: dns:NAME, uri:URI or cn:NAME");
    binding.certificates.push_back(std::move(*name));
  }
  if (binding.token_sha256.empty() && binding.certificates.empty())
    return node.error("a cluster needs tokens or certificates, at least one");
  return {};
}

Status read_labels(const YamlNode& node, ingest::ClusterBinding& binding) {
  binding.labels.emplace_back("cluster", binding.name);
  for (const char* key : {"environment", "zone"}) {
    auto value = node.get_string(key);
    if (!value) return value.error();
    if (!value->empty()) binding.labels.emplace_back(key, std::move(*value));
  }
  const auto labels = node.get_string_map("labels");
  if (!labels) return labels.error();
  for (const auto& [label, value] : *labels) binding.labels.emplace_back(label, value);
  return {};
}

Status read_cluster(const YamlNode& node, Config& config) {
  if (auto known = node.expect_keys({"name", "tokens", "certificates", "environment", "zone",
                                     "labels", "on_mismatch", "may_write", "write_relabel_configs",
                                     "limits", "unlabelled_pairs"});
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
  if (auto read = read_labels(node, binding); !read) return read;
  if (auto read = read_credentials(node, binding); !read) return read;
  const auto mismatch = read_on_mismatch(node);
  if (!mismatch) return mismatch.error();
  binding.on_mismatch = *mismatch;
  auto may_write = node.get_strings("may_write");
  if (!may_write) return may_write.error();
  binding.may_write = std::move(*may_write);
  if (auto read = read_relabelling(node, binding.write_relabel); !read) return read;
  if (const auto limits = node.find("limits")) {
    binding.limits = config.limits;
    if (auto read = read_limits(*limits, *binding.limits); !read) return read;
  }
  if (const auto pairs = node.find("unlabelled_pairs")) {
    const auto mode = read_pairs(*pairs);
    if (!mode) return mode.error();
    binding.unlabelled_pairs = *mode;
  }
  // Alone, so that its error names the line.
  if (const auto good = ingest::BindingTable::create({binding}); !good)
    return node.error(good.error().message());
  config.clusters.push_back(std::move(binding));
  return {};
}

Status read_clusters(const YamlNode& node, Config& config) {
  const auto items = node.as_sequence();
  if (!items) return items.error();
  std::set<std::string> names;
  std::set<std::string> credentials;
  for (const YamlNode& item : *items) {
    if (auto read = read_cluster(item, config); !read) return read;
    const ingest::ClusterBinding& binding = config.clusters.back();
    if (!names.insert(binding.name).second)
      return item.error("cluster " + binding.name + " stands here twice");
    for (const std::string& token : binding.token_sha256) {
      if (!credentials.insert(token).second)
        return item.error("a token of cluster " + binding.name + " is used twice");
    }
    for (const std::string& certificate : binding.certificates) {
      if (!credentials.insert(certificate).second)
        return item.error("a certificate of cluster " + binding.name + " is used twice");
    }
  }
  return {};
}

}  // namespace

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

Status read_ingest(const YamlNode& root, Config& config) {
  // Before the clusters, which begin with them.
  if (const auto node = root.find("limits")) {
    if (auto read = read_limits(*node, config.limits); !read) return read;
  }
  if (const auto node = root.find("clusters")) {
    if (auto read = read_clusters(*node, config); !read) return read;
  }
  if (const auto node = root.find("ha")) return read_ha(*node, config.ha);
  return {};
}

}  // namespace aerie::server
