#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "bench/load/simulated_series.h"

namespace aerie::bench {

struct LoadOptions {
  std::string url;  ///< a remote-write endpoint on this machine
  Workload workload = Workload::Node;
  uint32_t targets = 20;
  uint32_t scrapes = 40;
  int64_t interval_ms = 15'000;
  int64_t first_scrape_ms = 0;  ///< time of the first scrape
  uint32_t connections = 2;
  uint32_t samples_per_request = 2'000;
  uint64_t seed = 1;
  std::string bearer_token;       ///< empty: none
  bool version2 = false;          ///< Remote-Write 2.0
  double samples_per_second = 0;  ///< of all connections; 0: as fast as the receiver takes it
  std::vector<std::pair<std::string, std::string>> labels;  ///< of every series
  /// A tenth of the targets is replaced by new ones after each round of so many scrapes; 0: none.
  uint32_t churn_scrapes = 0;
};

struct LoadResult {
  uint64_t samples = 0;  ///< acknowledged with 2xx
  uint64_t requests = 0;
  uint64_t retries = 0;  ///< answers 5xx or 429 that were followed
  uint64_t encoded_bytes = 0;
  uint64_t decoded_bytes = 0;
  double seconds = 0;
  double slowest_request_seconds = 0;
  std::vector<float> request_seconds;  ///< of each that was answered 2xx
  uint64_t series = 0;                 ///< ever sent
  std::vector<double> round_seconds;   ///< with churn: when each round ended, since the start
};

/// Refuses everything but http:// to this machine's loopback: a load generator must not reach
/// anybody else by a typing error.
Status check_loopback(const std::string& url);

/// Sends everything as fast as the receiver takes it: each connection has its share of the series
/// (as Prometheus's shards have) and waits for every answer; every ten scrapes they wait for each
/// other. Errors: the first permanent refusal, or a receiver that stays away for 30 s.
Result<LoadResult> run_load(const LoadOptions& options);

}  // namespace aerie::bench
