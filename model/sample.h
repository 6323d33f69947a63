#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/histogram.h"
#include "model/time.h"

namespace aerie::model {

/// Prometheus's stale marker, a signalling NaN: compare bits, never arithmetic.
inline constexpr uint64_t kStaleNanBits = 0x7ff0000000000002;
/// The NaN that Prometheus itself writes for "not a number".
inline constexpr uint64_t kNormalNanBits = 0x7ff8000000000001;

inline bool is_stale(double value) { return std::bit_cast<uint64_t>(value) == kStaleNanBits; }
inline double stale_marker() { return std::bit_cast<double>(kStaleNanBits); }
inline double normal_nan() { return std::bit_cast<double>(kNormalNanBits); }

struct Sample {
  TimestampMs t = 0;
  double value = 0;
};

struct HistogramSample {
  TimestampMs t = 0;
  std::shared_ptr<const NativeHistogram> histogram;
};

/// Samples of one series inside a range. Timestamps strictly increase within each vector and never
/// repeat across the two. Stale markers are included (a stale native histogram has the stale marker
/// as its sum).
struct SeriesSamples {
  std::vector<TimestampMs> timestamps;  ///< of `values`, same length
  std::vector<double> values;
  std::vector<HistogramSample> histograms;

  bool empty() const { return timestamps.empty() && histograms.empty(); }
  void clear() {
    timestamps.clear();
    values.clear();
    histograms.clear();
  }
};

}  // namespace aerie::model
