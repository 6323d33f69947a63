#include "tests/store/support/stores.h"

#include <fmt/format.h>

#include <bit>
#include <catch2/catch.hpp>

namespace aerie::store::testing {

StoreFixture::StoreFixture() : StoreFixture(posix_) {}

StoreFixture::StoreFixture(FileSystem& files) : files_(files) {
  options.path = folder_.path();
  // Lock and database are real files even if the log is kept in memory.
  std::filesystem::create_directories(options.path);
  options.background_seal = false;
  options.out_of_order_window = 0;  // late samples have tests of their own
  auto opened = try_open();
  REQUIRE(opened.ok());
}

Status StoreFixture::try_open() {
  store_.reset();
  metrics_ = std::make_unique<MetricRegistry>();
  auto store = LocalStore::open(options, clock, files_, *metrics_, PartitionSet::open);
  if (!store) return std::move(store).error();
  store_ = std::move(*store);
  return {};
}

void StoreFixture::reopen() {
  auto opened = try_open();
  if (!opened) FAIL(opened.error().message());
}

Status StoreFixture::reopen_after(const std::function<void()>& between) {
  store_.reset();
  between();
  return try_open();
}

WriteOutcome StoreFixture::write(const model::Labels& labels, model::TimestampMs t, double value) {
  WriteBatch batch;
  batch.floats.push_back(row(labels, t, value));
  return write(std::move(batch));
}

std::string print_value(double value) {
  if (model::is_stale(value)) return "stale";
  if (value != value) return fmt::format("nan:{:x}", std::bit_cast<uint64_t>(value));
  return fmt::format("{}", value);
}

std::vector<std::string> StoreFixture::read_selection(const model::Selection& selection,
                                                      model::TimeRange range) {
  std::vector<std::string> out;
  model::SeriesSamples samples;
  for (size_t i = 0; i < selection.size(); ++i) {
    auto read = selection.read(i, range, samples);
    if (!read) FAIL(read.error().message());
    std::string line = selection.labels(i).to_string() + ":";
    for (size_t s = 0; s < samples.timestamps.size(); ++s) {
      line += fmt::format(" {}={}", samples.timestamps[s] - kNow, print_value(samples.values[s]));
    }
    for (const model::HistogramSample& one : samples.histograms) {
      line += fmt::format(" {}=h{}", one.t - kNow, print_value(one.histogram->sum));
    }
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace aerie::store::testing
