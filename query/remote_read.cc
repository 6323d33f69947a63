#include "query/remote_read.h"

#include <fmt/core.h>
#include <snappy.h>

#include <algorithm>
#include <array>
#include <utility>

#include "query/protobuf_wire.h"
#include "query/xor_chunk.h"
#include "store/crc32c.h"

namespace aerie::query {
namespace {

constexpr uint32_t kXorEncoding = 1;

Error bad(std::string text) {
  return {ErrorCode::InvalidArgument, "remote read request: " + std::move(text)};
}

Result<model::Matcher> decode_matcher(std::string_view message) {
  ProtobufReader reader(message);
  uint64_t type = 0;
  std::string name;
  std::string value;
  while (const auto field = reader.next()) {
    if (field->number == 1) type = field->integer;
    if (field->number == 2) name = field->bytes;
    if (field->number == 3) value = field->bytes;
  }
  if (!reader.ok()) return bad("a matcher is no protobuf message");
  constexpr std::array kTypes{model::MatchType::Equal, model::MatchType::NotEqual,
                              model::MatchType::Regex, model::MatchType::NotRegex};
  if (type >= kTypes.size()) return bad(fmt::format("invalid matcher type {}", type));
  return model::Matcher::make(kTypes[type], std::move(name), std::move(value));
}

Result<RemoteReadQuery> decode_query(std::string_view message) {
  RemoteReadQuery query;
  query.range = {0, 0};
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 1) query.range.first = static_cast<int64_t>(field->integer);
    if (field->number == 2) query.range.last = static_cast<int64_t>(field->integer);
    if (field->number != 3) continue;
    auto matcher = decode_matcher(field->bytes);
    if (!matcher) return std::move(matcher).error();
    query.matchers.push_back(std::move(*matcher));
  }
  if (!reader.ok()) return bad("a query is no protobuf message");
  return query;
}

void add_accepted(uint64_t type, std::vector<RemoteReadFormat>& accepted) {
  if (type == 0) accepted.push_back(RemoteReadFormat::Samples);
  if (type == 1) accepted.push_back(RemoteReadFormat::StreamedXorChunks);
}

void encode_labels(ProtobufWriter& out, const model::Labels& labels) {
  std::string one;
  for (const model::LabelView& label : labels) {
    one.clear();
    ProtobufWriter writer(one);
    writer.bytes(1, label.name);
    writer.bytes(2, label.value);
    out.element(1, one);
  }
}

void encode_spans(ProtobufWriter& out, uint32_t field,
                  const std::vector<model::BucketSpan>& spans) {
  std::string one;
  for (const model::BucketSpan& span : spans) {
    one.clear();
    ProtobufWriter writer(one);
    writer.zigzag(1, span.offset);
    writer.integer(2, span.length);
    out.element(field, one);
  }
}

void encode_doubles(ProtobufWriter& out, uint32_t field, const std::vector<double>& values) {
  if (values.empty()) return;
  std::string packed;
  for (const double value : values) {
    const auto bits = std::bit_cast<uint64_t>(value);
    for (unsigned shift = 0; shift < 64; shift += 8) packed += static_cast<char>(bits >> shift);
  }
  out.element(field, packed);
}

/// Counts as the first one and the differences from each to the next.
void encode_deltas(ProtobufWriter& out, uint32_t field, const std::vector<double>& counts) {
  if (counts.empty()) return;
  std::string packed;
  int64_t previous = 0;
  for (const double count : counts) {
    const auto whole = static_cast<int64_t>(count);
    append_varint(packed, to_zigzag(whole - previous));
    previous = whole;
  }
  out.element(field, packed);
}

/// prometheus.Histogram, with integers if it came with integers.
std::string encode_histogram(const model::HistogramSample& sample) {
  constexpr double kExact = 9007199254740992.0;  // integers up to here are themselves as doubles
  const model::NativeHistogram& histogram = *sample.histogram;
  const bool whole = !histogram.is_float && histogram.count >= 0 && histogram.count <= kExact;
  std::string out;
  ProtobufWriter writer(out);
  if (whole) {
    writer.present_integer(1, static_cast<uint64_t>(histogram.count));
  } else {
    writer.present_number(2, histogram.count);
  }
  writer.number(3, histogram.sum);
  writer.zigzag(4, histogram.schema);
  writer.number(5, histogram.zero_threshold);
  if (whole) {
    writer.present_integer(6, static_cast<uint64_t>(histogram.zero_count));
  } else {
    writer.present_number(7, histogram.zero_count);
  }
  encode_spans(writer, 8, histogram.negative_spans);
  if (whole) encode_deltas(writer, 9, histogram.negative_buckets);
  if (!whole) encode_doubles(writer, 10, histogram.negative_buckets);
  encode_spans(writer, 11, histogram.positive_spans);
  if (whole) encode_deltas(writer, 12, histogram.positive_buckets);
  if (!whole) encode_doubles(writer, 13, histogram.positive_buckets);
  writer.integer(14, static_cast<uint64_t>(histogram.reset_hint));
  writer.integer(15, static_cast<uint64_t>(sample.t));
  encode_doubles(writer, 16, histogram.custom_values);
  return out;
}

std::string encode_series(const model::Labels& labels, const model::SeriesSamples& samples) {
  std::string out;
  ProtobufWriter writer(out);
  encode_labels(writer, labels);
  std::string one;
  for (size_t i = 0; i < samples.values.size(); ++i) {
    one.clear();
    ProtobufWriter sample(one);
    sample.number(1, samples.values[i]);
    sample.integer(2, static_cast<uint64_t>(samples.timestamps[i]));
    writer.element(2, one);
  }
  for (const model::HistogramSample& histogram : samples.histograms)
    writer.element(4, encode_histogram(histogram));
  return out;
}

std::string encode_chunk(std::span<const model::TimestampMs> times,
                         std::span<const double> values) {
  std::string out;
  ProtobufWriter writer(out);
  writer.integer(1, static_cast<uint64_t>(times.front()));
  writer.integer(2, static_cast<uint64_t>(times.back()));
  writer.integer(3, kXorEncoding);
  writer.bytes(4, encode_xor_chunk(times, values));
  return out;
}

void append_frame(std::string& out, std::string_view series, uint64_t query) {
  std::string message;
  ProtobufWriter writer(message);
  writer.element(1, series);
  writer.integer(2, query);
  append_varint(out, message.size());
  const uint32_t checksum = store::crc32c(message);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(checksum >> shift);
  out += message;
}

/// One series in as few frames as the limit allows.
void append_series(std::string& out, const model::Labels& labels,
                   const model::SeriesSamples& samples, uint64_t query, size_t max_frame_bytes) {
  std::string head;
  ProtobufWriter head_writer(head);
  encode_labels(head_writer, labels);
  std::string series = head;
  for (size_t first = 0; first < samples.values.size(); first += kXorChunkSamples) {
    const size_t count = std::min(kXorChunkSamples, samples.values.size() - first);
    const std::string chunk = encode_chunk({samples.timestamps.data() + first, count},
                                           {samples.values.data() + first, count});
    if (series.size() > head.size() && series.size() + chunk.size() > max_frame_bytes) {
      append_frame(out, series, query);
      series = head;
    }
    ProtobufWriter(series).element(2, chunk);
  }
  append_frame(out, series, query);
}

/// Calls `visit(labels, samples)` for every series with samples, sorted by labels.
template <class Visit>
Status each_series(const RemoteReadQuery& query, const model::SampleSource& source, Visit visit) {
  const auto selection = source.select(query.matchers, query.range);
  if (!selection) return selection.error();
  model::SeriesSamples samples;
  for (size_t i = 0; i < (*selection)->size(); ++i) {
    if (auto read = (*selection)->read(i, query.range, samples); !read) return read;
    if (samples.empty()) continue;
    if (auto visited = visit((*selection)->labels(i), samples); !visited) return visited;
  }
  return {};
}

}  // namespace

Result<RemoteReadRequest> decode_remote_read(std::string_view body,
                                             const RemoteReadLimits& limits) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size))
    return bad("the body is no snappy block");
  if (size > limits.max_request_bytes)
    return bad(fmt::format("{} bytes, at most {}", size, limits.max_request_bytes));
  std::string message;
  if (!snappy::Uncompress(body.data(), body.size(), &message))
    return bad("the body is no snappy block");
  RemoteReadRequest request;
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 1) {
      auto query = decode_query(field->bytes);
      if (!query) return std::move(query).error();
      request.queries.push_back(std::move(*query));
    } else if (field->number == 2 && field->wire == ProtobufReader::Wire::Varint) {
      add_accepted(field->integer, request.accepted);
    } else if (field->number == 2) {  // packed
      for (const char type : field->bytes)
        add_accepted(static_cast<uint8_t>(type), request.accepted);
    }
  }
  if (!reader.ok()) return bad("the body is no protobuf message");
  return request;
}

Result<std::string> remote_read_samples(const RemoteReadRequest& request,
                                        const model::SampleSource& source,
                                        const RemoteReadLimits& limits) {
  std::string response;
  uint64_t count = 0;
  for (const RemoteReadQuery& query : request.queries) {
    std::string result;
    auto read = each_series(
        query, source, [&](const model::Labels& labels, const model::SeriesSamples& samples) {
          count += samples.values.size() + samples.histograms.size();
          if (count > limits.max_samples)
            return Status(Error(ErrorCode::InvalidArgument,
                                fmt::format("exceeded sample limit ({})", limits.max_samples)));
          ProtobufWriter(result).element(1, encode_series(labels, samples));
          return Status();
        });
    if (!read) return std::move(read).error();
    ProtobufWriter(response).element(1, result);
  }
  std::string compressed;
  snappy::Compress(response.data(), response.size(), &compressed);
  return compressed;
}

Result<std::optional<std::string>> remote_read_chunks(const RemoteReadRequest& request,
                                                      const model::SampleSource& source,
                                                      const RemoteReadLimits& limits) {
  std::string out;
  bool has_histograms = false;
  for (size_t i = 0; i < request.queries.size() && !has_histograms; ++i) {
    auto read = each_series(request.queries[i], source,
                            [&](const model::Labels& labels, const model::SeriesSamples& samples) {
                              has_histograms = has_histograms || !samples.histograms.empty();
                              append_series(out, labels, samples, i, limits.max_frame_bytes);
                              return Status();
                            });
    if (!read) return std::move(read).error();
  }
  if (has_histograms) return std::optional<std::string>();
  return std::optional<std::string>(std::move(out));
}

}  // namespace aerie::query
