#include "tests/store/support/partitions.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <random>

#include <fmt/core.h>

namespace aerie::store::testing {
namespace {

std::vector<std::string> print_samples(const model::SeriesSamples& samples,
                                       model::TimeRange range) {
  std::vector<std::pair<model::TimestampMs, std::string>> rows;
  const auto since = [](model::TimestampMs start) {
    return start == 0 ? "" : fmt::format(" since {}", start);
  };
  for (size_t i = 0; i < samples.timestamps.size(); ++i)
    if (range.contains(samples.timestamps[i]))
      rows.emplace_back(
          samples.timestamps[i],
          fmt::format("{} ({:016x}){}", samples.values[i],
                      std::bit_cast<uint64_t>(samples.values[i]), since(samples.start_of(i))));
  for (const model::HistogramSample& sample : samples.histograms) {
    if (!range.contains(sample.t)) continue;
    const model::NativeHistogram& h = *sample.histogram;
    std::string text = fmt::format("histogram {} {} {} {} {} {} {:016x}", h.schema,
                                   static_cast<int>(h.reset_hint), h.is_float, h.zero_threshold,
                                   h.zero_count, h.count, std::bit_cast<uint64_t>(h.sum));
    for (const auto* spans : {&h.positive_spans, &h.negative_spans})
      for (const model::BucketSpan& span : *spans)
        text += fmt::format(" [{} {}]", span.offset, span.length);
    for (const auto* numbers : {&h.positive_buckets, &h.negative_buckets, &h.custom_values}) {
      text += " |";
      for (const double number : *numbers) text += fmt::format(" {}", number);
    }
    rows.emplace_back(sample.t, text + since(sample.start));
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (const auto& [t, text] : rows) out.push_back(fmt::format("{}: {}", t, text));
  return out;
}

}  // namespace

TempFolder::TempFolder() {
  root_ = (std::filesystem::temp_directory_path() / "aerie-store-XXXXXX").string();
  AERIE_CHECK(::mkdtemp(root_.data()) != nullptr, "no temporary folder");
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

uint64_t test_seed() {
  if (const char* text = std::getenv("AERIE_SEED")) return std::strtoull(text, nullptr, 10);
  return std::random_device{}();
}

SealSeries series(std::initializer_list<std::pair<std::string_view, std::string_view>> labels,
                  model::TimestampMs first, model::DurationMs step, std::vector<double> values) {
  SealSeries out;
  out.labels = model::Labels(labels);
  for (size_t i = 0; i < values.size(); ++i)
    out.samples.timestamps.push_back(first + static_cast<model::DurationMs>(i) * step);
  out.samples.values = std::move(values);
  return out;
}

PartitionInfo partition_at(model::TimestampMs start, LogPosition log_first, LogPosition log_end) {
  PartitionInfo info;
  info.start = start;
  info.log_first = log_first;
  info.log_end = log_end;
  return info;
}

Result<PartitionInfo> seal_all(PartitionSet& set, PartitionInfo info,
                               std::vector<SealSeries> series) {
  std::sort(series.begin(), series.end(), [](const SealSeries& a, const SealSeries& b) {
    return SealOrder{}(a.labels, b.labels);
  });
  size_t at = 0;
  return set.seal(info, [&](SealSeries& out) {
    if (at == series.size()) return false;
    out = series[at++];
    return true;
  });
}

Printed printed(const std::vector<SealSeries>& series, model::TimeRange range) {
  Printed out;
  for (const SealSeries& one : series) {
    std::vector<std::string> samples = print_samples(one.samples, range);
    if (!samples.empty()) out[one.labels.to_string()] = std::move(samples);
  }
  return out;
}

Printed read_all(const model::SampleSource& source, const model::Matchers& matchers,
                 model::TimeRange range) {
  auto selection = source.select(matchers, range);
  if (!selection) return {{"error", {selection.error().message()}}};
  Printed out;
  model::SeriesSamples samples;
  for (size_t i = 0; i < (*selection)->size(); ++i) {
    if (i > 0 && !((*selection)->labels(i - 1) < (*selection)->labels(i)))
      return {{"error", {"not sorted"}}};
    if (Status status = (*selection)->read(i, range, samples); !status)
      return {{"error", {status.error().message()}}};
    std::vector<std::string> text = print_samples(samples, range);
    if (!text.empty()) out[(*selection)->labels(i).to_string()] = std::move(text);
  }
  return out;
}

}  // namespace aerie::store::testing
