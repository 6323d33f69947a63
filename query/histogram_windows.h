#pragma once

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

}  // namespace aerie::query
