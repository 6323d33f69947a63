#include "ingest/write_request_decoder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <protozero/pbf_reader.hpp>

namespace aerie::ingest {
namespace {

// Field numbers of prompb.
constexpr protozero::pbf_tag_type kRequestSeries = 1;
constexpr protozero::pbf_tag_type kRequestMetadata = 3;
constexpr protozero::pbf_tag_type kSeriesLabel = 1;
constexpr protozero::pbf_tag_type kSeriesSample = 2;
constexpr protozero::pbf_tag_type kSeriesExemplar = 3;
constexpr protozero::pbf_tag_type kSeriesHistogram = 4;
// Field 1 of a request, fields 1 and 2 of a series, length-delimited, as they stand on the wire.
constexpr char kRequestSeriesTag = 0x0a;
constexpr char kLabelTag = 0x0a;
constexpr char kSampleTag = 0x12;

constexpr std::string_view kSchema = "a prometheus.WriteRequest";

std::string_view to_string_view(protozero::data_view view) { return {view.data(), view.size()}; }

protozero::pbf_reader reader_of(std::string_view message) {
  return {message.data(), message.size()};
}

Error malformed(const char* what) { return ingest::malformed(kSchema, what); }

model::LabelView decode_label(std::string_view message) {
  // An absent field is the empty string; the view must not be null, an iterator's end is.
  model::LabelView label{std::string_view(message.data(), 0), std::string_view(message.data(), 0)};
  auto reader = reader_of(message);
  while (reader.next()) {
    if (reader.tag_and_type() ==
        protozero::tag_and_type(1, protozero::pbf_wire_type::length_delimited)) {
      label.name = to_string_view(reader.get_view());
    } else if (reader.tag_and_type() ==
               protozero::tag_and_type(2, protozero::pbf_wire_type::length_delimited)) {
      label.value = to_string_view(reader.get_view());
    } else {
      reader.skip();
    }
  }
  return label;
}

// False if it does not end within the message, or is longer than one may be.
bool read_varint(std::string_view message, size_t& at, int64_t& value) {
  uint64_t bits = 0;
  for (int shift = 0; at < message.size() && shift < 64; shift += 7) {
    const auto byte = static_cast<uint8_t>(message[at++]);
    bits |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) != 0) continue;
    value = static_cast<int64_t>(bits);
    return true;
  }
  return false;
}

WireSample decode_sample_slowly(std::string_view message) {
  WireSample wire;
  auto reader = reader_of(message);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case protozero::tag_and_type(1, protozero::pbf_wire_type::fixed64):
        wire.sample.value = reader.get_double();
        break;
      case protozero::tag_and_type(2, protozero::pbf_wire_type::varint):
        wire.sample.t = reader.get_int64();
        break;
      case protozero::tag_and_type(3, protozero::pbf_wire_type::varint):
        wire.start = reader.get_int64();
        break;
      default: reader.skip();
    }
  }
  return wire;
}

}  // namespace

// All senders write the value (09 and 8 bytes), then the time (10 and a varint), then the start if
// there is one (18 and a varint); anything else, and defaults left out, takes the general way.
WireSample decode_sample(std::string_view message) {
  if (message.size() < 11 || message[0] != 0x09 || message[9] != 0x10)
    return decode_sample_slowly(message);
  WireSample wire;
  uint64_t bits = 0;
  std::memcpy(&bits, message.data() + 1, 8);
  wire.sample.value = std::bit_cast<double>(bits);
  size_t at = 10;
  if (!read_varint(message, at, wire.sample.t)) return decode_sample_slowly(message);
  if (at == message.size()) return wire;
  const bool start = message[at++] == 0x18 && read_varint(message, at, wire.start);
  return start && at == message.size() ? wire : decode_sample_slowly(message);
}

Status WriteRequestDecoder::decode(std::string_view body) {
  clear();
  gathered_labels_.clear();
  try {
    auto reader = reader_of(body);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case protozero::tag_and_type(kRequestSeries, protozero::pbf_wire_type::length_delimited):
          decode_series(to_string_view(reader.get_view()));
          break;
        case protozero::tag_and_type(kRequestMetadata, protozero::pbf_wire_type::length_delimited):
          decode_metadata(to_string_view(reader.get_view()));
          break;
        default: reader.skip();
      }
    }
  } catch (const protozero::exception& broken) {
    return malformed(broken.what());
  }
  return status();
}

void WriteRequestDecoder::decode_beginning(std::string_view part) {
  clear();
  gathered_labels_.clear();
  try {
    size_t at = 0;
    int64_t length = 0;
    while (at < part.size() && part[at] == kRequestSeriesTag) {
      size_t after = at + 1;
      if (!read_varint(part, after, length) || length < 0) return;
      if (static_cast<uint64_t>(length) > part.size() - after) return;
      decode_series(part.substr(after, static_cast<size_t>(length)));
      at = after + static_cast<size_t>(length);
    }
  } catch (const protozero::exception&) {
    clear();
  }
}

// What every sender writes most of the time: labels shorter than 128 bytes, then one sample,
// nothing else. False if it is anything else; then nothing was added.
bool WriteRequestDecoder::decode_plain_series(std::string_view message) {
  const char* at = message.data();
  const char* const end = at + message.size();
  while (end - at >= 2 && at[0] == kLabelTag && at[1] >= 0 && end - at - 2 >= at[1])
    at += 2 + at[1];
  if (end - at < 2 || at[0] != kSampleTag || at[1] < 0 || end - at - 2 != at[1]) return false;
  const auto first = static_cast<uint32_t>(samples_.size());
  samples_.push_back(decode_sample(std::string_view(at + 2, static_cast<size_t>(at[1]))).sample);
  series_.push_back({std::string_view(message.data(), static_cast<size_t>(at - message.data())),
                     message, first, 1, false, false, nullptr});
  return true;
}

void WriteRequestDecoder::decode_series(std::string_view message) {
  if (!room(series_.size(), RequestLimits::kSeries, "series")) return;
  if (decode_plain_series(message)) return;
  DecodedSeries series;
  series.message = message;
  series.first_sample = static_cast<uint32_t>(samples_.size());
  const char* labels_begin = message.data();
  const char* labels_end = message.data();
  std::string* gathered = nullptr;
  auto reader = reader_of(message);
  const char* record = reader.data().data();
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case protozero::tag_and_type(kSeriesLabel, protozero::pbf_wire_type::length_delimited): {
        reader.skip();
        const char* end = reader.data().data();
        if (gathered == nullptr && labels_begin == labels_end) {
          labels_begin = record;
        } else if (gathered == nullptr && record != labels_end) {
          gathered = &gathered_labels_.emplace_back(labels_begin, labels_end);
        }
        if (gathered != nullptr) gathered->append(record, end);
        labels_end = end;
        break;
      }
      case protozero::tag_and_type(kSeriesSample, protozero::pbf_wire_type::length_delimited):
        if (!room(samples_.size(), RequestLimits::kSamples, "samples")) return;
        samples_.push_back(decode_sample(to_string_view(reader.get_view())).sample);
        break;
      case protozero::tag_and_type(kSeriesExemplar, protozero::pbf_wire_type::length_delimited):
        series.has_exemplars = true;
        reader.skip();
        break;
      case protozero::tag_and_type(kSeriesHistogram, protozero::pbf_wire_type::length_delimited):
        series.has_histograms = true;
        reader.skip();
        break;
      default: reader.skip();
    }
    record = reader.data().data();
  }
  series.samples = static_cast<uint32_t>(samples_.size()) - series.first_sample;
  series.labels =
      gathered != nullptr
          ? std::string_view(*gathered)
          : std::string_view(labels_begin, static_cast<size_t>(labels_end - labels_begin));
  series_.push_back(series);
}

void WriteRequestDecoder::decode_metadata(std::string_view message) {
  if (!room(metadata_.size(), RequestLimits::kMetadata, "metadata")) return;
  DecodedMetadata entry;
  auto reader = reader_of(message);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case protozero::tag_and_type(1, protozero::pbf_wire_type::varint): {
        const int32_t type = reader.get_enum();
        if (type >= 0 && type <= static_cast<int32_t>(model::MetricType::StateSet)) {
          entry.type = static_cast<model::MetricType>(type);
        }
        break;
      }
      case protozero::tag_and_type(2, protozero::pbf_wire_type::length_delimited):
        entry.metric_family = to_string_view(reader.get_view());
        break;
      case protozero::tag_and_type(4, protozero::pbf_wire_type::length_delimited):
        entry.help = to_string_view(reader.get_view());
        break;
      case protozero::tag_and_type(5, protozero::pbf_wire_type::length_delimited):
        entry.unit = to_string_view(reader.get_view());
        break;
      default: reader.skip();
    }
  }
  metadata_.push_back(entry);
}

Result<std::vector<model::LabelView>> parse_labels(std::string_view records) {
  std::vector<model::LabelView> labels;
  try {
    auto reader = reader_of(records);
    while (reader.next(kSeriesLabel, protozero::pbf_wire_type::length_delimited)) {
      if (labels.size() >= RequestLimits::kLabels) return past_limit("labels of a series");
      labels.push_back(decode_label(to_string_view(reader.get_view())));
    }
  } catch (const protozero::exception& broken) {
    return malformed(broken.what());
  }
  return labels;
}

void WriteRequestDecoder::series_keys(uint64_t seed, std::vector<SeriesKey>& keys) const {
  keys.resize(series_.size());
  for (size_t i = 0; i < series_.size(); ++i) keys[i] = series_key(series_[i].labels, seed);
}

Result<std::vector<model::LabelView>> WriteRequestDecoder::labels(uint32_t series) const {
  return parse_labels(series_[series].labels);
}

Result<std::vector<DecodedExemplar>> WriteRequestDecoder::exemplars(uint32_t index) const {
  std::vector<DecodedExemplar> exemplars;
  try {
    auto series = reader_of(series_[index].message);
    while (series.next(kSeriesExemplar, protozero::pbf_wire_type::length_delimited)) {
      if (exemplars.size() >= RequestLimits::kExemplars) return past_limit("exemplars");
      DecodedExemplar& exemplar = exemplars.emplace_back();
      auto reader = series.get_message();
      while (reader.next()) {
        switch (reader.tag_and_type()) {
          case protozero::tag_and_type(1, protozero::pbf_wire_type::length_delimited):
            if (exemplar.labels.size() >= RequestLimits::kLabels)
              return past_limit("labels of an exemplar");
            exemplar.labels.push_back(decode_label(to_string_view(reader.get_view())));
            break;
          case protozero::tag_and_type(2, protozero::pbf_wire_type::fixed64):
            exemplar.value = reader.get_double();
            break;
          case protozero::tag_and_type(3, protozero::pbf_wire_type::varint):
            exemplar.t = reader.get_int64();
            break;
          default: reader.skip();
        }
      }
    }
  } catch (const protozero::exception& broken) {
    return malformed(broken.what());
  }
  return exemplars;
}

Result<std::vector<HistogramOrRefused>> WriteRequestDecoder::histograms(uint32_t index) const {
  return decode_histograms(series_[index].message, kSeriesHistogram, kSchema);
}

}  // namespace aerie::ingest
