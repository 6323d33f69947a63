// Dashboard queries over 10,000 series of 240 samples at 15 s in memory: what the engine itself
// costs, without decoding.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "query/engine.h"

namespace aerie::query {
namespace {

constexpr model::DurationMs kInterval = 15'000;
constexpr size_t kSamples = 240;
constexpr model::TimestampMs kStart = 1'700'000'000'000;
constexpr model::TimestampMs kEnd = kStart + kInterval * static_cast<int64_t>(kSamples - 1);

/// Series with the shapes of node_exporter's: per instance and mode counters, gauges, classic
/// buckets.
class SyntheticSource final : public model::SampleSource {
 public:
  SyntheticSource() {
    for (int instance = 0; instance < 250; ++instance) add_instance(instance);
    std::sort(series_.begin(), series_.end(),
              [](const Series& a, const Series& b) { return (a.labels <=> b.labels) < 0; });
  }

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   model::TimeRange) const override {
    auto selection = std::make_unique<SyntheticSelection>();
    for (const Series& series : series_)
      if (model::matches_all(matchers, series.labels)) selection->series.push_back(&series);
    return std::unique_ptr<model::Selection>(std::move(selection));
  }
  Result<std::vector<std::string>> label_names(const model::Matchers&,
                                               model::TimeRange) const override {
    return std::vector<std::string>();
  }
  Result<std::vector<std::string>> label_values(std::string_view, const model::Matchers&,
                                                model::TimeRange) const override {
    return std::vector<std::string>();
  }

 private:
  struct Series {
    model::Labels labels;
    model::SeriesSamples samples;
  };
  struct SyntheticSelection final : model::Selection {
    std::vector<const Series*> series;
    size_t size() const override { return series.size(); }
    const model::Labels& labels(size_t index) const override { return series[index]->labels; }
    Status read(size_t index, model::TimeRange range, model::SeriesSamples& out) const override {
      const model::SeriesSamples& all = series[index]->samples;
      const auto first =
          std::lower_bound(all.timestamps.begin(), all.timestamps.end(), range.first);
      const auto last = std::upper_bound(first, all.timestamps.end(), range.last);
      const auto offset = first - all.timestamps.begin();
      out.timestamps.assign(first, last);
      out.values.assign(all.values.begin() + offset, all.values.begin() + offset + (last - first));
      out.histograms.clear();
      return {};
    }
  };

  enum class Shape { Counter, Gauge };

  void add(Shape shape, int instance, std::vector<model::LabelView> pairs) {
    const std::string name = fmt::format("10.0.{}.{}:9100", instance / 250, instance % 250);
    const std::string cluster = fmt::format("cluster-{}", instance % 10);
    pairs.push_back({"instance", name});
    pairs.push_back({"cluster", cluster});
    pairs.push_back({"job", "node"});
    Series series{model::Labels::from_pairs(std::move(pairs)), {}};
    double value = static_cast<double>(random_() % 1000);
    for (size_t i = 0; i < kSamples; ++i) {
      value = shape == Shape::Counter ? value + static_cast<double>(random_() % 1000) / 100
                                      : static_cast<double>(random_() % 100000) / 1000;
      if (shape == Shape::Counter && random_() % 2000 == 0) value = 0;
      series.samples.timestamps.push_back(kStart + static_cast<int64_t>(i) * kInterval +
                                          instance % 100 * 100);
      series.samples.values.push_back(value);
    }
    series_.push_back(std::move(series));
  }

  void add_instance(int instance) {
    for (const char* mode : {"idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"})
      for (const char* cpu : {"0", "1"})
        add(Shape::Counter, instance,
            {{"__name__", "node_cpu_seconds_total"}, {"mode", mode}, {"cpu", cpu}});
    add(Shape::Gauge, instance, {{"__name__", "node_memory_MemTotal_bytes"}});
    add(Shape::Gauge, instance, {{"__name__", "node_memory_MemAvailable_bytes"}});
    for (int disk = 0; disk < 10; ++disk) {
      const std::string device = fmt::format("sd{}", disk);
      add(Shape::Gauge, instance,
          {{"__name__", "node_filesystem_avail_bytes"}, {"device", device}});
    }
    for (const char* bound :
         {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"})
      add(Shape::Counter, instance,
          {{"__name__", "http_request_duration_seconds_bucket"}, {"le", bound}});
  }

  std::mt19937_64 random_{42};
  std::vector<Series> series_;
};

void run(benchmark::State& state, const std::string& query) {
  static const SyntheticSource source;
  static const SystemClock clock;
  const Engine engine({}, source, clock);
  const model::DurationMs step = state.range(0);
  size_t series = 0;
  for (auto _ : state) {
    auto result = engine.range(query, kStart + 300'000, kEnd, step);
    if (!result) return state.SkipWithError(result.error().message().c_str());
    series = std::get<MatrixValue>(result->value).size();
    benchmark::DoNotOptimize(result);
  }
  state.counters["series"] = static_cast<double>(series);
}

void register_queries() {
  const std::pair<const char*, const char*> queries[] = {
      {"selector", "node_cpu_seconds_total"},
      {"sum", "sum(node_cpu_seconds_total)"},
      {"sum_by_instance", "sum by (instance) (node_cpu_seconds_total)"},
      {"rate", "rate(node_cpu_seconds_total[5m])"},
      {"sum_rate", "sum(rate(node_cpu_seconds_total[5m]))"},
      {"sum_by_mode_rate", "sum by (cluster, mode) (rate(node_cpu_seconds_total[5m]))"},
      {"cpu_busy", "1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))"},
      {"memory_used", "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"},
      {"join",
       "node_filesystem_avail_bytes * on (instance) group_left () node_memory_MemTotal_bytes"},
      {"comparison", "node_filesystem_avail_bytes > 50"},
      {"quantile",
       "histogram_quantile(0.99, sum by (le, cluster) "
       "(rate(http_request_duration_seconds_bucket[5m])))"},
      {"quantile_all", "histogram_quantile(0.99, rate(http_request_duration_seconds_bucket[5m]))"},
      {"topk", "topk(5, rate(node_cpu_seconds_total[5m]))"},
      {"max_over_time", "max_over_time(node_filesystem_avail_bytes[5m])"},
      {"avg_over_time", "avg_over_time(node_filesystem_avail_bytes[5m])"},
      {"quantile_over_time", "quantile_over_time(0.9, node_filesystem_avail_bytes[5m])"},
      {"subquery", "max_over_time(sum by (cluster) (rate(node_cpu_seconds_total[5m]))[10m:1m])"},
      {"count_by", "count by (cluster) (node_filesystem_avail_bytes)"},
      {"avg", "avg by (cluster) (node_filesystem_avail_bytes)"},
      {"stddev", "stddev by (cluster) (node_filesystem_avail_bytes)"},
      {"label_replace",
       "label_replace(node_filesystem_avail_bytes, \"x\", \"$1\", \"device\", \"sd(.*)\")"},
  };
  for (const auto& [name, query] : queries) {
    auto* registered = benchmark::RegisterBenchmark(
        name, [text = std::string(query)](benchmark::State& state) { run(state, text); });
    registered->Arg(15'000)->Unit(benchmark::kMillisecond);
  }
}

const bool kRegistered = (register_queries(), true);

}  // namespace
}  // namespace aerie::query
