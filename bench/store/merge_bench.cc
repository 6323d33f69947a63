// What a day of merges costs: 5,070 node_exporter series at 15 s for 24 h (29.2 M samples), sealed
// in half hours, merged into 2 h and a day. Items are samples that a merge wrote.

#include <benchmark/benchmark.h>

#include <filesystem>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bench/load/simulated_series.h"
#include "store/local_store.h"

namespace {

using namespace aerie;

constexpr uint32_t kTargets = 10;
constexpr model::DurationMs kDay = 24LL * 3600 * 1000;
constexpr model::DurationMs kHalfHour = 30LL * 60 * 1000;
constexpr model::TimestampMs kStart = 19'700 * kDay;

model::Labels labels_of(uint32_t target, uint32_t i) {
  return {{"__name__", "node_metric_" + std::to_string(i / 8) + "_total"},
          {"cluster", "c" + std::to_string(target % 4)},
          {"instance", "10.0." + std::to_string(target) + ".1:9100"},
          {"job", "node"},
          {"mode", "m" + std::to_string(i % 8)}};
}

/// Partition bytes of the folder, after what is pinned is gone.
double megabytes(const std::string& path) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path + "/db"))
    if (entry.path().extension() == ".sst") bytes += entry.file_size();
  return static_cast<double>(bytes) / 1e6;
}

/// A day, sealed half hour by half hour.
void fill(store::Store& store, ManualClock& clock) {
  std::vector<bench::SimulatedSeries> series;
  for (uint32_t target = 0; target < kTargets; ++target)
    for (uint32_t i = 0; i < bench::kNodeSeriesPerTarget; ++i)
      series.emplace_back(bench::Workload::Node, target, i, 1);
  for (model::DurationMs at = 0; at < kDay; at += 15'000) {
    clock.set_ms(kStart + at);
    store::WriteBatch batch;
    for (size_t i = 0; i < series.size(); ++i) {
      const auto target = static_cast<uint32_t>(i / bench::kNodeSeriesPerTarget);
      const auto number = static_cast<uint32_t>(i % bench::kNodeSeriesPerTarget);
      batch.floats.push_back({store.resolve(labels_of(target, number)),
                              kStart + at + bench::scrape_phase_ms(target, 15'000),
                              series[i].next()});
    }
    if (!store.append_and_wait(std::move(batch))) std::abort();
    if ((at + 15'000) % kHalfHour == 0 && !store.flush()) std::abort();
  }
}

void merge_a_day(benchmark::State& state) {
  configure_log(LogLevel::Warn, LogFormat::Logfmt);
  for (auto _ : state) {
    std::string root = (std::filesystem::temp_directory_path() / "aerie-bench-XXXXXX").string();
    if (::mkdtemp(root.data()) == nullptr) std::abort();
    ManualClock clock(kStart);
    store::PosixFileSystem files;
    MetricRegistry metrics;
    store::StoreOptions options;
    options.path = root;
    options.retention = 0;
    options.future_limit = 0;
    options.background_seal = false;
    options.sync = store::SyncMode::Off;
    auto opened =
        store::LocalStore::open(options, clock, files, metrics, store::PartitionSet::open);
    if (!opened) std::abort();
    store::LocalStore& store = **opened;
    fill(store, clock);
    const SystemClock stopwatch;
    const auto merge_at = [&](model::TimestampMs now) {
      clock.set_ms(now);
      const int64_t start = stopwatch.monotonic_ns();
      if (!store.merge()) std::abort();
      return static_cast<double>(stopwatch.monotonic_ns() - start) / 1e9;
    };
    state.counters["MB_half_hours"] = megabytes(root);
    const double two_hours = merge_at(kStart + kDay + kHalfHour);
    state.counters["MB_two_hours"] = megabytes(root);
    const double day = merge_at(kStart + kDay + 5 * kHalfHour);
    state.counters["MB_day"] = megabytes(root);
    state.counters["s_two_hours"] = two_hours;
    state.counters["s_day"] = day;
    const double samples = kTargets * bench::kNodeSeriesPerTarget * (kDay / 15'000.0);
    state.counters["samples/s"] = 2 * samples / (two_hours + day);
    state.SetIterationTime(two_hours + day);
    opened->reset();
    std::filesystem::remove_all(root);
  }
}
BENCHMARK(merge_a_day)->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
