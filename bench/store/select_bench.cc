// What a selection from the head costs: find, sort, read. 101,400 series, 120 samples each.

#include <benchmark/benchmark.h>

#include <filesystem>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bench/load/simulated_series.h"
#include "store/local_store.h"

namespace {

using namespace aerie;

constexpr uint32_t kTargets = 200;
constexpr model::TimestampMs kStart = 1'700'000'000'000;

model::Labels labels_of(uint32_t target, uint32_t i) {
  return {{"__name__", "node_metric_" + std::to_string(i / 8) + "_total"},
          {"cluster", "c" + std::to_string(target % 4)},
          {"environment", "production"},
          {"instance", "10.0." + std::to_string(target) + ".1:9100"},
          {"job", "node"},
          {"mode", "m" + std::to_string(i % 8)},
          {"zone", "eu-west-1a"}};
}

/// A filled store, made once for all benchmarks of the process.
class FilledStore {
 public:
  FilledStore() {
    configure_log(LogLevel::Warn, LogFormat::Logfmt);
    if (::mkdtemp(root_.data()) == nullptr) std::abort();
    store::StoreOptions options;
    options.path = root_;
    options.retention = 0;
    options.future_limit = 0;
    options.background_seal = false;
    options.sync = store::SyncMode::Off;
    auto opened =
        store::LocalStore::open(options, clock_, files_, metrics_, store::PartitionSet::open);
    if (!opened) std::abort();
    store_ = std::move(*opened);
    fill();
  }
  ~FilledStore() {
    store_.reset();
    std::filesystem::remove_all(root_);
  }
  store::Store& store() { return *store_; }

 private:
  void fill() {
    std::vector<bench::SimulatedSeries> series;
    std::vector<store::SeriesHandle> handles;
    for (uint32_t target = 0; target < kTargets; ++target) {
      for (uint32_t i = 0; i < bench::kNodeSeriesPerTarget; ++i) {
        series.emplace_back(bench::Workload::Node, target, i, 1);
        handles.push_back(store_->resolve(labels_of(target, i)));
      }
    }
    for (int64_t scrape = 0; scrape < 120; ++scrape) {
      clock_.advance(std::chrono::seconds(15));
      store::WriteBatch batch;
      for (size_t i = 0; i < series.size(); ++i) {
        const auto target = static_cast<uint32_t>(i / bench::kNodeSeriesPerTarget);
        const model::TimestampMs t =
            kStart + scrape * 15'000 + bench::scrape_phase_ms(target, 15'000);
        batch.floats.push_back({handles[i], t, series[i].next()});
      }
      if (!store_->append_and_wait(std::move(batch))) std::abort();
    }
  }

  std::string root_ = (std::filesystem::temp_directory_path() / "aerie-bench-XXXXXX").string();
  ManualClock clock_{kStart};
  store::PosixFileSystem files_;
  MetricRegistry metrics_;
  std::unique_ptr<store::LocalStore> store_;
};

void measure(benchmark::State& state, store::Store& store, const model::Matchers& matchers) {
  uint64_t series = 0;
  uint64_t samples = 0;
  model::SeriesSamples out;
  for (auto _ : state) {
    auto selection = store.select(matchers, {});
    if (!selection) std::abort();
    series += (*selection)->size();
    for (size_t i = 0; i < (*selection)->size(); ++i) {
      if (!(*selection)->read(i, {}, out)) std::abort();
      samples += out.values.size();
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(samples));
  state.counters["series"] = static_cast<double>(series) / static_cast<double>(state.iterations());
}

void select(benchmark::State& state) {
  FilledStore filled;
  const std::vector<model::Matchers> cases = {
      {model::Matcher::equal("__name__", "node_metric_3_total"),
       model::Matcher::equal("instance", "10.0.7.1:9100")},
      {model::Matcher::equal("__name__", "node_metric_3_total")},
      {model::Matcher::equal("cluster", "c1")},
  };
  const model::Matchers& matchers = cases[static_cast<size_t>(state.range(0))];
  if (state.range(1) != 0 && !filled.store().flush()) std::abort();
  measure(state, filled.store(), matchers);
}

}  // namespace

BENCHMARK(select)
    ->ArgNames({"case", "sealed"})
    ->ArgsProduct({{0, 1, 2}, {0, 1}})
    ->Unit(benchmark::kMicrosecond);
