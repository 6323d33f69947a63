#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "clusters/kubernetes/api_watcher.h"
#include "ingest/options.h"
#include "model/time.h"
#include "store/erased_now.h"

namespace aerie::server {

/// One Alertmanager to deliver to.
struct AlertmanagerConfig {
  std::string url;  ///< `http://host:9093` with the path prefix, without `/api/v2/alerts`
  model::DurationMs timeout = 10'000;
};

/// The configuration file, checked. Immutable; a reload makes a new one. docs/configuration.md
/// describes every key.
struct Config {
  model::DurationMs evaluation_interval = 15'000;
  std::vector<std::pair<std::string, std::string>> external_labels;  ///< `${VAR}` expanded
  std::vector<std::string> rule_files;  ///< globs, relative ones made absolute by the file's folder
  std::vector<AlertmanagerConfig> alertmanagers;
  std::vector<ingest::ClusterBinding> clusters;
  ingest::HaOptions ha;
  ingest::ClusterLimits limits;  ///< of every cluster that has none of its own
  model::DurationMs out_of_order_time_window = 3600LL * 1000;  ///< 0: late samples are refused
  size_t backfill_days_per_hour = 64;                          ///< of one cluster; 0: no limit
  std::vector<store::ClusterRetention> cluster_retention;
  uint64_t head_memory_limit_mib = 0;  ///< 0: half of what the machine or its control group has
  std::string desired_state_file;      ///< empty: desired state is inferred only
  std::vector<clusters::kubernetes::WatchedApi> kubernetes;  ///< API servers that are watched
  std::string text;  ///< as read, with secrets masked: for /api/v1/status/config
};

/// Reads and checks a file. Errors: InvalidArgument `file:line:column: what was expected`, NotFound
/// with the path.
Result<Config> load_config(const std::string& path);
/// The same from text; `path` is what errors and relative names refer to.
Result<Config> parse_config(std::string_view text, const std::string& path);

}  // namespace aerie::server
