#include "base/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/check.h"
#include "base/guarded.h"
#include "base/process_metrics.h"

namespace aerie {

void Gauge::add(double delta) {
  double seen = value_.load(std::memory_order_relaxed);
  while (!value_.compare_exchange_weak(seen, seen + delta, std::memory_order_relaxed)) {
  }
}

Histogram::Histogram(std::vector<double> upper_bounds)
    : upper_bounds_(std::move(upper_bounds)),
      buckets_(std::make_unique<std::atomic<uint64_t>[]>(upper_bounds_.size() + 1)) {}

void Histogram::observe(double value) {
  const auto bound = std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), value);
  buckets_[static_cast<size_t>(bound - upper_bounds_.begin())].fetch_add(1,
                                                                         std::memory_order_relaxed);
  sum_.add(value);
}

namespace {

struct Series {
  MetricLabels labels;
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
  std::function<double()> read;
};

struct Family {
  std::string help;
  prometheus::MetricType type = prometheus::MetricType::Untyped;
  std::map<MetricLabels, Series> series;
};

using Families = std::map<std::string, Family>;

Series& series_of(Families& families, const std::string& name, const std::string& help,
                  prometheus::MetricType type, const MetricLabels& labels) {
  Family& family = families[name];
  AERIE_CHECK(family.series.empty() || family.type == type, "one metric name with two types");
  family.help = help;
  family.type = type;
  Series& series = family.series[labels];
  series.labels = labels;
  return series;
}

prometheus::ClientMetric to_client_metric(const Series& series, prometheus::MetricType type) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : series.labels) metric.label.push_back({name, value});
  const auto scalar = [&] {
    if (series.read) return series.read();
    return series.counter ? static_cast<double>(series.counter->value()) : series.gauge->value();
  };
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = scalar();
  } else if (type == prometheus::MetricType::Gauge) {
    metric.gauge.value = scalar();
  } else {
    const Histogram& histogram = *series.histogram;
    uint64_t cumulated = 0;
    for (size_t i = 0; i <= histogram.upper_bounds().size(); ++i) {
      cumulated += histogram.bucket(i);
      prometheus::ClientMetric::Bucket bucket;
      bucket.cumulative_count = cumulated;
      bucket.upper_bound = i < histogram.upper_bounds().size()
                               ? histogram.upper_bounds()[i]
                               : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back(bucket);
    }
    metric.histogram.sample_count = cumulated;
    metric.histogram.sample_sum = histogram.sum();
  }
  return metric;
}

}  // namespace

struct MetricRegistry::State {
  Guarded<Families> families;
};

MetricRegistry::MetricRegistry() : state_(std::make_unique<State>()) {}
MetricRegistry::~MetricRegistry() = default;

Counter& MetricRegistry::counter(const std::string& name, const std::string& help,
                                 const MetricLabels& labels) {
  return state_->families.with([&](Families& families) -> std::reference_wrapper<Counter> {
    Series& series = series_of(families, name, help, prometheus::MetricType::Counter, labels);
    if (!series.counter) series.counter = std::make_unique<Counter>();
    return *series.counter;
  });
}

Gauge& MetricRegistry::gauge(const std::string& name, const std::string& help,
                             const MetricLabels& labels) {
  return state_->families.with([&](Families& families) -> std::reference_wrapper<Gauge> {
    Series& series = series_of(families, name, help, prometheus::MetricType::Gauge, labels);
    if (!series.gauge) series.gauge = std::make_unique<Gauge>();
    return *series.gauge;
  });
}

Histogram& MetricRegistry::histogram(const std::string& name, const std::string& help,
                                     std::vector<double> upper_bounds, const MetricLabels& labels) {
  return state_->families.with([&](Families& families) -> std::reference_wrapper<Histogram> {
    Series& series = series_of(families, name, help, prometheus::MetricType::Histogram, labels);
    if (!series.histogram) series.histogram = std::make_unique<Histogram>(std::move(upper_bounds));
    return *series.histogram;
  });
}

void MetricRegistry::gauge_callback(const std::string& name, const std::string& help,
                                    const MetricLabels& labels, std::function<double()> read) {
  state_->families.with([&](Families& families) {
    series_of(families, name, help, prometheus::MetricType::Gauge, labels).read = std::move(read);
  });
}

void MetricRegistry::counter_callback(const std::string& name, const std::string& help,
                                      const MetricLabels& labels, std::function<double()> read) {
  state_->families.with([&](Families& families) {
    series_of(families, name, help, prometheus::MetricType::Counter, labels).read = std::move(read);
  });
}

std::string MetricRegistry::expose() const {
  // Objects never move or die once made, so they are read outside the lock: callbacks may take
  // locks of their own.
  struct Row {
    std::string name;
    std::string help;
    prometheus::MetricType type;
    std::vector<const Series*> series;
  };
  const auto rows = state_->families.with([](Families& families) {
    std::vector<Row> found;
    for (const auto& [name, family] : families) {
      Row row{name, family.help, family.type, {}};
      for (const auto& [labels, series] : family.series) row.series.push_back(&series);
      found.push_back(std::move(row));
    }
    return found;
  });
  std::vector<prometheus::MetricFamily> exposed;
  for (const Row& row : rows) {
    prometheus::MetricFamily family;
    family.name = row.name;
    family.help = row.help;
    family.type = row.type;
    for (const Series* series : row.series) {
      family.metric.push_back(to_client_metric(*series, row.type));
    }
    exposed.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(exposed) + process_metrics();
}

}  // namespace aerie
