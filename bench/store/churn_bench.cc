// Series that come and go, in simulated time: a tenth of them is replaced every ten minutes. Each
// round says what a sample costs and what is in memory; neither may grow. Also many series with few
// samples: what one costs. store_bench --benchmark_filter='churn|million'

#include <benchmark/benchmark.h>

#include <chrono>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bench/load/simulated_series.h"
#include "bench/store/resident.h"
#include "store/local_store.h"

namespace {

using namespace aerie;
using aerie::bench::resident_mb;

constexpr size_t kBatch = 2000;
constexpr model::TimestampMs kStart = 1'700'000'000'000;

/// A store and its simulated scrapers.
class Fleet {
 public:
  explicit Fleet(uint32_t targets) {
    configure_log(LogLevel::Warn, LogFormat::Logfmt);
    if (::mkdtemp(root_.data()) == nullptr) std::abort();
    store::StoreOptions options;
    options.path = root_;
    options.background_seal = false;
    options.sync = store::SyncMode::Off;
    auto opened =
        store::LocalStore::open(options, clock_, files_, metrics_, store::PartitionSet::open);
    if (!opened) std::abort();
    store_ = std::move(*opened);
    for (uint32_t target = 0; target < targets; ++target) {
      for (uint32_t i = 0; i < bench::kNodeSeriesPerTarget; ++i)
        values_.emplace_back(bench::Workload::Node, target, i, 1);
    }
    empty_mb_ = resident_mb();
    handles_.resize(values_.size());
    for (size_t i = 0; i < values_.size(); ++i) resolve(i, 0);
  }
  ~Fleet() {
    store_.reset();
    std::filesystem::remove_all(root_);
  }
  size_t series() const { return handles_.size(); }
  store::LocalStore& store() { return *store_; }
  /// Beside the simulation.
  double used_mb() const { return resident_mb() - empty_mb_; }

  /// Every tenth series is another one from now on.
  void replace(int round) {
    for (size_t i = static_cast<size_t>(round) % 10; i < handles_.size(); i += 10)
      resolve(i, round);
  }

  void scrape() {
    store::WriteBatch batch;
    for (size_t i = 0; i < handles_.size(); ++i) {
      const auto target = static_cast<uint32_t>(i / bench::kNodeSeriesPerTarget);
      const model::TimestampMs t =
          clock_.now_ms() - 15'000 + bench::scrape_phase_ms(target, 15'000);
      batch.floats.push_back({handles_[i], t, values_[i].next()});
      if (batch.floats.size() == kBatch) send(batch);
    }
    send(batch);
    clock_.advance(std::chrono::seconds(15));
  }

 private:
  void resolve(size_t i, int round) {
    const size_t target = i / bench::kNodeSeriesPerTarget;
    const size_t metric = i % bench::kNodeSeriesPerTarget;
    handles_[i] = store_->resolve({{"__name__", fmt::format("node_metric_{}_total", metric / 8)},
                                   {"cluster", fmt::format("c{}", target % 4)},
                                   {"environment", "production"},
                                   {"instance", fmt::format("10.0.{}.1:9100", target)},
                                   {"job", "node"},
                                   {"mode", fmt::format("m{}", metric % 8)},
                                   {"pod", fmt::format("pod-{}-{}", target, round)}});
  }
  void send(store::WriteBatch& batch) {
    const size_t rows = batch.floats.size();
    auto outcome = store_->append_and_wait(std::exchange(batch, {}));
    if (!outcome || outcome->floats_written != rows) std::abort();
  }

  std::string root_ = (std::filesystem::temp_directory_path() / "aerie-bench-XXXXXX").string();
  ManualClock clock_{kStart};
  store::PosixFileSystem files_;
  MetricRegistry metrics_;
  std::unique_ptr<store::LocalStore> store_;
  std::vector<bench::SimulatedSeries> values_;
  std::vector<store::SeriesHandle> handles_;
  double empty_mb_ = 0;
};

/// One iteration is ten minutes; every third ends a half hour, which is sealed.
void churn(benchmark::State& state) {
  Fleet fleet(static_cast<uint32_t>(state.range(0)));
  int round = 0;
  double first_mb = 0;
  double first_seconds = 0;
  double last_seconds = 0;
  for (auto _ : state) {
    const auto from = std::chrono::steady_clock::now();
    if (round > 0) fleet.replace(round);
    for (int scrape = 0; scrape < 40; ++scrape) fleet.scrape();
    if (round % 3 == 2 && !fleet.store().flush()) std::abort();
    last_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
    fmt::print("round {}: {:.2f} s, {:.1f} MB, {} series, {} partitions\n", round, last_seconds,
               fleet.used_mb(), fleet.store().active_series(), round / 3);
    if (round == 2) {
      first_mb = fleet.used_mb();
      first_seconds = last_seconds;
    }
    ++round;
  }
  state.counters["memory_last/third"] = fleet.used_mb() / first_mb;
  state.counters["time_last/third"] = last_seconds / first_seconds;
}

void million(benchmark::State& state) {
  Fleet fleet(static_cast<uint32_t>(state.range(0)));
  const auto series = static_cast<double>(fleet.series());
  state.counters["index_B/series"] = fleet.used_mb() * 1e6 / series;
  for (auto _ : state) fleet.scrape();
  state.counters["total_B/series"] = fleet.used_mb() * 1e6 / series;
  uint64_t head = 0;
  const auto blocks = fleet.store().head().blocks();
  for (const auto& block : *blocks) head += block->bytes();
  state.counters["head_B/series"] = static_cast<double>(head) / series;
  if (!fleet.store().flush()) std::abort();
  state.counters["sealed_B/series"] = fleet.used_mb() * 1e6 / series;
}

}  // namespace

BENCHMARK(churn)->Arg(40)->Iterations(12)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(million)->Arg(1973)->Iterations(20)->Unit(benchmark::kMillisecond)->UseRealTime();
