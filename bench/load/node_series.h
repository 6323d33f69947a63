#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace aerie::bench {

/// How a value of a real node_exporter behaves from scrape to scrape. Shares of its 507 series,
/// counted on a running one: 66 % constant, 18 % integers, 4 % numbers with two decimals, 12 % with
/// many.
enum class ValueClass : uint8_t {
  Constant,
  IntegerCounter,
  IntegerGauge,
  TwoDecimals,
  ManyDecimals
};

inline constexpr uint32_t kSeriesPerTarget = 507;

/// One series of one target: its labels as encoded label records, and the state from which the next
/// value comes. The same seed gives the same values for every system that is measured.
class NodeSeries {
 public:
  /// `index` < kSeriesPerTarget.
  NodeSeries(uint32_t target, uint32_t index, uint64_t seed);
  /// The value of the next scrape.
  double next();
  const std::string& label_records() const { return label_records_; }

 private:
  uint64_t random();

  std::string label_records_;
  ValueClass value_class_;
  uint64_t state_;
  double rate_ = 0;      // mean increment of a scrape
  int64_t integer_ = 0;  // IntegerCounter, IntegerGauge; hundredths for TwoDecimals
  double value_ = 0;
};

/// When in its interval a target is scraped, in milliseconds.
int64_t scrape_phase_ms(uint32_t target, int64_t interval_ms);

}  // namespace aerie::bench
