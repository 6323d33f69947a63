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
  TimestampMs start = 0;  ///< when its counter began; 0: not said
};

/// Samples of one series inside a range. Timestamps strictly increase within each vector and never
/// repeat across the two. Stale markers are included (a stale native histogram has the stale marker
/// as its sum). A histogram's hint speaks of the sample right before it: whoever takes samples out
/// or puts some between makes hints about neighbours Unknown (forget_neighbour()).
struct SeriesSamples {
  std::vector<TimestampMs> timestamps;  ///< of `values`, same length
  std::vector<double> values;
  /// When the counters of `values` began: empty if none says so, else one for each, 0: not said.
  std::vector<TimestampMs> starts;
  std::vector<HistogramSample> histograms;

  bool empty() const { return timestamps.empty() && histograms.empty(); }
  TimestampMs start_of(size_t value) const { return starts.empty() ? 0 : starts[value]; }
  void clear() {
    timestamps.clear();
    values.clear();
    starts.clear();
    histograms.clear();
  }
  /// Appends one value.
  void add(TimestampMs t, double value, TimestampMs start = 0);
  /// To be called after values were appended without their start: they say nothing of it.
  void pad_starts() {
    if (!starts.empty()) starts.resize(values.size());
  }
};

/// Adds `later` to `out`; of samples with the same time (whatever their kind) that of `later`
/// stays. Both ascending; `later` is used up.
void merge_samples(SeriesSamples& out, SeriesSamples&& later);

/// The sample with Unknown in the place of a hint about the sample before it.
HistogramSample forget_neighbour(HistogramSample sample);

}  // namespace aerie::model
