#include <bit>
#include <memory>

#include "store/columns.h"
#include "store/histogram_pack.h"

namespace aerie::store {
namespace {

constexpr uint8_t kSameLayout = 1;
constexpr uint8_t kFloatCounts = 2;
constexpr unsigned kHintShift = 2;
constexpr uint8_t kKnownFlags = 0xf;

// A damaged file must not make us allocate more than a histogram can reasonably need.
constexpr uint64_t kMaxBuckets = 1u << 20;

using model::BucketSpan;
using model::NativeHistogram;

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) return false;
  return true;
}

bool same_layout(const NativeHistogram& a, const NativeHistogram& b) {
  return a.schema == b.schema && same_bits(a.zero_threshold, b.zero_threshold) &&
         a.positive_spans == b.positive_spans && a.negative_spans == b.negative_spans &&
         same_bits(a.custom_values, b.custom_values);
}

void put_histogram(std::string& out, const NativeHistogram& histogram,
                   const NativeHistogram* before) {
  const bool same = before != nullptr && same_layout(histogram, *before);
  put_u8(out,
         static_cast<uint8_t>((same ? kSameLayout : 0) | (histogram.is_float ? kFloatCounts : 0) |
                              static_cast<unsigned>(histogram.reset_hint) << kHintShift));
  if (!same) {
    put_zigzag(out, histogram.schema);
    put_number(out, histogram.zero_threshold);
    put_spans(out, histogram.positive_spans);
    put_spans(out, histogram.negative_spans);
    put_varint(out, histogram.custom_values.size());
    put_numbers(out, histogram.custom_values);
  }
  put_number(out, histogram.count);
  put_number(out, histogram.zero_count);
  put_number(out, histogram.sum);
  put_numbers(out, histogram.positive_buckets);
  put_numbers(out, histogram.negative_buckets);
}

struct Layout {
  uint64_t positive = 0;
  uint64_t negative = 0;
};

void get_layout(ByteReader& in, NativeHistogram& histogram, Layout& layout) {
  const int64_t schema = in.zigzag();
  if (schema != static_cast<int32_t>(schema)) in.fail();
  histogram.schema = static_cast<int32_t>(schema);
  histogram.zero_threshold = get_number(in);
  layout.positive = get_spans(in, histogram.positive_spans);
  layout.negative = get_spans(in, histogram.negative_spans);
  get_numbers(in, in.varint(), histogram.custom_values);
}

}  // namespace

void put_spans(std::string& out, const std::vector<BucketSpan>& spans) {
  put_varint(out, spans.size());
  for (const BucketSpan& span : spans) {
    put_zigzag(out, span.offset);
    put_varint(out, span.length);
  }
}

void put_numbers(std::string& out, const std::vector<double>& numbers) {
  for (const double number : numbers) put_number(out, number);
}

/// Reads spans and returns the number of buckets they cover; fails the reader when that is absurd.
uint64_t get_spans(ByteReader& in, std::vector<BucketSpan>& out) {
  const uint64_t count = in.varint();
  if (count > in.left()) in.fail();
  uint64_t buckets = 0;
  out.clear();
  for (uint64_t i = 0; i < count && !in.failed(); ++i) {
    const int64_t offset = in.zigzag();
    const uint64_t length = in.varint();
    if (offset != static_cast<int32_t>(offset) || length > kMaxBuckets) in.fail();
    out.push_back({static_cast<int32_t>(offset), static_cast<uint32_t>(length)});
    buckets += length;
  }
  if (buckets > kMaxBuckets) in.fail();
  return in.failed() ? 0 : buckets;
}

void get_numbers(ByteReader& in, uint64_t count, std::vector<double>& out) {
  if (count > in.left()) in.fail();
  out.clear();
  if (in.failed()) return;
  out.reserve(count);
  for (uint64_t i = 0; i < count && !in.failed(); ++i) out.push_back(get_number(in));
}

bool storable(const NativeHistogram& histogram) {
  const auto covered = [](const std::vector<BucketSpan>& spans) {
    uint64_t buckets = 0;
    for (const BucketSpan& span : spans) buckets += span.length;
    return buckets;
  };
  const uint64_t positive = covered(histogram.positive_spans);
  const uint64_t negative = covered(histogram.negative_spans);
  return positive <= kMaxBuckets && negative <= kMaxBuckets &&
         positive == histogram.positive_buckets.size() &&
         negative == histogram.negative_buckets.size();
}

bool same_histogram(const NativeHistogram& a, const NativeHistogram& b) {
  return same_layout(a, b) && a.is_float == b.is_float && a.reset_hint == b.reset_hint &&
         same_bits(a.count, b.count) && same_bits(a.zero_count, b.zero_count) &&
         same_bits(a.sum, b.sum) && same_bits(a.positive_buckets, b.positive_buckets) &&
         same_bits(a.negative_buckets, b.negative_buckets);
}

namespace {

void put_plain(std::span<const model::HistogramSample> samples, ColumnBytes& out) {
  put_u8(out.head, static_cast<uint8_t>(ColumnKind::PlainHistograms));
  const NativeHistogram* before = nullptr;
  for (const model::HistogramSample& sample : samples) {
    put_histogram(out.body, *sample.histogram, before);
    before = sample.histogram.get();
  }
}

}  // namespace

void put_histograms(std::span<const model::HistogramSample> samples, ColumnBytes& out) {
  constexpr size_t kFewRows = 8;  // columns of their own do not pay for sure
  ColumnBytes packed;
  const bool is_packed = pack_histograms(samples, packed);
  ColumnBytes plain;
  if (!is_packed || samples.size() <= kFewRows) put_plain(samples, plain);
  const bool take_packed = is_packed && (plain.size() == 0 || packed.size() < plain.size());
  const ColumnBytes& smaller = take_packed ? packed : plain;
  out.head += smaller.head;
  out.body += smaller.body;
}

Status get_histograms(ColumnReader& in, std::span<const model::TimestampMs> timestamps,
                      std::vector<model::HistogramSample>& out) {
  const uint8_t kind = in.head.u8();
  if (!in.head.failed() && static_cast<ColumnKind>(kind) == ColumnKind::PackedHistograms)
    return unpack_histograms(in, timestamps, out);
  if (in.head.failed() || static_cast<ColumnKind>(kind) != ColumnKind::PlainHistograms)
    return Error(ErrorCode::Corruption, "unknown histogram column kind " + std::to_string(kind));
  NativeHistogram histogram;
  Layout layout;
  bool any = false;
  for (const model::TimestampMs t : timestamps) {
    const uint8_t flags = in.body.u8();
    if ((flags & ~kKnownFlags) != 0 || ((flags & kSameLayout) != 0 && !any)) in.body.fail();
    if ((flags & kSameLayout) == 0) get_layout(in.body, histogram, layout);
    any = true;
    histogram.is_float = (flags & kFloatCounts) != 0;
    histogram.reset_hint = static_cast<model::ResetHint>((flags >> kHintShift) & 3);
    histogram.count = get_number(in.body);
    histogram.zero_count = get_number(in.body);
    histogram.sum = get_number(in.body);
    get_numbers(in.body, layout.positive, histogram.positive_buckets);
    get_numbers(in.body, layout.negative, histogram.negative_buckets);
    if (in.body.failed()) return Error(ErrorCode::Corruption, "histogram column: damaged row");
    out.push_back({t, std::make_shared<const NativeHistogram>(histogram)});
  }
  return {};
}

}  // namespace aerie::store
