#include <fmt/format.h>

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "query/engine.h"
#include "query/kahan.h"
#include "tests/query/support/memory_source.h"

namespace aerie::query {
namespace {

using Points = std::vector<model::Sample>;

/// Window functions as their definitions read, one window at a time: slow, plain, and the measure
/// of the fast ones.
std::optional<double> reference(std::string_view name, const Points& window,
                                model::TimestampMs start, model::TimestampMs end) {
  if (window.empty()) return std::nullopt;
  const size_t n = window.size();
  if (name == "count_over_time") return static_cast<double>(n);
  if (name == "last_over_time") return window.back().value;
  if (name == "first_over_time") return window.front().value;
  if (name == "min_over_time" || name == "max_over_time") {
    double best = window[0].value;
    for (const model::Sample& s : window)
      if (std::isnan(best) || (name == "min_over_time" ? s.value < best : s.value > best))
        best = s.value;
    return best;
  }
  if (name == "sum_over_time") {
    KahanSum sum;
    for (const model::Sample& s : window) sum.add(s.value);
    return std::isinf(sum.sum) ? sum.sum : sum.sum + sum.compensation;
  }
  if (name == "avg_over_time") {
    KahanMean mean(window[0].value);
    for (size_t i = 1; i < n; ++i) mean.add(window[i].value);
    return mean.mean();
  }
  if (name == "changes" || name == "resets") {
    int count = 0;
    for (size_t i = 1; i < n; ++i) {
      const double a = window[i - 1].value;
      const double b = window[i].value;
      count += name == "resets" ? b < a : (a != b && !(std::isnan(a) && std::isnan(b)));
    }
    return count;
  }
  if (n < 2) return std::nullopt;
  if (name == "idelta") return window[n - 1].value - window[n - 2].value;
  const bool counter = name != "delta";
  double change = window[n - 1].value - window[0].value;
  for (size_t i = 1; counter && i < n; ++i)
    if (window[i].value < window[i - 1].value) change += window[i - 1].value;
  const double sampled = static_cast<double>(window[n - 1].t - window[0].t) / 1000;
  double to_start = static_cast<double>(window[0].t - start) / 1000;
  double to_end = static_cast<double>(end - window[n - 1].t) / 1000;
  const double average = sampled / static_cast<double>(n - 1);
  if (to_start >= average * 1.1) to_start = average / 2;
  if (counter) {
    double to_zero = to_start;
    if (change > 0 && window[0].value >= 0) to_zero = sampled * (window[0].value / change);
    if (to_zero < to_start) to_start = to_zero;
  }
  if (to_end >= average * 1.1) to_end = average / 2;
  double factor = (sampled + to_start + to_end) / sampled;
  if (name == "rate") factor /= static_cast<double>(end - start) / 1000;
  return change * factor;
}

/// Irregular, with gaps, resets, repeats, stale markers, infinities and NaN.
model::SeriesSamples random_series(std::mt19937_64& random) {
  model::SeriesSamples samples;
  model::TimestampMs t = static_cast<int64_t>(random() % 20'000);
  double counter = 0;
  for (size_t i = random() % 400; i > 0; --i) {
    t += random() % 10 == 0 ? 1 + static_cast<int64_t>(random() % 200'000)
                            : 15'000 - 50 + static_cast<int64_t>(random() % 100);
    const uint64_t kind = random() % 100;
    counter = kind < 5 ? static_cast<double>(random() % 50)
                       : counter + static_cast<double>(random() % 1000) * 0.37;
    double value = counter;
    if (kind == 5) value = model::stale_marker();
    if (kind == 6) value = std::numeric_limits<double>::infinity();
    if (kind == 7) value = model::normal_nan();
    if (kind == 8 && !samples.values.empty()) value = samples.values.back();
    samples.timestamps.push_back(t);
    samples.values.push_back(value);
  }
  return samples;
}

bool same_bits(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

}  // namespace

TEST_CASE("window functions give the same bits as their plain definitions") {
  const uint64_t seed = std::random_device{}();
  std::mt19937_64 random(seed);
  const ManualClock clock;
  for (int round = 0; round < 60; ++round) {
    MemorySource source;
    const model::SeriesSamples samples = random_series(random);
    source.add(model::Labels{{"__name__", "m_total"}}, samples);
    const Engine engine({}, source, clock);
    const model::TimestampMs start = static_cast<int64_t>(random() % 600'000);
    const model::DurationMs step = 1 + static_cast<int64_t>(random() % 120'000);
    const model::DurationMs range = 1 + static_cast<int64_t>(random() % 900'000);
    const model::TimestampMs end = start + step * static_cast<int64_t>(random() % 200);
    for (const std::string_view name :
         {"rate", "increase", "delta", "idelta", "changes", "resets", "sum_over_time",
          "avg_over_time", "min_over_time", "max_over_time", "count_over_time", "first_over_time",
          "last_over_time"}) {
      auto result = engine.range(fmt::format("{}(m_total[{}ms])", name, range), start, end, step);
      if (!result) FAIL(result.error().message());
      const auto& matrix = std::get<MatrixValue>(result->value);
      size_t next = 0;
      size_t differences = 0;
      for (model::TimestampMs t = start; t <= end; t += step) {
        Points window;
        for (size_t i = 0; i < samples.values.size(); ++i)
          if (samples.timestamps[i] > t - range && samples.timestamps[i] <= t &&
              !model::is_stale(samples.values[i]))
            window.push_back({samples.timestamps[i], samples.values[i]});
        const auto expected = reference(name, window, t - range, t);
        const bool present =
            !matrix.empty() && next < matrix[0].values.size() && matrix[0].timestamps[next] == t;
        if (present != expected.has_value() ||
            (present && !same_bits(*expected, matrix[0].values[next])))
          ++differences;
        if (present) ++next;
      }
      INFO("seed=" << seed << " round=" << round << " " << name << "[" << range
                   << "ms] step=" << step);
      if (differences != 0) FAIL("steps that differ: " << differences);
    }
  }
  SUCCEED();
}

}  // namespace aerie::query
