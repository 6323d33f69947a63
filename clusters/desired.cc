#include "clusters/desired.h"

#include <set>
#include <utility>

#include "base/yaml_reader.h"

namespace aerie::clusters {

namespace {

constexpr int64_t kMostReplicas = 1'000'000;

/// `replicas` of a map, which may be absent: nobody manages the number.
Result<std::optional<int64_t>> read_replicas(const YamlNode& node) {
  const auto found = node.find("replicas");
  if (!found || found->is_null()) return std::optional<int64_t>{};
  auto value = found->as_integer(0, kMostReplicas);
  if (!value) return std::move(value).error();
  return std::optional<int64_t>(*value);
}

Result<std::string> required_string(const YamlNode& node, std::string_view key) {
  auto found = node.require(key);
  if (!found) return std::move(found).error();
  auto text = found->as_string();
  if (!text) return std::move(text).error();
  if (text->empty()) return found->error(std::string(key) + " must not be empty");
  return text;
}

}  // namespace

Result<DesiredFile> DesiredFile::parse(const std::string& name, const std::string& text,
                                       model::TimestampMs as_of) {
  DesiredFile file;
  file.name_ = name;
  file.as_of_ = as_of;
  auto root = YamlNode::parse(text, name);
  if (!root) return std::move(root).error();
  if (auto keys = root->expect_keys({"deployments"}); !keys) return std::move(keys).error();
  auto rows = root->get_sequence("deployments");
  if (!rows) return std::move(rows).error();
  for (const YamlNode& row : *rows) {
    if (auto added = file.add(row); !added) return std::move(added).error();
  }
  return file;
}

Status DesiredFile::add(const YamlNode& row) {
  if (auto keys = row.expect_keys(
          {"namespace", "name", "replicas", "clusters", "environment", "image", "elsewhere"});
      !keys) {
    return std::move(keys).error();
  }
  auto space = required_string(row, "namespace");
  if (!space) return std::move(space).error();
  auto name = required_string(row, "name");
  if (!name) return std::move(name).error();
  auto replicas = read_replicas(row);
  if (!replicas) return std::move(replicas).error();
  auto environment = row.get_string("environment");
  if (!environment) return std::move(environment).error();
  auto image = row.get_string("image");
  if (!image) return std::move(image).error();
  auto elsewhere = row.get_string("elsewhere");
  if (!elsewhere) return std::move(elsewhere).error();
  if (!elsewhere->empty() && *elsewhere != "unwanted") {
    return row.error("elsewhere: " + *elsewhere + " is not known; it can be: unwanted");
  }
  Entry entry;
  entry.image = std::move(*image);
  entry.unwanted_elsewhere = *elsewhere == "unwanted";
  entry.replicas = *replicas;
  entry.environment = std::move(*environment);
  if (const auto clusters = row.find("clusters")) {
    if (auto read = read_clusters(*clusters, entry); !read) return read;
  }
  if (entry.clusters.empty() && entry.environment.empty()) {
    return row.error(
        "names no cluster: expected clusters: [a, b], clusters: {a: {replicas: 2}} or "
        "environment:");
  }
  const std::string text = *space + "/" + *name;
  if (!entries_.emplace(std::pair(std::move(*space), std::move(*name)), std::move(entry)).second) {
    return row.error(text + " is listed twice");
  }
  return {};
}

Status DesiredFile::read_clusters(const YamlNode& node, Entry& entry) {
  if (node.is_sequence()) {
    auto names = node.as_strings();
    if (!names) return std::move(names).error();
    for (auto& cluster : *names) {
      if (!entry.clusters.emplace(cluster, entry.replicas).second) {
        return node.error("cluster " + cluster + " is listed twice");
      }
    }
    return {};
  }
  auto rows = node.as_map();
  if (!rows) return std::move(rows).error();
  for (const auto& row : *rows) {
    if (auto keys = row.value.expect_keys({"replicas"}); !keys) return keys;
    auto replicas = read_replicas(row.value);
    if (!replicas) return std::move(replicas).error();
    entry.clusters.emplace(row.name, *replicas ? *replicas : entry.replicas);
  }
  return {};
}

std::optional<Desired> DesiredFile::find(const WorkloadKey& key,
                                         const std::string& environment) const {
  const auto entry = entries_.find({key.space, key.name});
  if (entry == entries_.end() || key.kind != Kind::Deployment) return std::nullopt;
  const auto cluster = entry->second.clusters.find(key.cluster);
  const bool named = cluster != entry->second.clusters.end();
  const bool selected =
      !entry->second.environment.empty() && entry->second.environment == environment;
  Desired desired;
  if (!named && !selected) {
    if (!entry->second.unwanted_elsewhere) return std::nullopt;
    desired.wanted = false;
    desired.source = "file " + name_;
    desired.as_of = as_of_;
    return desired;
  }
  desired.image = entry->second.image;
  desired.replicas = named ? cluster->second : entry->second.replicas;
  desired.source = "file " + name_;
  desired.binding = true;
  desired.as_of = as_of_;
  return desired;
}

std::vector<std::string> DesiredFile::clusters() const {
  std::set<std::string> names;
  for (const auto& [key, entry] : entries_) {
    for (const auto& [cluster, replicas] : entry.clusters) names.insert(cluster);
  }
  return {names.begin(), names.end()};
}

std::vector<WorkloadKey> DesiredFile::in_cluster(const std::string& cluster,
                                                 const std::string& environment) const {
  std::vector<WorkloadKey> keys;
  for (const auto& [name, entry] : entries_) {
    WorkloadKey key{name.first, name.second, cluster};
    const auto desired = find(key, environment);
    if (desired && desired->wanted) keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace aerie::clusters
