#pragma once

#include "query/histogram_sum.h"
#include "query/window_functions.h"

namespace aerie::query {

enum class HistogramChange : uint8_t { Rate, Increase, Delta };

/// rate, increase, delta at the steps whose windows hold histograms alone.
void histogram_change(const WindowCall& call, HistogramChange kind, Row& out);
/// irate, idelta at one step: the last two samples are histograms.
void instant_histogram_change(const WindowCall& call, size_t step, bool is_rate, Row& out);

enum class HistogramReduction : uint8_t { Sum, Mean };
/// sum_over_time, avg_over_time at the steps whose windows hold histograms alone.
void reduce_histograms(const WindowCall& call, HistogramReduction reduction, Row& out);

/// The texts of notices about histograms.
std::string not_a_counter(std::string_view metric_name);
std::string not_a_gauge(std::string_view metric_name);
std::string mixed_exponential_custom(std::string_view metric_name);
std::string bounds_reconciled(std::string_view operation);
std::string resets_collide(std::string_view operation);

inline bool is_gauge(const model::NativeHistogram& histogram) {
  return histogram.reset_hint == model::ResetHint::Gauge;
}

/// Notices about the histograms of one series.
class HistogramNotices {
 public:
  HistogramNotices(std::string_view metric_name, PositionRange position, AnnotationSet& annotations)
      : metric_name_(metric_name), position_(position), annotations_(annotations) {}
  void warn(std::string text) const { annotations_.warn(std::move(text), position_); }
  void not_counter() const { warn(not_a_counter(metric_name_)); }
  void not_gauge() const { warn(not_a_gauge(metric_name_)); }
  void mixed_layouts() const { warn(mixed_exponential_custom(metric_name_)); }
  /// Says what came up; false if the two could not be combined.
  bool accept(const HistogramSum::Outcome& outcome, std::string_view operation) const;

 private:
  const std::string_view metric_name_;
  const PositionRange position_;
  AnnotationSet& annotations_;
};

}  // namespace aerie::query
