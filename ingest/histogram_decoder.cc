#include "ingest/histogram_decoder.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <utility>
#include <vector>

namespace aerie::ingest {
namespace {

using model::NativeHistogram;

constexpr int32_t kHighestSchema = 8;
constexpr int32_t kLowestSchema = -4;
constexpr int32_t kHighestReservedSchema = 52;
// A single histogram may not make us allocate without bound through a span's length.
constexpr size_t kMaxBuckets = 65'536;

// The message as it stands on the wire, before integers and floats are brought to one form.
struct WireHistogram {
  NativeHistogram result;
  model::TimestampMs t = 0;
  model::TimestampMs start = 0;
  uint64_t count_int = 0;
  uint64_t zero_count_int = 0;
  std::vector<int64_t> positive_deltas;
  std::vector<int64_t> negative_deltas;
  bool is_float = false;
};

model::BucketSpan read_span(protozero::pbf_reader reader) {
  model::BucketSpan span;
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case protozero::tag_and_type(1, protozero::pbf_wire_type::varint):
        span.offset = reader.get_sint32();
        break;
      case protozero::tag_and_type(2, protozero::pbf_wire_type::varint):
        span.length = reader.get_uint32();
        break;
      default: reader.skip();
    }
  }
  return span;
}

void read_deltas(protozero::pbf_reader& reader, std::vector<int64_t>& deltas) {
  if (reader.wire_type() == protozero::pbf_wire_type::varint) {
    deltas.push_back(reader.get_sint64());
    return;
  }
  for (const int64_t delta : reader.get_packed_sint64()) deltas.push_back(delta);
}

void read_doubles(protozero::pbf_reader& reader, std::vector<double>& values) {
  if (reader.wire_type() == protozero::pbf_wire_type::fixed64) {
    values.push_back(reader.get_double());
    return;
  }
  for (const double value : reader.get_packed_double()) values.push_back(value);
}

void read_field(protozero::pbf_reader& reader, WireHistogram& wire) {
  NativeHistogram& result = wire.result;
  switch (reader.tag()) {
    case 1:
      wire.count_int = reader.get_uint64();
      wire.is_float = false;
      break;
    case 2:
      result.count = reader.get_double();
      wire.is_float = true;
      break;
    case 3: result.sum = reader.get_double(); break;
    case 4: result.schema = reader.get_sint32(); break;
    case 5: result.zero_threshold = reader.get_double(); break;
    case 6: wire.zero_count_int = reader.get_uint64(); break;
    case 7: result.zero_count = reader.get_double(); break;
    case 8: result.negative_spans.push_back(read_span(reader.get_message())); break;
    case 9: read_deltas(reader, wire.negative_deltas); break;
    case 10: read_doubles(reader, result.negative_buckets); break;
    case 11: result.positive_spans.push_back(read_span(reader.get_message())); break;
    case 12: read_deltas(reader, wire.positive_deltas); break;
    case 13: read_doubles(reader, result.positive_buckets); break;
    case 14: {
      const int32_t hint = reader.get_enum();
      if (hint >= 0 && hint <= 3) result.reset_hint = static_cast<model::ResetHint>(hint);
      break;
    }
    case 15: wire.t = reader.get_int64(); break;
    case 16: read_doubles(reader, result.custom_values); break;
    case 17: wire.start = reader.get_int64(); break;
    default: reader.skip();
  }
}

Refused refused(std::string text) {
  return {Refusal::InvalidHistogram, "invalid native histogram: " + std::move(text)};
}

std::optional<Refused> check_spans(const std::vector<model::BucketSpan>& spans, size_t buckets,
                                   const char* side) {
  size_t covered = 0;
  int64_t index = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (i > 0 && spans[i].offset < 0) {
      return refused(
          fmt::format("{} side: span number {} with offset {}", side, i + 1, spans[i].offset));
    }
    covered += spans[i].length;
    if (covered > kMaxBuckets)
      return refused(fmt::format("{} side: more than {} buckets", side, kMaxBuckets));
    index += static_cast<int64_t>(spans[i].offset) + spans[i].length;
    if (index > std::numeric_limits<int32_t>::max())
      return refused(fmt::format("{} side: bucket index overflow", side));
  }
  if (covered != buckets) {
    return refused(
        fmt::format("{} side: spans need {} buckets, have {} buckets", side, covered, buckets));
  }
  return std::nullopt;
}

// Integer buckets come as differences to the previous bucket.
std::optional<Refused> add_up(const std::vector<int64_t>& deltas, const char* side,
                              std::vector<double>& buckets, uint64_t& total) {
  int64_t value = 0;
  for (size_t i = 0; i < deltas.size(); ++i) {
    if (__builtin_add_overflow(value, deltas[i], &value) || value < 0) {
      return refused(
          fmt::format("{} side: bucket number {} has a negative observation count", side, i + 1));
    }
    if (__builtin_add_overflow(total, static_cast<uint64_t>(value), &total))
      return refused("observation counts overflow");
    buckets.push_back(static_cast<double>(value));
  }
  return std::nullopt;
}

std::optional<Refused> check_float_buckets(const std::vector<double>& buckets, const char* side) {
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (buckets[i] < 0) {
      return refused(fmt::format("{} side: bucket number {} has observation count of {}", side,
                                 i + 1, buckets[i]));
    }
  }
  return std::nullopt;
}

std::optional<Refused> settle_integers(WireHistogram& wire) {
  NativeHistogram& result = wire.result;
  result.count = static_cast<double>(wire.count_int);
  result.zero_count = static_cast<double>(wire.zero_count_int);
  result.positive_buckets.clear();
  result.negative_buckets.clear();
  uint64_t total = wire.zero_count_int;
  if (auto bad = add_up(wire.negative_deltas, "negative", result.negative_buckets, total))
    return bad;
  if (auto bad = add_up(wire.positive_deltas, "positive", result.positive_buckets, total))
    return bad;
  // Observations of NaN are counted, but fall into no bucket.
  const bool adds_up = std::isnan(result.sum) ? total <= wire.count_int : total == wire.count_int;
  if (!adds_up) {
    return refused(fmt::format("{} observations found in buckets, but the Count field is {}", total,
                               wire.count_int));
  }
  return std::nullopt;
}

std::optional<Refused> check_custom(const NativeHistogram& result) {
  if (result.zero_count != 0 || result.zero_threshold != 0)
    return refused("custom buckets: must have no zero bucket");
  if (!result.negative_spans.empty() || !result.negative_buckets.empty()) {
    return refused("custom buckets: must not have negative spans");
  }
  for (size_t i = 0; i < result.custom_values.size(); ++i) {
    if (!std::isfinite(result.custom_values[i]))
      return refused("custom buckets: bounds must be finite");
    if (i > 0 && result.custom_values[i] <= result.custom_values[i - 1]) {
      return refused("custom buckets: bounds must be strictly increasing");
    }
  }
  int64_t end = 0;
  for (const model::BucketSpan& span : result.positive_spans) {
    if (span.offset < 0) return refused("custom buckets: negative span offset");
    end += static_cast<int64_t>(span.offset) + span.length;
  }
  if (end > static_cast<int64_t>(result.custom_values.size()) + 1) {
    return refused(fmt::format("custom buckets: only {} bounds for {} buckets",
                               result.custom_values.size(), end));
  }
  return std::nullopt;
}

// Halving the resolution once joins buckets 2i-1 and 2i into i (bounds are powers of
// 2^(2^-schema)).
void reduce(std::vector<model::BucketSpan>& spans, std::vector<double>& buckets, int32_t steps) {
  std::vector<model::BucketSpan> reduced_spans;
  std::vector<double> reduced;
  int64_t index = 0;
  int64_t last = 0;
  size_t bucket = 0;
  for (const model::BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length; ++i, ++index, ++bucket) {
      const int64_t target = ((index - 1) >> steps) + 1;
      if (!reduced.empty() && target == last) {
        reduced.back() += buckets[bucket];
        continue;
      }
      if (!reduced.empty() && target == last + 1) {
        ++reduced_spans.back().length;
      } else {
        const int64_t offset = reduced.empty() ? target : target - last - 1;
        reduced_spans.push_back({static_cast<int32_t>(offset), 1});
      }
      reduced.push_back(buckets[bucket]);
      last = target;
    }
  }
  spans = std::move(reduced_spans);
  buckets = std::move(reduced);
}

std::optional<Refused> check_and_settle(WireHistogram& wire) {
  NativeHistogram& result = wire.result;
  result.is_float = wire.is_float;
  if (result.schema != model::kCustomBucketsSchema &&
      (result.schema < kLowestSchema || result.schema > kHighestReservedSchema)) {
    return refused(fmt::format("unknown schema {}", result.schema));
  }
  const size_t positive =
      wire.is_float ? result.positive_buckets.size() : wire.positive_deltas.size();
  const size_t negative =
      wire.is_float ? result.negative_buckets.size() : wire.negative_deltas.size();
  if (auto bad = check_spans(result.negative_spans, negative, "negative")) return bad;
  if (auto bad = check_spans(result.positive_spans, positive, "positive")) return bad;
  if (wire.is_float) {
    if (result.count < 0 || result.zero_count < 0) return refused("negative observation count");
    if (auto bad = check_float_buckets(result.negative_buckets, "negative")) return bad;
    if (auto bad = check_float_buckets(result.positive_buckets, "positive")) return bad;
  } else if (auto bad = settle_integers(wire)) {
    return bad;
  }
  if (result.schema == model::kCustomBucketsSchema) return check_custom(result);
  if (!result.custom_values.empty()) return refused("exponential schema with custom bounds");
  if (result.schema > kHighestSchema) {
    reduce(result.positive_spans, result.positive_buckets, result.schema - kHighestSchema);
    reduce(result.negative_spans, result.negative_buckets, result.schema - kHighestSchema);
    result.schema = kHighestSchema;
  }
  return std::nullopt;
}

}  // namespace

Result<std::variant<DecodedHistogram, Refused>> parse_histogram(std::string_view message) {
  WireHistogram wire;
  try {
    protozero::pbf_reader reader(message.data(), message.size());
    while (reader.next()) {
      // The readers below trust the wire type in debug builds only; a wrong one is a broken
      // message.
      const auto type = reader.wire_type();
      const auto tag = reader.tag();
      const bool varint = tag == 1 || tag == 4 || tag == 6 || tag == 14 || tag == 15 || tag == 17;
      const bool fixed = tag == 2 || tag == 3 || tag == 5 || tag == 7;
      const bool span = tag == 8 || tag == 11;
      const bool deltas = tag == 9 || tag == 12;
      const bool doubles = tag == 10 || tag == 13 || tag == 16;
      using protozero::pbf_wire_type;
      const bool known =
          (varint && type == pbf_wire_type::varint) || (fixed && type == pbf_wire_type::fixed64) ||
          (span && type == pbf_wire_type::length_delimited) ||
          (deltas && (type == pbf_wire_type::varint || type == pbf_wire_type::length_delimited)) ||
          (doubles && (type == pbf_wire_type::fixed64 || type == pbf_wire_type::length_delimited));
      if (known) {
        read_field(reader, wire);
      } else {
        reader.skip();
      }
    }
  } catch (const protozero::exception& broken) {
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("not a remote-write request: histogram: {}", broken.what()));
  }
  if (auto bad = check_and_settle(wire))
    return std::variant<DecodedHistogram, Refused>(std::move(*bad));
  return std::variant<DecodedHistogram, Refused>(DecodedHistogram{
      wire.t, wire.start, std::make_shared<const NativeHistogram>(std::move(wire.result))});
}

}  // namespace aerie::ingest
