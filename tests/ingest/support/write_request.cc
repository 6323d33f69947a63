#include "tests/ingest/support/write_request.h"

#include <snappy.h>
#include <zstd.h>

#include <protozero/pbf_writer.hpp>

namespace aerie::ingest::test {
namespace {

std::string label(const std::string& name, const std::string& value) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_string(1, name);
  writer.add_string(2, value);
  return bytes;
}

void add_spans(protozero::pbf_writer& writer, uint32_t tag,
               const std::vector<std::pair<int32_t, uint32_t>>& spans) {
  for (const auto& [offset, length] : spans) {
    std::string bytes;
    protozero::pbf_writer span(bytes);
    span.add_sint32(1, offset);
    span.add_uint32(2, length);
    writer.add_message(tag, bytes);
  }
}

}  // namespace

std::string write_request(const std::vector<TestSeries>& series,
                          const std::vector<TestMetadata>& metadata) {
  std::string request;
  protozero::pbf_writer writer(request);
  for (const TestSeries& one : series) {
    std::string bytes;
    protozero::pbf_writer message(bytes);
    for (const auto& [name, value] : one.labels) message.add_message(1, label(name, value));
    for (const model::Sample& sample : one.samples) {
      std::string sample_bytes;
      protozero::pbf_writer sample_writer(sample_bytes);
      sample_writer.add_double(1, sample.value);
      sample_writer.add_int64(2, sample.t);
      message.add_message(2, sample_bytes);
    }
    for (const std::string& exemplar : one.exemplars) message.add_message(3, exemplar);
    for (const std::string& histogram : one.histograms) message.add_message(4, histogram);
    writer.add_message(1, bytes);
  }
  for (const TestMetadata& one : metadata) {
    std::string bytes;
    protozero::pbf_writer message(bytes);
    message.add_enum(1, one.type);
    message.add_string(2, one.family);
    message.add_string(4, one.help);
    message.add_string(5, one.unit);
    writer.add_message(3, bytes);
  }
  return request;
}

std::string snappy_block(std::string_view bytes) {
  std::string compressed;
  snappy::Compress(bytes.data(), bytes.size(), &compressed);
  return compressed;
}

std::string zstd_frame(std::string_view bytes) {
  std::string compressed(ZSTD_compressBound(bytes.size()), 0);
  compressed.resize(
      ZSTD_compress(compressed.data(), compressed.size(), bytes.data(), bytes.size(), 1));
  return compressed;
}

std::string write_body(const std::vector<TestSeries>& series) {
  return snappy_block(write_request(series));
}

std::string test_exemplar(const Pairs& labels, double value, int64_t t) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  for (const auto& [name, label_value] : labels) writer.add_message(1, label(name, label_value));
  writer.add_double(2, value);
  writer.add_int64(3, t);
  return bytes;
}

std::string test_histogram(const TestHistogram& histogram) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  if (histogram.is_float) {
    writer.add_double(2, histogram.count);
    writer.add_double(7, histogram.zero_count);
  } else {
    writer.add_uint64(1, static_cast<uint64_t>(histogram.count));
    writer.add_uint64(6, static_cast<uint64_t>(histogram.zero_count));
  }
  writer.add_double(3, histogram.sum);
  writer.add_sint32(4, histogram.schema);
  writer.add_double(5, histogram.zero_threshold);
  add_spans(writer, 8, histogram.negative_spans);
  add_spans(writer, 11, histogram.positive_spans);
  if (histogram.packed) {
    writer.add_packed_sint64(9, histogram.negative_deltas.begin(), histogram.negative_deltas.end());
    writer.add_packed_sint64(12, histogram.positive_deltas.begin(),
                             histogram.positive_deltas.end());
    writer.add_packed_double(13, histogram.positive_counts.begin(),
                             histogram.positive_counts.end());
    writer.add_packed_double(16, histogram.custom_values.begin(), histogram.custom_values.end());
  } else {
    for (const int64_t delta : histogram.negative_deltas) writer.add_sint64(9, delta);
    for (const int64_t delta : histogram.positive_deltas) writer.add_sint64(12, delta);
    for (const double count : histogram.positive_counts) writer.add_double(13, count);
    for (const double bound : histogram.custom_values) writer.add_double(16, bound);
  }
  writer.add_enum(14, histogram.reset_hint);
  writer.add_int64(15, histogram.t);
  return bytes;
}

}  // namespace aerie::ingest::test
