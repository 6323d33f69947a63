#include <fmt/core.h>

#include "clusters/evaluator.h"

// What of the evaluator survives a restart: rows of the `clusters` table.

namespace aerie::clusters {

namespace {

constexpr std::string_view kClusterPrefix = "cluster/";
constexpr std::string_view kWorkloadPrefix = "workload/";

/// `workload/<cluster>/<namespace>/<name>`, other kinds with `|<kind>` behind the name.
std::string row_key(const WorkloadKey& key) {
  std::string text = fmt::format("{}{}/{}/{}", kWorkloadPrefix, key.cluster, key.space, key.name);
  if (key.kind != Kind::Deployment) text += fmt::format("|{}", kind_name(key.kind));
  return text;
}

/// Names of Kubernetes objects hold no slash, names of clusters may: split from the end.
std::optional<WorkloadKey> parse_row_key(std::string_view text) {
  text.remove_prefix(kWorkloadPrefix.size());
  const size_t last = text.rfind('/');
  if (last == std::string_view::npos || last == 0) return std::nullopt;
  const size_t middle = text.rfind('/', last - 1);
  if (middle == std::string_view::npos) return std::nullopt;
  std::string_view name = text.substr(last + 1);
  Kind kind = Kind::Deployment;
  if (const size_t bar = name.find('|'); bar != std::string_view::npos) {
    const auto parsed = parse_kind(name.substr(bar + 1));
    if (!parsed) return std::nullopt;
    kind = *parsed;
    name = name.substr(0, bar);
  }
  return WorkloadKey{std::string(text.substr(middle + 1, last - middle - 1)), std::string(name),
                     std::string(text.substr(0, middle)), kind};
}

}  // namespace

Status Evaluator::restore() {
  if (!table_) return {};
  auto clusters = table_->scan(kClusterPrefix);
  if (!clusters) return std::move(clusters).error().with("read the memory of clusters");
  for (auto& [key, value] : *clusters) {
    ClusterBook& own = book(key.substr(kClusterPrefix.size()));
    own.memory = ClusterMemory::decode(value);
    own.restored = true;
    persisted_clusters_[key] = std::move(value);
  }
  auto workloads = table_->scan(kWorkloadPrefix);
  if (!workloads) return std::move(workloads).error().with("read the memory of verdicts");
  for (auto& [key, value] : *workloads) {
    auto workload = parse_row_key(key);
    if (!workload) continue;
    ClusterBook& own = book(workload->cluster);
    own.restored = true;
    Memory memory = Memory::decode(value);
    if (memory.standing && memory.standing->reason == "StaleData") own.told_silent = true;
    own.workloads[*workload].memory = std::move(memory);
    persisted_[key] = std::move(value);
  }
  return {};
}

Status Evaluator::persist() {
  if (!table_) return {};
  std::vector<std::pair<std::string, std::string>> puts;
  std::vector<std::string> removals;
  for (const auto& [name, book] : books_) {
    if (book->row.state == ClusterState::Never) continue;
    std::string value = book->memory.encode();
    std::string& before = persisted_clusters_[std::string(kClusterPrefix) + name];
    if (value == before) continue;
    before = value;
    puts.emplace_back(std::string(kClusterPrefix) + name, std::move(value));
  }
  for (const auto& key : unsaved_) {
    const auto own = books_.find(key.cluster);
    const auto workload = own->second->workloads.find(key);
    const std::string row = row_key(key);
    if (workload == own->second->workloads.end()) {
      if (persisted_.erase(row) > 0) removals.push_back(row);
      continue;
    }
    std::string value = workload->second.memory.encode();
    std::string& before = persisted_[row];
    if (value == before) continue;
    before = value;
    puts.emplace_back(row, std::move(value));
  }
  if (puts.empty() && removals.empty()) {
    unsaved_.clear();
    return {};
  }
  if (auto written = table_->apply(puts, removals); !written) {
    for (const auto& [key, value] : puts) {  // not there: compare against nothing the next time
      if (key.starts_with(kClusterPrefix)) {
        persisted_clusters_[key].clear();
      } else {
        persisted_[key].clear();
      }
    }
    for (const auto& key : removals) persisted_[key].clear();
    return std::move(written).error().with("write the memory of verdicts");
  }
  unsaved_.clear();
  return {};
}

}  // namespace aerie::clusters
