#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aerie::bench {

/// How a value of a real exporter behaves from scrape to scrape.
enum class ValueClass : uint8_t {
  Constant,
  IntegerCounter,
  IntegerGauge,
  DecimalCounter,  ///< goes on in its own number of decimals, as times counted in ms, µs or ns do
  RareChange,      ///< an integer that changes once in some hundred scrapes
  BucketCounter,   ///< cumulative count of a classic histogram
  BucketSum,       ///< its sum: a full mantissa that changes with every observation
};

/// One series of every target of a workload.
struct SeriesPlan {
  std::string name;
  ValueClass value_class = ValueClass::Constant;
  uint8_t decimals = 0;    ///< of a DecimalCounter
  uint16_t histogram = 0;  ///< which histogram of the target, for the two bucket classes
  uint8_t bucket = 0;      ///< position of `le`; the last is +Inf
  std::vector<std::pair<std::string, std::string>> labels;  ///< beside those of the target
};

/// What is scraped; a target of each has a fixed list of series.
enum class Workload : uint8_t {
  Node,  ///< kNodeSeriesPerTarget series of a node exporter: 66 % constant, 18 % integers, the rest
         ///< decimals
  Kubernetes,  ///< one kube-state-metrics with 120 pods: nearly everything constant
  Histograms,  ///< an API server: 120 classic histograms of 24 buckets, two thirds of them idle
  Dashboard,   ///< 90 containers as kubelet and kube-state-metrics see them, 6 services
};
/// The same list at every call, in scrape order.
const std::vector<SeriesPlan>& plans_of(Workload workload);
inline constexpr uint32_t kNodeSeriesPerTarget = 507;
inline uint32_t series_per_target(Workload workload) {
  return static_cast<uint32_t>(plans_of(workload).size());
}

/// One series of one target: its labels as encoded label records, and the state from which the next
/// value comes. The same seed gives the same values for every system that is measured; no two
/// targets are copies of each other.
class SimulatedSeries {
 public:
  /// `index` < series_per_target(workload).
  SimulatedSeries(Workload workload, uint32_t target, uint32_t index, uint64_t seed);
  /// The value of the next scrape.
  double next();
  const std::string& label_records() const { return label_records_; }
  /// Adds a label, or changes it.
  void set_label(std::string_view name, std::string_view value);

 private:
  uint64_t random();
  void start(const SeriesPlan& plan);
  /// Observations of the next scrape that fall into bucket `position` alone.
  int64_t observations(uint32_t position) const;
  double next_bucket_sum();

  std::string label_records_;
  ValueClass value_class_;
  uint8_t bucket_;
  uint64_t state_;
  uint64_t histogram_seed_ = 0;  // the same for all series of one histogram
  uint64_t scrape_ = 0;
  double rate_ = 0;      // mean increment of a scrape
  int64_t integer_ = 0;  // of everything that counts in units
  double divisor_ = 1;   // DecimalCounter: units in one
  double value_ = 0;
};

/// When in its interval a target is scraped, in milliseconds.
int64_t scrape_phase_ms(uint32_t target, int64_t interval_ms);

}  // namespace aerie::bench
