#include "ingest/write_v2_decoder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <utility>

#include "ingest/write_request_decoder.h"

namespace aerie::ingest {
namespace {

using protozero::pbf_wire_type;
using protozero::tag_and_type;

// Field numbers of io.prometheus.write.v2.
constexpr protozero::pbf_tag_type kRequestSymbol = 4;
constexpr protozero::pbf_tag_type kRequestSeries = 5;
constexpr protozero::pbf_tag_type kSeriesReferences = 1;
constexpr protozero::pbf_tag_type kSeriesSample = 2;
constexpr protozero::pbf_tag_type kSeriesHistogram = 3;
constexpr protozero::pbf_tag_type kSeriesExemplar = 4;
constexpr protozero::pbf_tag_type kSeriesMetadata = 5;
constexpr protozero::pbf_tag_type kSeriesCreated = 6;

// Fields of a series, length-delimited, as they stand on the wire.
constexpr char kReferencesTag = 0x0a;
constexpr char kSampleTag = 0x12;
constexpr char kMetadataTag = 0x2a;

constexpr const char* kOddReferences = "odd number of label references";
constexpr const char* kNoSuchSymbol = "reference to a symbol that the request does not have";
constexpr const char* kTooManyLabels = "more than 4096 labels";

constexpr std::string_view kSchema = "an io.prometheus.write.v2.Request";

std::string_view to_string_view(protozero::data_view view) { return {view.data(), view.size()}; }

protozero::pbf_reader reader_of(std::string_view message) {
  return {message.data(), message.size()};
}

Error malformed(const char* what) { return ingest::malformed(kSchema, what); }

// Reads one occurrence of a repeated uint32, packed or not.
void read_references(protozero::pbf_reader& reader, std::vector<uint32_t>& references) {
  if (reader.wire_type() == pbf_wire_type::varint) {
    references.push_back(reader.get_uint32());
    return;
  }
  for (const uint32_t reference : reader.get_packed_uint32()) {
    if (references.size() > RequestLimits::kReferences) return;  // refused by its number anyway
    references.push_back(reference);
  }
}

// Two strings to 128 bits; not the same with name and value exchanged. The hashes are seeded, so
// nobody can choose them; the odd constants keep a zero from swallowing the other factor.
SeriesKey mix(const SeriesKey& name, const SeriesKey& value) {
  using Wide = unsigned __int128;
  const Wide low =
      static_cast<Wide>(name.low ^ 0x9e3779b97f4a7c15) * (value.low ^ 0xc2b2ae3d27d4eb4f);
  const Wide high =
      static_cast<Wide>(name.high ^ 0x165667b19e3779f9) * (value.high ^ 0xd6e8feb86659fd93);
  return {(static_cast<uint64_t>(low) ^ static_cast<uint64_t>(low >> 64)) + name.high,
          (static_cast<uint64_t>(high) ^ static_cast<uint64_t>(high >> 64)) + value.low};
}

std::string_view without_suffix(std::string_view name,
                                std::initializer_list<std::string_view> suffixes) {
  for (const std::string_view suffix : suffixes) {
    if (name.size() > suffix.size() && name.ends_with(suffix))
      return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

}  // namespace

std::string_view metric_family_of(std::string_view name, model::MetricType type) {
  switch (type) {
    case model::MetricType::Histogram: return without_suffix(name, {"_bucket", "_count", "_sum"});
    case model::MetricType::GaugeHistogram:
      return without_suffix(name, {"_bucket", "_gcount", "_gsum"});
    case model::MetricType::Summary: return without_suffix(name, {"_count", "_sum"});
    default: return name;
  }
}

Status WriteV2Decoder::decode(std::string_view body) {
  clear();
  symbols_.clear();
  messages_.clear();
  references_.clear();
  of_series_.clear();
  last_metadata_ = {};
  last_family_ = {};
  try {
    auto reader = reader_of(body);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(kRequestSymbol, pbf_wire_type::length_delimited):
          if (!room(symbols_.size(), RequestLimits::kSymbols, "symbols")) return status();
          symbols_.push_back(to_string_view(reader.get_view()));
          break;
        case tag_and_type(kRequestSeries, pbf_wire_type::length_delimited):
          if (!room(messages_.size(), RequestLimits::kSeries, "series")) return status();
          messages_.push_back(to_string_view(reader.get_view()));
          break;
        default: reader.skip();
      }
    }
    for (const std::string_view message : messages_) decode_series(message);
  } catch (const protozero::exception& broken) {
    return malformed(broken.what());
  }
  return status();
}

void WriteV2Decoder::decode_series(std::string_view message) {
  if (decode_plain_series(message)) return;
  DecodedSeries series;
  series.message = message;
  series.first_sample = static_cast<uint32_t>(samples_.size());
  const auto first_reference = static_cast<uint32_t>(references_.size());
  Metadata metadata;
  model::TimestampMs created = 0;
  auto reader = reader_of(message);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(kSeriesReferences, pbf_wire_type::varint):
      case tag_and_type(kSeriesReferences, pbf_wire_type::length_delimited):
        if (!room(references_.size(), RequestLimits::kReferences, "label references")) return;
        read_references(reader, references_);
        break;
      case tag_and_type(kSeriesSample, pbf_wire_type::length_delimited):
        add_sample(to_string_view(reader.get_view()));
        break;
      case tag_and_type(kSeriesHistogram, pbf_wire_type::length_delimited):
        series.has_histograms = true;
        reader.skip();
        break;
      case tag_and_type(kSeriesExemplar, pbf_wire_type::length_delimited):
        series.has_exemplars = true;
        reader.skip();
        break;
      case tag_and_type(kSeriesMetadata, pbf_wire_type::length_delimited):
        metadata = decode_metadata(to_string_view(reader.get_view()));
        break;
      case tag_and_type(kSeriesCreated, pbf_wire_type::varint): created = reader.get_int64(); break;
      default: reader.skip();
    }
  }
  series.samples = static_cast<uint32_t>(samples_.size()) - series.first_sample;
  if (created != 0) settle_starts(series.first_sample, created);
  finish_series(series, first_reference, metadata);
}

void WriteV2Decoder::finish_series(DecodedSeries& series, uint32_t first_reference,
                                   const Metadata& metadata) {
  const References references{first_reference,
                              static_cast<uint32_t>(references_.size()) - first_reference};
  series.defect = defect_of(references, metadata);
  of_series_.push_back(references);
  series_.push_back(series);
  if (series.defect == nullptr && metadata != Metadata{}) note_metadata(metadata);
}

// What every sender writes most of the time: packed references, then one sample, perhaps metadata,
// each shorter than 128 bytes. False if it is anything else; then nothing was added.
bool WriteV2Decoder::decode_plain_series(std::string_view message) {
  std::string_view rest = message;
  const auto next = [&rest](char tag) -> std::optional<std::string_view> {
    if (rest.size() < 2 || rest[0] != tag || rest[1] < 0) return std::nullopt;
    const auto length = static_cast<size_t>(rest[1]);
    if (rest.size() - 2 < length) return std::nullopt;
    const std::string_view content = rest.substr(2, length);
    rest.remove_prefix(2 + length);
    return content;
  };
  const auto labels = next(kReferencesTag);
  const auto sample = next(kSampleTag);
  if (!labels || !sample) return false;
  const auto metadata = next(kMetadataTag);
  if (!rest.empty()) return false;
  if (!room(references_.size(), RequestLimits::kReferences, "label references")) return true;
  const auto first_reference = static_cast<uint32_t>(references_.size());
  if (!read_packed(*labels)) {
    references_.resize(first_reference);
    return false;
  }
  DecodedSeries series;
  series.message = message;
  series.first_sample = static_cast<uint32_t>(samples_.size());
  if (!room(samples_.size(), RequestLimits::kSamples, "samples")) return true;
  if (!add_plain_sample(*sample)) add_sample(*sample);
  series.samples = static_cast<uint32_t>(samples_.size()) - series.first_sample;
  const auto count = static_cast<uint32_t>(references_.size()) - first_reference;
  if (!metadata && count % 2 == 0 && largest_reference_ < symbols_.size()) {
    of_series_.push_back({first_reference, count});
    series_.push_back(series);
    return true;
  }
  finish_series(series, first_reference, metadata ? decode_metadata(*metadata) : Metadata{});
  return true;
}

// Of numbers below 2^21, as those of a request are; false for others.
bool WriteV2Decoder::read_packed(std::string_view packed) {
  const auto* at = reinterpret_cast<const uint8_t*>(packed.data());
  const uint8_t* const end = at + packed.size();
  const size_t first = references_.size();
  references_.resize(first + packed.size());  // a byte each, at least
  uint32_t* out = references_.data() + first;
  uint32_t largest = 0;
  while (at < end) {
    uint32_t number = *at++;
    if (number >= 0x80) {
      if (at == end) return false;
      number = (number & 0x7f) | static_cast<uint32_t>(*at) << 7;
      if (*at++ >= 0x80) {
        if (at == end || *at >= 0x80) return false;
        number = (number & 0x3fff) | static_cast<uint32_t>(*at++) << 14;
      }
    }
    *out++ = number;
    largest = std::max(largest, number);
  }
  references_.resize(static_cast<size_t>(out - references_.data()));
  largest_reference_ = largest;
  return true;
}

// Value, then a time of six bytes (until the year 2109), nothing else. False if it is anything
// else; then nothing was added.
bool WriteV2Decoder::add_plain_sample(std::string_view message) {
  if (message.size() != 16 || message[0] != 0x09 || message[9] != 0x10 || !starts_.empty())
    return false;
  uint64_t bits = 0;
  std::memcpy(&bits, message.data() + 1, 8);
  uint64_t time = 0;
  for (size_t i = 0; i < 6; ++i) {
    const auto byte = static_cast<uint8_t>(message[10 + i]);
    if ((byte >= 0x80) != (i < 5)) return false;
    time |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
  }
  samples_.push_back({static_cast<model::TimestampMs>(time), std::bit_cast<double>(bits)});
  return true;
}

WriteV2Decoder::Metadata WriteV2Decoder::decode_metadata(std::string_view message) {
  Metadata metadata;
  auto fields = reader_of(message);
  while (fields.next()) {
    switch (fields.tag_and_type()) {
      case tag_and_type(1, pbf_wire_type::varint): metadata.type = fields.get_uint32(); break;
      case tag_and_type(3, pbf_wire_type::varint): metadata.help = fields.get_uint32(); break;
      case tag_and_type(4, pbf_wire_type::varint): metadata.unit = fields.get_uint32(); break;
      default: fields.skip();
    }
  }
  return metadata;
}

void WriteV2Decoder::add_sample(std::string_view message) {
  if (!room(samples_.size(), RequestLimits::kSamples, "samples")) return;
  const WireSample wire = decode_sample(message);
  samples_.push_back(wire.sample);
  if (wire.start == 0 && starts_.empty()) return;
  starts_.resize(samples_.size());
  starts_.back() = wire.start;
}

void WriteV2Decoder::settle_starts(uint32_t first_sample, model::TimestampMs created) {
  starts_.resize(samples_.size());
  for (size_t i = first_sample; i < starts_.size(); ++i) {
    if (starts_[i] == 0) starts_[i] = created;
  }
}

const char* WriteV2Decoder::defect_of(const References& references,
                                      const Metadata& metadata) const {
  if (references.count % 2 != 0) return kOddReferences;
  if (references.count > 2 * RequestLimits::kLabels) return kTooManyLabels;
  const size_t symbols = symbols_.size();
  for (uint32_t i = 0; i < references.count; ++i) {
    if (references_[references.first + i] >= symbols) return kNoSuchSymbol;
  }
  // Number 0 is the empty string, there or not.
  const bool known = (metadata.help == 0 || metadata.help < symbols) &&
                     (metadata.unit == 0 || metadata.unit < symbols);
  return known ? nullptr : kNoSuchSymbol;
}

std::string_view WriteV2Decoder::metric_name(const References& references) const {
  for (uint32_t i = references.first; i < references.first + references.count; i += 2) {
    if (symbols_[references_[i]] == model::kMetricName) return symbols_[references_[i + 1]];
  }
  return {};
}

void WriteV2Decoder::note_metadata(const Metadata& metadata) {
  model::MetricType type = model::MetricType::Unknown;
  if (metadata.type <= static_cast<uint32_t>(model::MetricType::StateSet))
    type = static_cast<model::MetricType>(metadata.type);
  const std::string_view family = metric_family_of(metric_name(of_series_.back()), type);
  if (family.empty() || (family == last_family_ && metadata == last_metadata_)) return;
  last_family_ = family;
  last_metadata_ = metadata;
  const auto symbol = [this](uint32_t reference) {
    return reference < symbols_.size() ? symbols_[reference] : std::string_view{};
  };
  metadata_.push_back({type, family, symbol(metadata.help), symbol(metadata.unit),
                       static_cast<uint32_t>(series_.size() - 1)});
}

void WriteV2Decoder::series_keys(uint64_t seed, std::vector<SeriesKey>& keys) const {
  symbol_hashes_.resize(symbols_.size());
  // The empty string alone has the hash zero: a label without a value is as if it were not there.
  for (size_t i = 0; i < symbols_.size(); ++i)
    symbol_hashes_[i] = symbols_[i].empty() ? SeriesKey{} : series_key(symbols_[i], seed);
  keys.resize(series_.size());
  label_hashes_.resize(RequestLimits::kLabels);
  const uint32_t* before = nullptr;
  uint32_t count_before = 0;
  for (size_t i = 0; i < series_.size(); ++i) {
    // Not the key of anything that 1.0 sends with the same labels.
    SeriesKey key{seed ^ 0x27d4eb2f165667c5, ~seed};
    const References& references = of_series_[i];
    const uint32_t* at = references_.data() + references.first;
    const uint32_t count = series_[i].defect == nullptr ? references.count : 0;
    for (uint32_t r = 0; r < count; r += 2) {
      // Neighbours have most of their labels in common, and in the same places.
      SeriesKey& label = label_hashes_[r / 2];
      if (r >= count_before || at[r] != before[r] || at[r + 1] != before[r + 1]) {
        const SeriesKey& value = symbol_hashes_[at[r + 1]];
        label = value == SeriesKey{} ? SeriesKey{} : mix(symbol_hashes_[at[r]], value);
      }
      key.low += label.low;
      key.high += label.high;
    }
    before = at;
    count_before = count;
    keys[i] = {key.low | static_cast<uint64_t>(key.low == 0 && key.high == 0), key.high};
  }
}

Result<std::vector<model::LabelView>> WriteV2Decoder::labels(uint32_t series) const {
  const References& references = of_series_[series];
  std::vector<model::LabelView> labels;
  labels.reserve(references.count / 2);
  for (uint32_t i = references.first; i < references.first + references.count; i += 2)
    labels.push_back({symbols_[references_[i]], symbols_[references_[i + 1]]});
  return labels;
}

Result<std::vector<DecodedExemplar>> WriteV2Decoder::exemplars(uint32_t index) const {
  std::vector<DecodedExemplar> exemplars;
  std::vector<uint32_t> references;
  try {
    auto series = reader_of(series_[index].message);
    while (series.next(kSeriesExemplar, pbf_wire_type::length_delimited)) {
      if (exemplars.size() >= RequestLimits::kExemplars) return past_limit("exemplars");
      DecodedExemplar& exemplar = exemplars.emplace_back();
      references.clear();
      auto reader = series.get_message();
      while (reader.next()) {
        switch (reader.tag_and_type()) {
          case tag_and_type(1, pbf_wire_type::varint):
          case tag_and_type(1, pbf_wire_type::length_delimited):
            read_references(reader, references);
            break;
          case tag_and_type(2, pbf_wire_type::fixed64): exemplar.value = reader.get_double(); break;
          case tag_and_type(3, pbf_wire_type::varint): exemplar.t = reader.get_int64(); break;
          default: reader.skip();
        }
      }
      if (references.size() > 2 * RequestLimits::kLabels)
        return past_limit("labels of an exemplar");
      if (references.size() % 2 != 0) exemplar.defect = kOddReferences;
      for (size_t i = 0; exemplar.defect == nullptr && i < references.size(); i += 2) {
        if (references[i] >= symbols_.size() || references[i + 1] >= symbols_.size()) {
          exemplar.defect = kNoSuchSymbol;
        } else {
          exemplar.labels.push_back({symbols_[references[i]], symbols_[references[i + 1]]});
        }
      }
    }
  } catch (const protozero::exception& broken) {
    return malformed(broken.what());
  }
  return exemplars;
}

Result<std::vector<HistogramOrRefused>> WriteV2Decoder::histograms(uint32_t index) const {
  return decode_histograms(series_[index].message, kSeriesHistogram, kSchema);
}

}  // namespace aerie::ingest
