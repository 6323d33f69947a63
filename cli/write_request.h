#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/openmetrics.h"
#include "model/labels.h"

namespace aerie::cli {

/// Builds one prometheus.WriteRequest (Remote-Write 1.0) field by field. One owner.
class WriteRequest {
 public:
  /// Begins a series; samples and exemplars that follow belong to it.
  void begin_series(const model::Labels& labels);
  void add_sample(model::TimestampMs t, double value);
  void add_exemplar(const model::Labels& labels, model::TimestampMs t, double value);
  void add_metadata(const OpenMetricsFamily& family);
  /// A TimeSeries that is encoded already and holds `samples`, with `extra` labels, which it must
  /// not have, behind its own.
  void add_encoded_series(std::string_view series, size_t samples, const model::Labels& extra);

  size_t samples() const { return samples_; }
  bool empty() const { return bytes_.empty() && series_.empty(); }
  /// The encoded request; the builder is empty again.
  std::string finish();

 private:
  void end_series();

  std::string bytes_;
  std::string series_;  // the one being built
  size_t samples_ = 0;
};

}  // namespace aerie::cli
