#include "ingest/request_processor.h"

#include <benchmark/benchmark.h>
#include <snappy.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "bench/load/write_request.h"

// From compressed bytes to a batch for the store, all series known: items are samples.
namespace {

using namespace aerie;

// Knows series and nothing else.
class NoStore final : public store::Store {
 public:
  explicit NoStore(const Clock& clock) : arrivals_(clock) {}
  store::SeriesHandle resolve(const model::Labels& labels) override {
    const auto next = static_cast<uint32_t>(slots_.size());
    return {slots_.emplace(labels, next).first->second, 1};
  }
  void append(store::WriteBatch, Done) override {}
  std::vector<store::FamilyMetadata> metadata(std::string_view) const override { return {}; }
  store::Arrivals& arrivals() override { return arrivals_; }
  Result<std::shared_ptr<store::KeyedTable>> table(const std::string&) override { return none(); }
  Status flush() override { return {}; }
  uint64_t active_series() const override { return slots_.size(); }
  model::TimeRange extent() const override { return {}; }
  Status close() override { return {}; }
  Result<std::unique_ptr<model::Selection>> select(const model::Matchers&,
                                                   model::TimeRange) const override {
    return none();
  }
  Result<std::vector<std::string>> label_names(const model::Matchers&,
                                               model::TimeRange) const override {
    return none();
  }
  Result<std::vector<std::string>> label_values(std::string_view, const model::Matchers&,
                                                model::TimeRange) const override {
    return none();
  }

 private:
  static Error none() { return Error(ErrorCode::Internal, "not here"); }
  std::unordered_map<model::Labels, uint32_t, model::LabelsHash> slots_;
  store::Arrivals arrivals_;
};

std::vector<std::string> make_requests(uint32_t targets) {
  std::vector<bench::SimulatedSeries> series;
  for (uint32_t target = 0; target < targets; ++target) {
    for (uint32_t index = 0; index < bench::kNodeSeriesPerTarget; ++index)
      series.emplace_back(bench::Workload::Node, target, index, 1);
  }
  std::vector<std::string> requests;
  std::string request;
  for (size_t i = 0; i < series.size(); ++i) {
    bench::add_series(request, series[i].label_records(),
                      1'763'640'000'000 + static_cast<int64_t>(i), series[i].next());
    if ((i + 1) % 2000 != 0 && i + 1 != series.size()) continue;
    snappy::Compress(request.data(), request.size(), &requests.emplace_back());
    request.clear();
  }
  return requests;
}

void BM_PrepareKnownSeries(benchmark::State& state) {
  const std::vector<std::string> requests = make_requests(static_cast<uint32_t>(state.range(0)));
  const SystemClock clock;
  const ingest::IngestOptions options;
  NoStore store(clock);
  auto bindings = ingest::BindingTable::create({});
  ingest::HaTracker ha(options.ha, clock);
  ingest::PairDetector pairs;
  ingest::RequestProcessor processor({options, *bindings, store, ha, pairs, clock, 42});
  ingest::Workspace workspace;
  for (const std::string& request : requests) {  // from here on all series are known
    processor.prepare(request, nullptr, ingest::Origin::Sender, workspace).ignore("counted below");
  }
  int64_t rows = 0;
  for (auto _ : state) {
    for (const std::string& request : requests) {
      auto prepared = processor.prepare(request, nullptr, ingest::Origin::Sender, workspace);
      if (!prepared) {
        state.SkipWithError(prepared.error().message().c_str());
        return;
      }
      rows += static_cast<int64_t>(prepared->batch.floats.size());
    }
  }
  state.SetItemsProcessed(rows);
}
BENCHMARK(BM_PrepareKnownSeries)->Arg(20)->Arg(400)->Unit(benchmark::kMillisecond);

}  // namespace
