#include "ingest/otlp_fields.h"

#include <fmt/core.h>

#include <bit>
#include <protozero/pbf_reader.hpp>

#include "http/json_writer.h"

namespace aerie::ingest {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr int kDeepest = 16;
// Of one point; what is above is cut off with it. Prometheus refuses more than 160 native buckets.
constexpr size_t kMostBuckets = 65'536;
constexpr size_t kMostAttributes = 4096;

std::string_view view_of(protozero::data_view view) { return {view.data(), view.size()}; }
pbf_reader reader_of(std::string_view message) { return {message.data(), message.size()}; }

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return text;
}

// How a value stands alone, and inside a list or map.
enum class Form { Plain, Json };
enum class Shape { List, Map };
enum class Coding { Fixed, Varint };

std::string any_value(std::string_view message, int depth, Form form);

std::string list_value(std::string_view message, int depth, Shape shape) {
  const bool is_map = shape == Shape::Map;
  std::string text(1, is_map ? '{' : '[');
  auto reader = reader_of(message);
  while (reader.next(1, pbf_wire_type::length_delimited)) {
    if (text.size() > 1) text += ',';
    const std::string_view item = view_of(reader.get_view());
    if (!is_map) {
      text += any_value(item, depth + 1, Form::Json);
      continue;
    }
    auto entry = reader_of(item);
    std::string value = "null";
    std::string key;
    while (entry.next()) {
      if (entry.tag_and_type() == tag_and_type(1, pbf_wire_type::length_delimited)) {
        key = entry.get_string();
      } else if (entry.tag_and_type() == tag_and_type(2, pbf_wire_type::length_delimited)) {
        value = any_value(view_of(entry.get_view()), depth + 1, Form::Json);
      } else {
        entry.skip();
      }
    }
    http::append_json_string(text, key);
    text += ":" + value;
  }
  return text + (is_map ? '}' : ']');
}

std::string any_value(std::string_view message, int depth, Form form) {
  const bool quoted = form == Form::Json;
  if (depth > kDeepest) return "null";
  std::string text = quoted ? "null" : "";
  auto reader = reader_of(message);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, pbf_wire_type::length_delimited):
      case tag_and_type(7, pbf_wire_type::length_delimited): {
        const bool bytes = reader.tag() == 7;
        const std::string_view value = view_of(reader.get_view());
        text = bytes ? hex(value) : std::string(value);
        if (!quoted) break;
        std::string json;
        http::append_json_string(json, text);
        text = std::move(json);
        break;
      }
      case tag_and_type(2, pbf_wire_type::varint):
        text = reader.get_bool() ? "true" : "false";
        break;
      case tag_and_type(3, pbf_wire_type::varint): text = std::to_string(reader.get_int64()); break;
      case tag_and_type(4, pbf_wire_type::fixed64):
        text = fmt::format("{}", reader.get_double());
        break;
      case tag_and_type(5, pbf_wire_type::length_delimited):
        text = list_value(view_of(reader.get_view()), depth, Shape::List);
        break;
      case tag_and_type(6, pbf_wire_type::length_delimited):
        text = list_value(view_of(reader.get_view()), depth, Shape::Map);
        break;
      default: reader.skip();
    }
  }
  return text;
}

OtlpExemplar decode_exemplar(std::string_view message) {
  OtlpExemplar exemplar;
  auto reader = reader_of(message);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(2, pbf_wire_type::fixed64): exemplar.time_ns = reader.get_fixed64(); break;
      case tag_and_type(3, pbf_wire_type::fixed64): exemplar.value = reader.get_double(); break;
      case tag_and_type(6, pbf_wire_type::fixed64):
        exemplar.value = static_cast<double>(reader.get_sfixed64());
        break;
      case tag_and_type(4, pbf_wire_type::length_delimited):
        exemplar.span_id = hex(view_of(reader.get_view()));
        break;
      case tag_and_type(5, pbf_wire_type::length_delimited):
        exemplar.trace_id = hex(view_of(reader.get_view()));
        break;
      case tag_and_type(7, pbf_wire_type::length_delimited):
        exemplar.attributes.push_back(decode_otlp_attribute(view_of(reader.get_view())));
        break;
      default: reader.skip();
    }
  }
  return exemplar;
}

// Adds one occurrence of a repeated 64-bit number of any wire type, packed or not.
void add_numbers(pbf_reader& reader, std::vector<uint64_t>& numbers, Coding coding) {
  if (reader.wire_type() == pbf_wire_type::fixed64) {
    numbers.push_back(reader.get_fixed64());
  } else if (reader.wire_type() == pbf_wire_type::varint) {
    numbers.push_back(reader.get_uint64());
  } else if (coding == Coding::Fixed) {
    for (const uint64_t number : reader.get_packed_fixed64()) numbers.push_back(number);
  } else {
    for (const uint64_t number : reader.get_packed_uint64()) {
      if (numbers.size() > kMostBuckets) return;
      numbers.push_back(number);
    }
  }
}

OtlpBuckets decode_buckets(std::string_view message) {
  OtlpBuckets buckets;
  auto reader = reader_of(message);
  while (reader.next()) {
    const auto type = reader.wire_type();
    if (reader.tag_and_type() == tag_and_type(1, pbf_wire_type::varint)) {
      buckets.offset = reader.get_sint32();
    } else if (reader.tag() == 2 &&
               (type == pbf_wire_type::varint || type == pbf_wire_type::length_delimited)) {
      add_numbers(reader, buckets.counts, Coding::Varint);
    } else {
      reader.skip();
    }
  }
  return buckets;
}

std::pair<double, double> decode_quantile(std::string_view message) {
  std::pair<double, double> quantile;
  auto reader = reader_of(message);
  while (reader.next()) {
    if (reader.tag_and_type() == tag_and_type(1, pbf_wire_type::fixed64)) {
      quantile.first = reader.get_double();
    } else if (reader.tag_and_type() == tag_and_type(2, pbf_wire_type::fixed64)) {
      quantile.second = reader.get_double();
    } else {
      reader.skip();
    }
  }
  return quantile;
}

// Field numbers that the kinds of points do not share.
struct PointTags {
  uint32_t attributes;
  uint32_t exemplars;
  uint32_t flags;
};
PointTags tags_of(OtlpPointKind kind) {
  switch (kind) {
    case OtlpPointKind::Number: return {7, 5, 8};
    case OtlpPointKind::Histogram: return {9, 8, 10};
    case OtlpPointKind::ExponentialHistogram: return {1, 11, 10};
    case OtlpPointKind::Summary: return {7, 0, 8};
  }
  return {};
}

bool read_number_field(pbf_reader& reader, OtlpPoint& point) {
  if (reader.wire_type() != pbf_wire_type::fixed64) return false;
  if (reader.tag() == 4) {
    point.value = reader.get_double();
  } else if (reader.tag() == 6) {
    point.value = static_cast<double>(reader.get_sfixed64());
  } else {
    return false;
  }
  return true;
}

// count and sum, which all but numbers have.
bool read_total(pbf_reader& reader, OtlpPoint& point) {
  if (reader.wire_type() != pbf_wire_type::fixed64) return false;
  if (reader.tag() == 4) {
    point.count = reader.get_fixed64();
  } else if (reader.tag() == 5) {
    point.sum = reader.get_double();
    point.has_sum = true;
  } else {
    return false;
  }
  return true;
}

bool read_histogram_field(pbf_reader& reader, OtlpPoint& point) {
  const auto type = reader.wire_type();
  const bool repeated = type == pbf_wire_type::fixed64 || type == pbf_wire_type::length_delimited;
  if (reader.tag() == 6 && repeated) {
    add_numbers(reader, point.bucket_counts, Coding::Fixed);
  } else if (reader.tag() == 7 && type == pbf_wire_type::fixed64) {
    point.bounds.push_back(reader.get_double());
  } else if (reader.tag() == 7 && repeated) {
    for (const double bound : reader.get_packed_double()) point.bounds.push_back(bound);
  } else {
    return read_total(reader, point);
  }
  return true;
}

bool read_exponential_field(pbf_reader& reader, OtlpPoint& point) {
  switch (reader.tag_and_type()) {
    case tag_and_type(6, pbf_wire_type::varint): point.scale = reader.get_sint32(); return true;
    case tag_and_type(7, pbf_wire_type::fixed64):
      point.zero_count = reader.get_fixed64();
      return true;
    case tag_and_type(8, pbf_wire_type::length_delimited):
      point.positive = decode_buckets(view_of(reader.get_view()));
      return true;
    case tag_and_type(9, pbf_wire_type::length_delimited):
      point.negative = decode_buckets(view_of(reader.get_view()));
      return true;
    case tag_and_type(14, pbf_wire_type::fixed64):
      point.zero_threshold = reader.get_double();
      return true;
    default: return read_total(reader, point);
  }
}

bool read_summary_field(pbf_reader& reader, OtlpPoint& point) {
  if (reader.tag_and_type() != tag_and_type(6, pbf_wire_type::length_delimited))
    return read_total(reader, point);
  point.quantiles.push_back(decode_quantile(view_of(reader.get_view())));
  return true;
}

bool read_field(pbf_reader& reader, OtlpPointKind kind, OtlpPoint& point) {
  switch (kind) {
    case OtlpPointKind::Number: return read_number_field(reader, point);
    case OtlpPointKind::Histogram: return read_histogram_field(reader, point);
    case OtlpPointKind::ExponentialHistogram: return read_exponential_field(reader, point);
    case OtlpPointKind::Summary: return read_summary_field(reader, point);
  }
  return false;
}

}  // namespace

std::pair<std::string, std::string> decode_otlp_attribute(std::string_view message) {
  std::pair<std::string, std::string> attribute;
  auto reader = reader_of(message);
  while (reader.next()) {
    if (reader.tag_and_type() == tag_and_type(1, pbf_wire_type::length_delimited)) {
      attribute.first = reader.get_string();
    } else if (reader.tag_and_type() == tag_and_type(2, pbf_wire_type::length_delimited)) {
      attribute.second = any_value(view_of(reader.get_view()), 0, Form::Plain);
    } else {
      reader.skip();
    }
  }
  return attribute;
}

OtlpPoint decode_otlp_point(std::string_view message, OtlpPointKind kind) {
  const PointTags tags = tags_of(kind);
  OtlpPoint point;
  auto reader = reader_of(message);
  while (reader.next()) {
    const auto type = reader.wire_type();
    const uint32_t tag = reader.tag();
    if (tag == tags.attributes && type == pbf_wire_type::length_delimited) {
      auto attribute = decode_otlp_attribute(view_of(reader.get_view()));
      if (point.attributes.size() < kMostAttributes)
        point.attributes.push_back(std::move(attribute));
    } else if (tag == tags.exemplars && type == pbf_wire_type::length_delimited) {
      point.exemplars.push_back(decode_exemplar(view_of(reader.get_view())));
    } else if (tag == tags.flags && type == pbf_wire_type::varint) {
      point.no_value = (reader.get_uint32() & 1) != 0;
    } else if (tag == 2 && type == pbf_wire_type::fixed64) {
      point.start_ns = reader.get_fixed64();
    } else if (tag == 3 && type == pbf_wire_type::fixed64) {
      point.time_ns = reader.get_fixed64();
    } else if (!read_field(reader, kind, point)) {
      reader.skip();
    }
  }
  return point;
}

}  // namespace aerie::ingest
