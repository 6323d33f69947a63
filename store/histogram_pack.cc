#include "store/histogram_pack.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace aerie::store {
namespace {

using model::BucketSpan;
using model::NativeHistogram;

// Buckets, spans and bounds times rows: what a damaged file may make us allocate.
constexpr uint64_t kMaxCells = 1u << 24;
constexpr unsigned kFloatCounts = 4;  // beside the hint
constexpr uint32_t kAbsent = UINT32_MAX;

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}
bool same_numbers(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return same_bits(x, y); });
}

/// The buckets of one side: their indexes, in the order in which the counts stand.
std::vector<int64_t> indexes_of(const std::vector<BucketSpan>& spans) {
  std::vector<int64_t> out;
  int64_t index = 0;
  for (const BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length; ++i) out.push_back(index++);
  }
  return out;
}

/// One side of a family: the buckets that any of its runs has, and where a run has them.
struct Side {
  std::vector<int64_t> all;                    // ascending
  std::vector<std::vector<uint32_t>> of_runs;  // by run: place in its counts, by place in `all`
};

/// Nothing if a run has a bucket twice.
std::optional<Side> unite(const std::vector<std::vector<int64_t>>& runs) {
  Side side;
  for (const auto& run : runs) side.all.insert(side.all.end(), run.begin(), run.end());
  std::sort(side.all.begin(), side.all.end());
  side.all.erase(std::unique(side.all.begin(), side.all.end()), side.all.end());
  for (const auto& run : runs) {
    auto& places = side.of_runs.emplace_back(side.all.size(), kAbsent);
    for (uint32_t i = 0; i < run.size(); ++i) {
      const auto at = std::lower_bound(side.all.begin(), side.all.end(), run[i]);
      uint32_t& place = places[static_cast<size_t>(at - side.all.begin())];
      if (place != kAbsent) return std::nullopt;
      place = i;
    }
  }
  return side;
}

/// Rows that share a layout.
struct Run {
  size_t first = 0;
  size_t rows = 0;
  std::vector<BucketSpan> positive_spans;
  std::vector<BucketSpan> negative_spans;
};

/// Runs that share schema, zero threshold and custom bounds: a bucket means the same in all.
struct Family {
  size_t first = 0;
  size_t rows = 0;
  int32_t schema = 0;
  double zero_threshold = 0;
  std::vector<double> custom_values;
  std::vector<Run> runs;
  Side positive;
  Side negative;

  bool accepts(const NativeHistogram& h) const {
    return schema == h.schema && same_bits(zero_threshold, h.zero_threshold) &&
           same_numbers(custom_values, h.custom_values);
  }
  /// False if it cannot be packed.
  bool unite_buckets() {
    uint64_t cells = rows * custom_values.size();
    for (const Run& run : runs) {
      cells += run.rows * (run.positive_spans.size() + run.negative_spans.size());
      for (const auto* spans : {&run.positive_spans, &run.negative_spans})
        for (const BucketSpan& span : *spans) cells += span.length;
    }
    if (cells > kMaxCells) return false;
    std::vector<std::vector<int64_t>> positives;
    std::vector<std::vector<int64_t>> negatives;
    for (const Run& run : runs) {
      positives.push_back(indexes_of(run.positive_spans));
      negatives.push_back(indexes_of(run.negative_spans));
    }
    auto up = unite(positives);
    auto down = unite(negatives);
    if (!up || !down) return false;
    positive = std::move(*up);
    negative = std::move(*down);
    return (positive.all.size() + negative.all.size()) * rows <= kMaxCells;
  }
};

std::vector<Family> families_of(std::span<const model::HistogramSample> samples) {
  std::vector<Family> families;
  for (size_t i = 0; i < samples.size(); ++i) {
    const NativeHistogram& h = *samples[i].histogram;
    if (families.empty() || !families.back().accepts(h))
      families.push_back({i, 0, h.schema, h.zero_threshold, h.custom_values, {}, {}, {}});
    Family& family = families.back();
    ++family.rows;
    const bool goes_on = !family.runs.empty() &&
                         family.runs.back().positive_spans == h.positive_spans &&
                         family.runs.back().negative_spans == h.negative_spans;
    if (!goes_on) family.runs.push_back({i, 0, h.positive_spans, h.negative_spans});
    ++family.runs.back().rows;
  }
  return families;
}

void put_families(const std::vector<Family>& families, std::string& out) {
  put_varint(out, families.size());
  for (const Family& family : families) {
    put_zigzag(out, family.schema);
    put_number(out, family.zero_threshold);
    put_varint(out, family.custom_values.size());
    put_numbers(out, family.custom_values);
    put_varint(out, family.runs.size());
    for (const Run& run : family.runs) {
      put_varint(out, run.rows);
      put_spans(out, run.positive_spans);
      put_spans(out, run.negative_spans);
    }
  }
}

/// What zero bucket and buckets hold together, added in the order in which they stand.
double total_of(const NativeHistogram& h) {
  double total = h.zero_count;
  for (const double count : h.positive_buckets) total += count;
  for (const double count : h.negative_buckets) total += count;
  return total;
}

class Packer {
 public:
  Packer(std::span<const model::HistogramSample> samples, ColumnBytes& out)
      : samples_(samples), out_(out) {}

  template <class Value>
  void column(size_t first, size_t rows, Value value) {
    values_.resize(rows);
    for (size_t i = 0; i < rows; ++i) values_[i] = value(*samples_[first + i].histogram);
    encoder_.put(values_, out_);
  }
  /// Counts are mostly what the buckets add up to: then what is stored is the rest, zero.
  void counts() {
    const auto rest = [](const NativeHistogram& h) { return h.count - total_of(h); };
    const bool adds_up =
        std::all_of(samples_.begin(), samples_.end(), [&](const model::HistogramSample& sample) {
          const NativeHistogram& h = *sample.histogram;
          return same_bits(rest(h) + total_of(h), h.count);
        });
    put_u8(out_.head, adds_up ? 1 : 0);
    column(0, samples_.size(),
           [&](const NativeHistogram& h) { return adds_up ? rest(h) : h.count; });
  }
  void buckets(const Family& family, const Side& side,
               const std::vector<double> NativeHistogram::*counts) {
    values_.resize(family.rows);
    for (size_t bucket = 0; bucket < side.all.size(); ++bucket) {
      double last = 0;  // where the bucket is absent, any number will do
      for (size_t r = 0; r < family.runs.size(); ++r) {
        const Run& run = family.runs[r];
        const uint32_t place = side.of_runs[r][bucket];
        for (size_t i = run.first; i < run.first + run.rows; ++i) {
          if (place != kAbsent) last = ((*samples_[i].histogram).*counts)[place];
          values_[i - family.first] = last;
        }
      }
      encoder_.put(values_, out_);
    }
  }

 private:
  const std::span<const model::HistogramSample> samples_;
  ColumnBytes& out_;
  FloatEncoder encoder_;
  std::vector<double> values_;
};

Error corrupt(const char* what) {
  return Error(ErrorCode::Corruption, std::string("histogram column: ") + what);
}

/// Fails the reader where families and runs do not cover `rows`.
std::vector<Family> get_families(ByteReader& in, size_t rows) {
  const size_t count = in.count(5);
  if (count > rows) in.fail();
  std::vector<Family> families(in.failed() ? 0 : count);
  size_t next = 0;
  for (Family& family : families) {
    family.first = next;
    const int64_t schema = in.zigzag();
    if (schema != static_cast<int32_t>(schema)) in.fail();
    family.schema = static_cast<int32_t>(schema);
    family.zero_threshold = get_number(in);
    get_numbers(in, in.varint(), family.custom_values);
    const size_t runs = in.count(3);
    if (runs == 0) in.fail();
    for (size_t r = 0; r < runs && !in.failed(); ++r) {
      Run run;
      run.first = next;
      run.rows = in.varint();
      if (run.rows == 0 || run.rows > rows - next) in.fail();
      get_spans(in, run.positive_spans);
      get_spans(in, run.negative_spans);
      if (in.failed()) break;
      next += run.rows;
      family.rows += run.rows;
      family.runs.push_back(std::move(run));
    }
    if (in.failed() || !family.unite_buckets()) in.fail();
    if (in.failed()) break;
  }
  if (next != rows) in.fail();
  return families;
}

class Unpacker {
 public:
  Unpacker(ColumnReader& in, std::vector<NativeHistogram>& histograms)
      : in_(in), histograms_(histograms) {}

  template <class Take>
  Status column(size_t first, size_t rows, Take take) {
    values_.resize(rows);
    if (Status status = decoder_.get(in_, values_); !status) return status;
    for (size_t i = 0; i < rows; ++i) take(histograms_[first + i], values_[i]);
    return {};
  }
  Status buckets(const Family& family, const Side& side,
                 std::vector<double> NativeHistogram::*counts) {
    values_.resize(family.rows);
    for (size_t bucket = 0; bucket < side.all.size(); ++bucket) {
      if (Status status = decoder_.get(in_, values_); !status) return status;
      for (size_t r = 0; r < family.runs.size(); ++r) {
        const uint32_t place = side.of_runs[r][bucket];
        if (place == kAbsent) continue;
        const Run& run = family.runs[r];
        for (size_t i = run.first; i < run.first + run.rows; ++i)
          (histograms_[i].*counts)[place] = values_[i - family.first];
      }
    }
    return {};
  }

 private:
  ColumnReader& in_;
  std::vector<NativeHistogram>& histograms_;
  FloatDecoder decoder_;
  std::vector<double> values_;
};

void prepare(const Family& family, std::vector<NativeHistogram>& out) {
  for (size_t r = 0; r < family.runs.size(); ++r) {
    const Run& run = family.runs[r];
    const auto covered = [&](const Side& side) {
      return static_cast<size_t>(std::count_if(side.of_runs[r].begin(), side.of_runs[r].end(),
                                               [](uint32_t place) { return place != kAbsent; }));
    };
    NativeHistogram layout;
    layout.schema = family.schema;
    layout.zero_threshold = family.zero_threshold;
    layout.custom_values = family.custom_values;
    layout.positive_spans = run.positive_spans;
    layout.negative_spans = run.negative_spans;
    layout.positive_buckets.resize(covered(family.positive));
    layout.negative_buckets.resize(covered(family.negative));
    for (size_t i = 0; i < run.rows; ++i) out.push_back(layout);
  }
}

}  // namespace

bool pack_histograms(std::span<const model::HistogramSample> samples, ColumnBytes& out) {
  std::vector<Family> families = families_of(samples);
  for (Family& family : families)
    if (!family.unite_buckets()) return false;
  put_u8(out.head, static_cast<uint8_t>(ColumnKind::PackedHistograms));
  put_families(families, out.head);
  Packer pack(samples, out);
  const size_t rows = samples.size();
  pack.column(0, rows, [](const NativeHistogram& h) {
    return static_cast<double>(static_cast<unsigned>(h.reset_hint) |
                               (h.is_float ? kFloatCounts : 0));
  });
  pack.column(0, rows, [](const NativeHistogram& h) { return h.sum; });
  pack.column(0, rows, [](const NativeHistogram& h) { return h.zero_count; });
  for (const Family& family : families) {
    pack.buckets(family, family.positive, &NativeHistogram::positive_buckets);
    pack.buckets(family, family.negative, &NativeHistogram::negative_buckets);
  }
  pack.counts();
  return true;
}

Status unpack_histograms(ColumnReader& in, std::span<const model::TimestampMs> timestamps,
                         std::vector<model::HistogramSample>& out) {
  const size_t rows = timestamps.size();
  const std::vector<Family> families = get_families(in.head, rows);
  if (in.head.failed()) return corrupt("damaged layouts");
  std::vector<NativeHistogram> histograms;
  histograms.reserve(rows);
  for (const Family& family : families) prepare(family, histograms);
  Unpacker unpack(in, histograms);
  bool known_flags = true;
  Status status = unpack.column(0, rows, [&](NativeHistogram& h, double value) {
    const bool known = value >= 0 && value < 8 && value == static_cast<unsigned>(value);
    const unsigned flags = known ? static_cast<unsigned>(value) : 0;
    known_flags = known_flags && known;
    h.reset_hint = static_cast<model::ResetHint>(flags & 3);
    h.is_float = (flags & kFloatCounts) != 0;
  });
  if (status && !known_flags) return corrupt("unknown flags");
  if (status)
    status = unpack.column(0, rows, [](NativeHistogram& h, double value) { h.sum = value; });
  if (status)
    status = unpack.column(0, rows, [](NativeHistogram& h, double value) { h.zero_count = value; });
  for (const Family& family : families) {
    if (status)
      status = unpack.buckets(family, family.positive, &NativeHistogram::positive_buckets);
    if (status)
      status = unpack.buckets(family, family.negative, &NativeHistogram::negative_buckets);
  }
  if (!status) return status;
  const uint8_t adds_up = in.head.u8();
  if (in.head.failed() || adds_up > 1) return corrupt("bad counts");
  status = unpack.column(0, rows, [=](NativeHistogram& h, double value) {
    h.count = adds_up == 1 ? value + total_of(h) : value;
  });
  if (!status) return status;
  for (size_t i = 0; i < rows; ++i)
    out.push_back(
        {timestamps[i], std::make_shared<const NativeHistogram>(std::move(histograms[i]))});
  return {};
}

}  // namespace aerie::store
