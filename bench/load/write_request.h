#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/load/simulated_series.h"

namespace aerie::bench {

/// Appends one TimeSeries with one sample to an encoded prometheus.WriteRequest.
void add_series(std::string& request, const std::string& label_records, int64_t t, double value);
/// One label as add_series() wants it; name and value shorter than 60 bytes each.
void add_label(std::string& records, std::string_view name, std::string_view value);

/// An io.prometheus.write.v2.Request with one sample a series, its symbols numbered anew as
/// Prometheus does for every request.
class Version2Request {
 public:
  /// As above; `label_records` must outlive the request.
  void add_series(const std::string& label_records, int64_t t, double value);
  /// The encoded request; begins the next one.
  std::string take();

 private:
  uint32_t number_of(std::string_view text);

  std::string symbols_;
  std::string series_;
  std::unordered_map<std::string_view, uint32_t> numbers_;
};

}  // namespace aerie::bench
