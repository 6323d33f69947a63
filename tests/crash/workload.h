#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/labels.h"
#include "model/time.h"
#include "store/store.h"

namespace aerie::crash {

/// What the writer writes and the checker expects: a pure function of (seed, thread, step). Step i
/// of a thread is one batch.
inline constexpr int kThreads = 3;
inline constexpr model::DurationMs kStepMs = 50;
inline constexpr model::DurationMs kPartitionSpan = 20'000;
inline constexpr model::DurationMs kRetention = 60'000;  // of the rounds that remove old partitions

struct Expected {
  model::Labels labels;
  model::TimestampMs t = 0;
  double value = 0;
};

/// What the writer writes and the checker expects: a pure function. Step i of a thread is one
/// batch.
struct Workload {
  uint64_t seed = 0;
  model::TimestampMs first_time = 0;
  /// A constant, a counter, decimals, arbitrary bits, stale markers, and a series that lives for 20
  /// steps.
  std::vector<Expected> batch(int thread, int64_t step) const;
};
/// Tells the workload's series from what aerie itself writes.
inline constexpr std::string_view kThreadLabel = "crash_thread";

/// The store as both programs open it.
store::StoreOptions store_options(const std::string& path);

/// Writer to checker, one line each: "S <thread> <step>" before a batch is sent, "A <thread>
/// <step>" when it is acknowledged.
std::string line_of(char kind, int thread, int64_t step);

}  // namespace aerie::crash
