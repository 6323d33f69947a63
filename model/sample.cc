#include "model/sample.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace aerie::model {
namespace {

TimestampMs first_time(const SeriesSamples& samples) {
  TimestampMs first = kMaxTimestamp;
  if (!samples.timestamps.empty()) first = samples.timestamps.front();
  if (!samples.histograms.empty()) first = std::min(first, samples.histograms.front().t);
  return first;
}

TimestampMs last_time(const SeriesSamples& samples) {
  TimestampMs last = kMinTimestamp;
  if (!samples.timestamps.empty()) last = samples.timestamps.back();
  if (!samples.histograms.empty()) last = std::max(last, samples.histograms.back().t);
  return last;
}

void append(SeriesSamples& out, SeriesSamples&& later) {
  if (!out.starts.empty() || !later.starts.empty()) {
    out.starts.resize(out.values.size());
    out.starts.insert(out.starts.end(), later.starts.begin(), later.starts.end());
  }
  out.timestamps.insert(out.timestamps.end(), later.timestamps.begin(), later.timestamps.end());
  out.values.insert(out.values.end(), later.values.begin(), later.values.end());
  out.pad_starts();
  if (!later.histograms.empty() && !out.histograms.empty())
    later.histograms.front() = forget_neighbour(std::move(later.histograms.front()));
  std::move(later.histograms.begin(), later.histograms.end(), std::back_inserter(out.histograms));
}

/// One of the two sides of a merge.
class Side {
 public:
  explicit Side(SeriesSamples& samples) : samples_(samples) {}
  /// Of the next sample; the largest time there is at the end.
  TimestampMs time() const { return std::min(float_time(), histogram_time()); }
  bool at_end() const {
    return value_ == samples_.values.size() && histogram_ == samples_.histograms.size();
  }
  void skip() { (float_time() <= histogram_time() && has_value() ? value_ : histogram_)++; }
  /// Moves the next sample to `out`. `neighbours`: the sample before it came from this side too.
  void take(SeriesSamples& out, bool neighbours) {
    if (has_value() && float_time() <= histogram_time()) {
      out.add(samples_.timestamps[value_], samples_.values[value_], samples_.start_of(value_));
      ++value_;
      return;
    }
    HistogramSample& sample = samples_.histograms[histogram_++];
    out.histograms.push_back(neighbours ? std::move(sample) : forget_neighbour(std::move(sample)));
  }

 private:
  bool has_value() const { return value_ < samples_.values.size(); }
  TimestampMs float_time() const {
    return has_value() ? samples_.timestamps[value_] : kMaxTimestamp;
  }
  TimestampMs histogram_time() const {
    return histogram_ < samples_.histograms.size() ? samples_.histograms[histogram_].t
                                                   : kMaxTimestamp;
  }

  SeriesSamples& samples_;
  size_t value_ = 0;
  size_t histogram_ = 0;
};

}  // namespace

void SeriesSamples::add(TimestampMs t, double value, TimestampMs start) {
  timestamps.push_back(t);
  values.push_back(value);
  if (start == 0 && starts.empty()) return;
  starts.resize(values.size());
  starts.back() = start;
}

HistogramSample forget_neighbour(HistogramSample sample) {
  const ResetHint hint = sample.histogram->reset_hint;
  if (hint != ResetHint::Yes && hint != ResetHint::No) return sample;
  auto copy = std::make_shared<NativeHistogram>(*sample.histogram);
  copy->reset_hint = ResetHint::Unknown;
  sample.histogram = std::move(copy);
  return sample;
}

void merge_samples(SeriesSamples& out, SeriesSamples&& later) {
  if (later.empty()) return;
  if (out.empty()) {
    std::swap(out, later);
    return;
  }
  if (last_time(out) < first_time(later)) return append(out, std::move(later));
  if (last_time(later) < first_time(out)) {  // what was imported was written last
    append(later, std::move(out));
    out = std::move(later);
    return;
  }
  SeriesSamples merged;
  merged.timestamps.reserve(out.timestamps.size() + later.timestamps.size());
  merged.values.reserve(merged.timestamps.capacity());
  Side older(out);
  Side newer(later);
  const Side* before = nullptr;
  while (!older.at_end() || !newer.at_end()) {
    const bool from_newer = older.at_end() || (!newer.at_end() && newer.time() <= older.time());
    Side& side = from_newer ? newer : older;
    if (from_newer && !older.at_end() && older.time() == newer.time()) older.skip();
    side.take(merged, before == &side || before == nullptr);
    before = &side;
  }
  out = std::move(merged);
}

}  // namespace aerie::model
