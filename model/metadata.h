#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace aerie::model {

/// Numbers as in Remote-Write 1.0's MetricMetadata.MetricType.
enum class MetricType : uint8_t {
  Unknown = 0,
  Counter = 1,
  Gauge = 2,
  Histogram = 3,
  GaugeHistogram = 4,
  Summary = 5,
  Info = 6,
  StateSet = 7,
};

/// `counter`, `gauge`, … as in the Prometheus API.
std::string_view metric_type_name(MetricType type);

/// What a sender says about a metric family.
struct MetricMetadata {
  MetricType type = MetricType::Unknown;
  std::string help;
  std::string unit;
  bool operator==(const MetricMetadata&) const = default;
};

}  // namespace aerie::model
