// What one sample costs the applier: encode, log, apply; and what a series costs in memory.
// node_exporter-like series. store_bench --benchmark_filter=append

#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <time.h>

#include <filesystem>
#include <future>

#include "base/clock.h"
#include "base/metrics.h"
#include "bench/load/simulated_series.h"
#include "bench/store/resident.h"
#include "store/local_store.h"

namespace {

using namespace aerie;
using aerie::bench::resident_mb;

constexpr size_t kBatch = 2000;
constexpr model::TimestampMs kStart = 1'700'000'000'000;

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Sends whole scrapes of `targets` targets in batches of 2,000, as two senders would.
void append(benchmark::State& state) {
  const auto targets = static_cast<uint32_t>(state.range(0));
  std::string root = (std::filesystem::temp_directory_path() / "aerie-bench-XXXXXX").string();
  if (::mkdtemp(root.data()) == nullptr) return;
  store::StoreOptions options;
  options.path = root;
  options.retention = 0;
  options.future_limit = 0;
  options.background_seal = false;
  options.sync = state.range(1) != 0 ? store::SyncMode::Always : store::SyncMode::Off;
  ManualClock clock{kStart};  // samples are of now, as live ones are
  store::PosixFileSystem files;
  MetricRegistry metrics;
  auto opened = store::LocalStore::open(options, clock, files, metrics, store::PartitionSet::open);
  if (!opened) {
    state.SkipWithError(opened.error().message().c_str());
    return;
  }
  store::Store& store = **opened;
  std::vector<bench::SimulatedSeries> series;
  std::vector<store::SeriesHandle> handles;
  for (uint32_t target = 0; target < targets; ++target) {
    for (uint32_t i = 0; i < bench::kNodeSeriesPerTarget; ++i)
      series.emplace_back(bench::Workload::Node, target, i, 1);
  }
  const double before_series = resident_mb();
  for (uint32_t target = 0; target < targets; ++target) {
    for (uint32_t i = 0; i < bench::kNodeSeriesPerTarget; ++i) {
      handles.push_back(
          store.resolve({{"__name__", "node_metric_" + std::to_string(i / 8) + "_total"},
                         {"cluster", "c" + std::to_string(target % 4)},
                         {"environment", "production"},
                         {"instance", "10.0." + std::to_string(target) + ".1:9100"},
                         {"job", "node"},
                         {"mode", "m" + std::to_string(i % 8)},
                         {"zone", "eu-west-1a"}}));
    }
  }
  const double after_series = resident_mb();
  int64_t scrape = 0;
  double making = 0;
  const double cpu_before = cpu_seconds();
  for (auto _ : state) {
    const double made_from = cpu_seconds();
    std::vector<store::WriteBatch> batches;
    for (size_t i = 0; i < series.size(); ++i) {
      if (i % kBatch == 0) batches.emplace_back();
      const auto target = static_cast<uint32_t>(i / bench::kNodeSeriesPerTarget);
      const model::TimestampMs t =
          kStart + scrape * 15'000 + bench::scrape_phase_ms(target, 15'000);
      batches.back().floats.push_back({handles[i], t, series[i].next()});
    }
    making += cpu_seconds() - made_from;
    std::promise<void> all;
    std::atomic<size_t> left{batches.size()};
    for (auto& batch : batches) {
      store.append(std::move(batch), [&](Result<store::WriteOutcome> outcome) {
        if (!outcome || outcome->rejected_total() > 0) std::abort();
        if (--left == 0) all.set_value();
      });
    }
    all.get_future().wait();
    ++scrape;
    clock.advance(std::chrono::seconds(15));
  }
  const auto samples = static_cast<double>(scrape) * static_cast<double>(series.size());
  const double cpu = cpu_seconds() - cpu_before - making;
  state.SetItemsProcessed(static_cast<int64_t>(samples));
  state.counters["ns_cpu/sample"] = cpu * 1e9 / samples;
  state.counters["index_B/series"] =
      (after_series - before_series) * 1e6 / static_cast<double>(series.size());
  state.counters["total_B/series"] =
      (resident_mb() - before_series) * 1e6 / static_cast<double>(series.size());
  size_t head = 0;
  const auto blocks = (*opened)->head().blocks();
  for (const auto& block : *blocks) head += block->bytes();
  state.counters["head_B/series"] = static_cast<double>(head) / static_cast<double>(series.size());
  uint64_t log_bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(root + "/log"))
    log_bytes += file.file_size();
  state.counters["log_MB"] = static_cast<double>(log_bytes) / 1e6;
  const double flush_from = cpu_seconds();
  if (!store.flush()) state.SkipWithError("flush");
  state.counters["seal_ns/sample"] = (cpu_seconds() - flush_from) * 1e9 / samples;
  opened->reset();
  std::filesystem::remove_all(root);
}

}  // namespace

BENCHMARK(append)
    ->Args({200, 0})
    ->Args({200, 1})
    ->Iterations(120)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
