#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/sample.h"

namespace aerie::ingest::test {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// One TimeSeries to encode.
struct TestSeries {
  Pairs labels;
  std::vector<model::Sample> samples;
  std::vector<std::string> histograms;  ///< encoded, see test_histogram()
  std::vector<std::string> exemplars;   ///< encoded, see test_exemplar()
};

struct TestMetadata {
  int type = 0;
  std::string family;
  std::string help;
  std::string unit;
};

/// An encoded prometheus.WriteRequest.
std::string write_request(const std::vector<TestSeries>& series,
                          const std::vector<TestMetadata>& metadata = {});
std::string snappy_block(std::string_view bytes);
/// One frame that says how long its content is, as vmagent sends it.
std::string zstd_frame(std::string_view bytes);
/// Encoded in a snappy block.
std::string write_body(const std::vector<TestSeries>& series);

std::string test_exemplar(const Pairs& labels, double value, int64_t t);

struct TestHistogram {
  bool is_float = false;
  bool packed = true;
  double count = 0;
  double sum = 0;
  double zero_count = 0;
  double zero_threshold = 0;
  int32_t schema = 0;
  std::vector<std::pair<int32_t, uint32_t>> positive_spans;
  std::vector<int64_t> positive_deltas;
  std::vector<double> positive_counts;
  std::vector<std::pair<int32_t, uint32_t>> negative_spans;
  std::vector<int64_t> negative_deltas;
  std::vector<double> custom_values;
  int reset_hint = 0;
  int64_t t = 0;
};
std::string test_histogram(const TestHistogram& histogram);

}  // namespace aerie::ingest::test
