#include "ingest/request_processor.h"

#include <benchmark/benchmark.h>
#include <snappy.h>

#include <protozero/pbf_writer.hpp>
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
  bool knows(const model::Labels& labels) const override { return slots_.contains(labels); }
  void append(store::WriteBatch, Done) override {}
  std::vector<store::FamilyMetadata> metadata(std::string_view) const override { return {}; }
  store::Arrivals& arrivals() override { return arrivals_; }
  Result<std::shared_ptr<store::KeyedTable>> table(const std::string&) override { return none(); }
  Status flush() override { return {}; }
  Status delete_series(std::vector<model::Matchers>, model::TimeRange) override { return {}; }
  Status clean_tombstones() override { return {}; }
  void set_cluster_retention(std::vector<store::ClusterRetention>) override {}
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

// The same content as a request of Remote-Write 2.0.
std::string as_version2(const std::string& compressed) {
  ingest::BodyBuffer buffer;
  ingest::WriteRequestDecoder decoder;
  const auto body = buffer.uncompress(compressed, 32u << 20);
  if (!body || !decoder.decode(*body)) return {};
  std::vector<std::string> symbols = {""};
  std::unordered_map<std::string, uint32_t> numbers;
  const auto number_of = [&](std::string_view text) {
    const auto [found, added] =
        numbers.emplace(std::string(text), static_cast<uint32_t>(symbols.size()));
    if (added) symbols.emplace_back(text);
    return found->second;
  };
  std::string all_series;
  protozero::pbf_writer writer(all_series);
  for (uint32_t i = 0; i < decoder.series().size(); ++i) {
    std::vector<uint32_t> references;
    const auto labels = decoder.labels(i);
    for (const model::LabelView& label : *labels) {
      references.push_back(number_of(label.name));
      references.push_back(number_of(label.value));
    }
    const model::Sample& sample = decoder.samples()[decoder.series()[i].first_sample];
    protozero::pbf_writer series(writer, 5);
    series.add_packed_uint32(1, references.begin(), references.end());
    protozero::pbf_writer message(series, 2);
    message.add_double(1, sample.value);
    message.add_int64(2, sample.t);
  }
  std::string request;
  protozero::pbf_writer head(request);
  for (const std::string& symbol : symbols) head.add_string(4, symbol);
  request += all_series;
  std::string out;
  snappy::Compress(request.data(), request.size(), &out);
  return out;
}

void prepare_known_series(benchmark::State& state, ingest::WireFormat format) {
  std::vector<std::string> requests = make_requests(static_cast<uint32_t>(state.range(0)));
  if (format == ingest::WireFormat::RemoteWrite2) {
    for (std::string& request : requests) request = as_version2(request);
  }
  const SystemClock clock;
  NoStore store(clock);
  const ingest::Caller caller{ingest::Settings::compile({}, 42).value(), nullptr};
  ingest::HaTracker ha({}, clock);
  ingest::PairDetector pairs;
  ingest::LimitKeeper limits(clock);
  ingest::RequestProcessor processor({store, ha, pairs, limits, clock, 16u << 20});
  ingest::Workspace workspace;
  const auto prepare = [&](const std::string& request) {
    return processor.prepare({request, {format}}, caller, ingest::Origin::Sender, workspace);
  };
  for (const std::string& request : requests)  // from here on all series are known
    prepare(request).ignore("counted below");
  int64_t rows = 0;
  for (auto _ : state) {
    for (const std::string& request : requests) {
      auto prepared = prepare(request);
      if (!prepared) {
        state.SkipWithError(prepared.error().message().c_str());
        return;
      }
      rows += static_cast<int64_t>(prepared->batch.floats.size());
    }
  }
  state.SetItemsProcessed(rows);
}

void BM_PrepareKnownSeries(benchmark::State& state) {
  prepare_known_series(state, ingest::WireFormat::RemoteWrite1);
}
BENCHMARK(BM_PrepareKnownSeries)->Arg(20)->Arg(400)->Unit(benchmark::kMillisecond);

void BM_PrepareKnownSeriesVersion2(benchmark::State& state) {
  prepare_known_series(state, ingest::WireFormat::RemoteWrite2);
}
BENCHMARK(BM_PrepareKnownSeriesVersion2)->Arg(20)->Arg(400)->Unit(benchmark::kMillisecond);

}  // namespace
