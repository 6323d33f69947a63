#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace aerie {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// Monotone count. Thread-safe, lock-free.
class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// A value that goes up and down. Thread-safe, lock-free.
class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double delta);
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

/// Counts observations in fixed buckets. Thread-safe, lock-free; sum and counts may be read apart
/// by a scrape.
class Histogram {
 public:
  explicit Histogram(std::vector<double> upper_bounds);
  void observe(double value);
  const std::vector<double>& upper_bounds() const { return upper_bounds_; }
  uint64_t bucket(size_t index) const { return buckets_[index].load(std::memory_order_relaxed); }
  double sum() const { return sum_.value(); }

 private:
  const std::vector<double> upper_bounds_;            // ascending, without +Inf
  std::unique_ptr<std::atomic<uint64_t>[]> buckets_;  // upper_bounds_.size() + 1
  Gauge sum_;
};

/// All of aerie's own metrics; served at /metrics. Thread-safe. Metrics live as long as the
/// registry; the same name and labels give the same object. Names:
/// aerie_<folder>_<what>_<unit>[_total]. Built on prometheus-cpp core, which metrics.cc alone
/// includes.
class MetricRegistry {
 public:
  MetricRegistry();
  ~MetricRegistry();
  Counter& counter(const std::string& name, const std::string& help,
                   const MetricLabels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help,
                       std::vector<double> upper_bounds, const MetricLabels& labels = {});
  /// `read` is called at every scrape, from the scraping thread, and must be thread-safe and quick.
  void gauge_callback(const std::string& name, const std::string& help, const MetricLabels& labels,
                      std::function<double()> read);
  /// The same, exposed as a counter.
  void counter_callback(const std::string& name, const std::string& help,
                        const MetricLabels& labels, std::function<double()> read);
  /// Prometheus text format 0.0.4, families sorted by name, with process_* of this process.
  std::string expose() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aerie
