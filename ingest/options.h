#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ingest/relabel.h"
#include "model/time.h"

namespace aerie::ingest {

/// What happens to a series that already carries another value for a label that its sender's
/// binding sets.
enum class OnMismatch : uint8_t {
  Enforce,  ///< the binding's value is set, the sender's is kept as exported_<label>
  Verify,   ///< the series is refused (400, the others are kept)
  Fill      ///< the sender's value stays; only missing labels are set
};

/// What to do about two senders of the same series that carry no replica label.
enum class UnlabelledPairs : uint8_t {
  Detect,  ///< watch a few series per cluster; once two phases are seen, keep one of them
  Always,  ///< the operator knows that the cluster sends as such a pair
  Off      ///< keep everything
};

/// What one cluster may use; 0 is no limit. No honest sender meets the defaults.
struct ClusterLimits {
  uint64_t active_series = 5'000'000;  ///< with a sample in the last ten minutes; past it only new
                                       ///< series are refused
  double new_series_per_second = 0;    ///< the same; half a minute's worth may come at once
  double samples_per_second = 0;       ///< past it requests are answered 429
  size_t labels = 64;                  ///< per series
  size_t label_name_bytes = 512;
  size_t label_value_bytes = 4096;
  bool operator==(const ClusterLimits&) const = default;
};

/// One member cluster and the credentials that speak for it.
struct ClusterBinding {
  std::string name;
  std::vector<std::string>
      token_sha256;  ///< lower-case hex of SHA-256 of bearer tokens; two or more while rotating
  std::vector<std::string>
      certificates;  ///< names in client certificates: `dns:…`, `uri:…`, `cn:…`
  std::vector<std::pair<std::string, std::string>>
      labels;  ///< cluster, environment, zone …; `cluster` defaults to `name`
  OnMismatch on_mismatch = OnMismatch::Enforce;
  std::vector<std::string> may_write;  ///< further clusters whose series it forwards, as anchored
                                       ///< regular expressions: those are stored as sent
  std::vector<RelabelRule> write_relabel;           ///< run before all else
  std::optional<UnlabelledPairs> unlabelled_pairs;  ///< overrides HaOptions
  std::optional<ClusterLimits> limits;              ///< overrides IngestOptions
  bool operator==(const ClusterBinding&) const = default;
};

/// Pairs (or more) of identical Prometheus servers per cluster.
struct HaOptions {
  std::vector<std::string> replica_labels = {
      "__replica__", "prometheus_replica"};  ///< the first that a series has counts
  std::string group_label = "prometheus";    ///< several pairs in one cluster are told apart by it
  UnlabelledPairs unlabelled_pairs = UnlabelledPairs::Detect;
  model::DurationMs min_silence = 10'000;      ///< no failover before the lead was silent that long
  model::DurationMs initial_silence = 30'000;  ///< the same until 20 arrivals of the lead were seen
  model::DurationMs max_silence = 15 * 60'000;  ///< a lead silent for longer always loses
  model::DurationMs replica_expiry =
      30 * 60'000;  ///< a replica not seen for that long is forgotten
  size_t max_groups = 10'000;
  bool stitch = true;  ///< false: a change of lead keeps no distance (to show what it is for)
  size_t standby_bytes =
      64u << 20;            ///< compressed requests of standbys that are kept for a failover
  size_t max_replicas = 8;  ///< per group
  bool operator==(const HaOptions&) const = default;
};

struct IngestOptions {
  std::vector<ClusterBinding>
      clusters;  ///< empty: everybody may write and the `cluster` label is taken as sent
  HaOptions ha;
  size_t decoded_limit_bytes = 32u << 20;    ///< of one request
  size_t inflight_limit_bytes = 256u << 20;  ///< decoded bytes of all requests not yet answered
  size_t series_cache_entries = 16u << 20;   ///< 32 bytes each, grown as needed
  ClusterLimits limits;                      ///< of every cluster that has none of its own
  size_t max_clusters = 4096;                ///< further names are booked together as `overflow`
};

/// Where series without a `cluster` label are booked, and those of clusters past the limit.
inline constexpr const char* kUnlabelledCluster = "unlabelled";
inline constexpr const char* kOverflowCluster = "overflow";

}  // namespace aerie::ingest
