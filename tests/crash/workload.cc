#include "tests/crash/workload.h"

#include <fmt/format.h>

#include <bit>

#include "model/sample.h"

namespace aerie::crash {
namespace {

/// SplitMix64: a well mixed function of its input.
uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

std::vector<Expected> Workload::batch(int thread, int64_t step) const {
  const uint64_t random =
      mixed(seed ^ mixed(static_cast<uint64_t>(step) * 16 + static_cast<uint64_t>(thread)));
  const model::TimestampMs t = first_time + step * kStepMs;
  const std::string who = std::to_string(thread);
  const auto series = [&](const char* name) {
    return model::Labels{{"__name__", name}, {kThreadLabel, who}};
  };
  std::vector<Expected> out = {
      {series("constant"), t, 1},
      {series("counter"), t, static_cast<double>(step * 17)},
      {series("decimal"), t, static_cast<double>(random % 100'000) / 100},
      {series("bits"), t, std::bit_cast<double>(random)},
      {series("flapping"), t,
       step % 5 == 4 ? model::stale_marker() : static_cast<double>(step % 3)},
      {{{"__name__", "pod"}, {kThreadLabel, who}, {"uid", std::to_string(step / 20)}},
       t,
       static_cast<double>(step)},
  };
  return out;
}

store::StoreOptions store_options(const std::string& path) {
  store::StoreOptions options;
  options.path = path;
  options.retention = 0;
  options.future_limit = 0;
  options.partition_span = kPartitionSpan;
  options.background_seal = false;  // the writer flushes when it likes
  return options;
}

std::string line_of(char kind, int thread, int64_t step) {
  return fmt::format("{} {} {}\n", kind, thread, step);
}

}  // namespace aerie::crash
