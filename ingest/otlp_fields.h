#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aerie::ingest {

/// Attributes as name and text, in the order sent.
using OtlpAttributes = std::vector<std::pair<std::string, std::string>>;

struct OtlpExemplar {
  OtlpAttributes attributes;
  std::string trace_id;  ///< hex
  std::string span_id;   ///< hex
  double value = 0;
  uint64_t time_ns = 0;
};

struct OtlpBuckets {
  int32_t offset = 0;
  std::vector<uint64_t> counts;
};

/// A data point of any kind; what its kind does not have is as below.
struct OtlpPoint {
  OtlpAttributes attributes;
  uint64_t start_ns = 0;
  uint64_t time_ns = 0;
  double value = 0;
  uint64_t count = 0;
  double sum = 0;
  bool has_sum = false;
  bool no_value = false;  ///< the series has ended
  std::vector<uint64_t> bucket_counts;
  std::vector<double> bounds;
  int32_t scale = 0;
  uint64_t zero_count = 0;
  double zero_threshold = 0;
  OtlpBuckets positive;
  OtlpBuckets negative;
  std::vector<std::pair<double, double>> quantiles;
  std::vector<OtlpExemplar> exemplars;
};

enum class OtlpPointKind : uint8_t { Number, Histogram, ExponentialHistogram, Summary };

/// Decodes a data point message. Throws protozero::exception.
OtlpPoint decode_otlp_point(std::string_view message, OtlpPointKind kind);
/// Decodes one KeyValue. Throws protozero::exception.
std::pair<std::string, std::string> decode_otlp_attribute(std::string_view message);

}  // namespace aerie::ingest
