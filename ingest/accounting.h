#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "ingest/refusal.h"
#include "model/time.h"

namespace aerie::ingest {

using RefusalCounts = std::array<uint32_t, kRefusals>;

/// What one request did to one cluster.
struct ClusterShare {
  uint32_t received = 0;  ///< float and histogram samples, and exemplars
  uint32_t written = 0;
  uint32_t deduplicated = 0;  ///< a standby's, or of the other half of an unlabelled pair
  uint32_t dropped = 0;       ///< by the cluster's own write_relabel_configs
  RefusalCounts refused{};
  std::string first_error;  ///< empty: none
};

/// What has come from one cluster since the start.
struct ClusterIngest {
  std::string cluster;
  uint64_t received = 0;
  uint64_t written = 0;
  uint64_t deduplicated = 0;
  uint64_t dropped = 0;
  std::array<uint64_t, kRefusals> refused{};
  std::string last_error;  ///< text for the operator; empty: none yet
  model::TimestampMs last_error_ms = 0;
};

/// Counts per cluster, kept as metrics (aerie_ingest_*_total{cluster}) and as a snapshot for
/// others. Thread-safe, lock rank 25.
class Accounting {
 public:
  Accounting(size_t max_clusters, MetricRegistry& metrics, const Clock& clock);  // both outlive it
  ~Accounting();

  /// The name under which a cluster is booked: itself, `unlabelled` for none, `overflow` past the
  /// limit.
  std::string book_name(std::string_view cluster);
  /// Adds; logs the first error of a cluster, then at most one a minute.
  void add(std::string_view cluster, const ClusterShare& share);
  /// All clusters, sorted by name.
  std::vector<ClusterIngest> snapshot() const;

 private:
  struct Book;
  using Books = std::map<std::string, std::unique_ptr<Book>, std::less<>>;
  Book& book(Books& books, std::string_view cluster);

  const size_t max_clusters_;
  MetricRegistry& metrics_;
  const Clock& clock_;
  Guarded<Books> books_;
};

}  // namespace aerie::ingest
