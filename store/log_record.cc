#include "store/log_record.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>

#include "store/byte_io.h"
#include "store/start_times.h"

namespace aerie::store {
namespace {

enum class Section : uint8_t {
  Definitions = 1,
  Floats = 2,
  Histograms = 3,
  Exemplars = 4,
  Metadata = 5,
  Newest = 6,
  FloatStarts = 7,
  HistogramStarts = 8
};

constexpr uint64_t kLargestExact = 1ULL << 53;
constexpr uint8_t kRaw = 3;
constexpr uint8_t kLateWindow = 4;  // flag beside the replica policy: a window follows

Error corrupt(std::string_view what) {
  return {ErrorCode::Corruption, "log record: " + std::string(what)};
}

// ------------------------------------------------------------------------------------------------------------
// values

/// The short form of a value: code and integer, if decoding that gives the same bits.
bool shorten(double value, double scale, int64_t& out) {
  const double scaled = value * scale;
  if (!(std::fabs(scaled) < static_cast<double>(kLargestExact))) return false;
  out = std::llrint(scaled);
  return std::bit_cast<uint64_t>(static_cast<double>(out) / scale) ==
         std::bit_cast<uint64_t>(value);
}

/// Appends at `out` (room for 10 bytes) and returns the code; `out` is moved on.
uint8_t put_value(char*& out, double value) {
  int64_t integer = 0;
  uint8_t code = kRaw;
  if (shorten(value, 1, integer)) {
    code = 0;
  } else if (shorten(value, 100, integer)) {
    code = 1;
  } else if (shorten(value, 1000, integer)) {
    code = 2;
  }
  if (code != kRaw) {
    out = put_varint_at(out, zigzag(integer));
    return code;
  }
  std::memcpy(out, &value, sizeof(value));
  out += sizeof(value);
  return code;
}

double get_value(ByteReader& in, uint8_t code) {
  switch (code) {
    case 0: return static_cast<double>(in.zigzag());
    case 1: return static_cast<double>(in.zigzag()) / 100;
    case 2: return static_cast<double>(in.zigzag()) / 1000;
    default: return std::bit_cast<double>(in.fixed<uint64_t>());
  }
}

void put_coded_value(std::string& out, double value) {
  char bytes[10];
  char* end = bytes;
  out.push_back(static_cast<char>(put_value(end, value)));
  out.append(bytes, static_cast<size_t>(end - bytes));
}

double get_coded_value(ByteReader& in) {
  const uint8_t code = in.u8();
  if (code > kRaw) in.fail();
  return get_value(in, code);
}

uint32_t get_id(ByteReader& in, int64_t& previous) {
  // Wraps on nonsense; the range check is what counts.
  previous =
      static_cast<int64_t>(static_cast<uint64_t>(previous) + static_cast<uint64_t>(in.zigzag()));
  if (previous < 0 || previous > INT64_C(0xffffffff)) in.fail();
  return static_cast<uint32_t>(previous);
}

model::TimestampMs get_time(ByteReader& in, model::TimestampMs& previous) {
  previous =
      static_cast<int64_t>(static_cast<uint64_t>(previous) + static_cast<uint64_t>(in.zigzag()));
  return previous;
}

int64_t time_delta(model::TimestampMs t, model::TimestampMs previous) {
  return static_cast<int64_t>(static_cast<uint64_t>(t) - static_cast<uint64_t>(previous));
}

// ------------------------------------------------------------------------------------------------------
// label symbols

/// Names every string of a record once.
class SymbolWriter {
 public:
  uint32_t of(std::string_view text) {
    const auto [at, added] = numbers_.try_emplace(text, static_cast<uint32_t>(texts_.size()));
    if (added) texts_.push_back(text);
    return at->second;
  }
  void write(std::string& out) const {
    put_varint(out, texts_.size());
    for (const std::string_view text : texts_) put_bytes(out, text);
  }

 private:
  std::unordered_map<std::string_view, uint32_t> numbers_;
  std::vector<std::string_view> texts_;
};

void put_pairs(std::string& out, const model::Labels& labels, SymbolWriter& symbols) {
  put_varint(out, labels.size());
  for (const model::LabelView& pair : labels) {
    put_varint(out, symbols.of(pair.name));
    put_varint(out, symbols.of(pair.value));
  }
}

std::vector<std::string_view> get_symbols(ByteReader& in) {
  std::vector<std::string_view> symbols(in.count(1));
  for (std::string_view& symbol : symbols) symbol = in.sized_bytes();
  return symbols;
}

model::Labels get_pairs(ByteReader& in, const std::vector<std::string_view>& symbols) {
  const size_t n = in.count(2);
  std::string encoded;
  std::string_view previous;
  for (size_t i = 0; i < n && !in.failed(); ++i) {
    const uint64_t name = in.varint();
    const uint64_t value = in.varint();
    if (name >= symbols.size() || value >= symbols.size()) {
      in.fail();
      break;
    }
    if (symbols[value].empty() || (i > 0 && symbols[name] <= previous)) in.fail();
    previous = symbols[name];
    put_bytes(encoded, previous);
    put_bytes(encoded, symbols[value]);
  }
  return !in.failed() ? model::Labels::from_encoded(encoded) : model::Labels();
}

// -----------------------------------------------------------------------------------------------------------
// sections

void put_section(std::string& out, Section kind, const std::string& content) {
  out.push_back(static_cast<char>(kind));
  put_bytes(out, content);
}

std::string encode_definitions(const std::vector<SeriesDefinition>& definitions) {
  SymbolWriter symbols;
  std::string series;
  int64_t previous = 0;
  for (const SeriesDefinition& definition : definitions) {
    put_zigzag(series, int64_t{definition.id} - previous);
    previous = definition.id;
    put_pairs(series, definition.labels, symbols);
  }
  std::string out;
  symbols.write(out);
  put_varint(out, definitions.size());
  return out + series;
}

void decode_definitions(ByteReader in, LoggedBatch& out, bool& ok) {
  const auto symbols = get_symbols(in);
  const size_t n = in.count(2);
  int64_t id = 0;
  for (size_t i = 0; i < n && !in.failed(); ++i) {
    SeriesDefinition definition;
    definition.id = get_id(in, id);
    definition.labels = get_pairs(in, symbols);
    out.definitions.push_back(std::move(definition));
  }
  ok = ok && !in.failed() && in.left() == 0;
}

std::string encode_newest(const std::vector<SeriesNewest>& newest) {
  std::string out;
  put_varint(out, newest.size());
  int64_t previous = 0;
  for (const SeriesNewest& one : newest) {
    put_zigzag(out, int64_t{one.id} - std::exchange(previous, one.id));
    put_zigzag(out, one.t);
    out.push_back(one.histogram ? 1 : 0);
    put_fixed(out, one.bits);
  }
  return out;
}

void decode_newest(ByteReader in, LoggedBatch& out, bool& ok) {
  const size_t n = in.count(11);
  int64_t id = 0;
  for (size_t i = 0; i < n && !in.failed(); ++i) {
    SeriesNewest one;
    one.id = get_id(in, id);
    one.t = in.zigzag();
    const uint8_t kind = in.u8();
    if (kind > 1) in.fail();
    one.histogram = kind == 1;
    one.bits = in.fixed<uint64_t>();
    out.newest.push_back(one);
  }
  ok = ok && !in.failed() && in.left() == 0;
}

std::string encode_floats(model::TimestampMs arrived, const std::vector<FloatRow>& rows) {
  std::string out;
  put_varint(out, rows.size());
  model::TimestampMs previous_t = arrived;
  int64_t previous_id = 0;
  std::string ids;
  for (size_t first = 0; first < rows.size();) {
    size_t end = first + 1;
    while (end < rows.size() && rows[end].t == rows[first].t) ++end;
    const size_t n = end - first;
    put_zigzag(out, time_delta(rows[first].t, previous_t));
    put_varint(out, n);
    previous_t = rows[first].t;
    // Room for the worst case, cut afterwards: cheaper than growing a string byte by byte.
    const size_t at = out.size();
    const size_t code_bytes = (n + 3) / 4;
    out.resize(at + n * 20 + code_bytes);
    char* write = out.data() + at;
    for (size_t i = first; i < end; ++i) {
      write = put_varint_at(write, zigzag(int64_t{rows[i].series.slot} - previous_id));
      previous_id = rows[i].series.slot;
    }
    char* codes = write;
    std::memset(codes, 0, code_bytes);
    write += code_bytes;
    for (size_t i = 0; i < n; ++i) {
      const unsigned code = put_value(write, rows[first + i].value);
      codes[i / 4] =
          static_cast<char>(static_cast<uint8_t>(codes[i / 4]) | (code << (2 * (i % 4))));
    }
    out.resize(static_cast<size_t>(write - out.data()));
    first = end;
  }
  return out;
}

void decode_floats(ByteReader in, LoggedBatch& out, bool& ok) {
  const size_t total = in.count(1);
  std::vector<FloatRow>& rows = out.rows.floats;
  model::TimestampMs t = out.arrived;
  int64_t id = 0;
  rows.reserve(total);
  while (!in.failed() && rows.size() < total) {
    get_time(in, t);
    const size_t n = in.count(1);
    if (n == 0 || n > total - rows.size()) in.fail();
    if (in.failed()) break;
    const size_t first = rows.size();
    for (size_t i = 0; i < n; ++i) rows.push_back({{get_id(in, id), 0}, t, 0});
    const std::string_view codes = in.bytes((n + 3) / 4);
    if (in.failed()) break;
    for (size_t i = 0; i < n; ++i) {
      const auto code =
          static_cast<uint8_t>((static_cast<uint8_t>(codes[i / 4]) >> (2 * (i % 4))) & 3);
      rows[first + i].value = get_value(in, code);
    }
  }
  ok = ok && !in.failed() && in.left() == 0;
}

void put_spans(std::string& out, const std::vector<model::BucketSpan>& spans) {
  put_varint(out, spans.size());
  for (const model::BucketSpan& span : spans) {
    put_zigzag(out, span.offset);
    put_varint(out, span.length);
  }
}

std::vector<model::BucketSpan> get_spans(ByteReader& in) {
  std::vector<model::BucketSpan> spans(in.count(2));
  for (model::BucketSpan& span : spans) {
    const int64_t offset = in.zigzag();
    const uint64_t length = in.varint();
    if (offset != static_cast<int32_t>(offset) || length > UINT32_MAX) in.fail();
    span = {static_cast<int32_t>(offset), static_cast<uint32_t>(length)};
  }
  return spans;
}

void put_values(std::string& out, const std::vector<double>& values) {
  put_varint(out, values.size());
  for (const double value : values) put_coded_value(out, value);
}

std::vector<double> get_values(ByteReader& in) {
  std::vector<double> values(in.count(2));
  for (double& value : values) value = get_coded_value(in);
  return values;
}

model::NativeHistogram get_histogram(ByteReader& in) {
  model::NativeHistogram histogram;
  const int64_t schema = in.zigzag();
  const uint8_t flags = in.u8();
  if (schema != static_cast<int32_t>(schema) || flags > 7) in.fail();
  histogram.schema = static_cast<int32_t>(schema);
  histogram.reset_hint = static_cast<model::ResetHint>(flags & 3);
  histogram.is_float = (flags & 4) != 0;
  histogram.zero_threshold = std::bit_cast<double>(in.fixed<uint64_t>());
  histogram.zero_count = get_coded_value(in);
  histogram.count = get_coded_value(in);
  histogram.sum = get_coded_value(in);
  histogram.positive_spans = get_spans(in);
  histogram.negative_spans = get_spans(in);
  histogram.positive_buckets = get_values(in);
  histogram.negative_buckets = get_values(in);
  histogram.custom_values = get_values(in);
  return histogram;
}

std::string encode_histograms(model::TimestampMs arrived, const std::vector<HistogramRow>& rows) {
  std::string out;
  put_varint(out, rows.size());
  model::TimestampMs t = arrived;
  int64_t id = 0;
  for (const HistogramRow& row : rows) {
    put_zigzag(out, int64_t{row.series.slot} - std::exchange(id, row.series.slot));
    put_zigzag(out, time_delta(row.t, std::exchange(t, row.t)));
    encode_histogram(out, *row.histogram);
  }
  return out;
}

void decode_histograms(ByteReader in, LoggedBatch& out, bool& ok) {
  const size_t n = in.count(20);
  model::TimestampMs t = out.arrived;
  int64_t id = 0;
  for (size_t i = 0; i < n && !in.failed(); ++i) {
    HistogramRow row;
    row.series.slot = get_id(in, id);
    row.t = get_time(in, t);
    row.histogram = std::make_shared<const model::NativeHistogram>(get_histogram(in));
    out.rows.histograms.push_back(std::move(row));
  }
  ok = ok && !in.failed() && in.left() == 0;
}

void put_starts(std::string& out, model::TimestampMs arrived, const WriteBatch& rows) {
  std::string content;
  if (!rows.float_starts.empty()) {
    put_start_runs(content, arrived, rows.float_starts);
    put_section(out, Section::FloatStarts, content);
  }
  std::vector<model::TimestampMs> starts;
  bool any = false;
  for (const HistogramRow& row : rows.histograms) {
    starts.push_back(row.start);
    any = any || row.start != 0;
  }
  if (!any) return;
  content.clear();
  put_start_runs(content, arrived, starts);
  put_section(out, Section::HistogramStarts, content);
}

void decode_histogram_starts(ByteReader in, LoggedBatch& out, bool& ok) {
  std::vector<model::TimestampMs> starts;
  get_start_runs(in, out.arrived, out.rows.histograms.size(), starts);
  ok = ok && !in.failed();
  for (size_t i = 0; ok && i < starts.size(); ++i) out.rows.histograms[i].start = starts[i];
}

void decode_float_starts(ByteReader in, LoggedBatch& out, bool& ok) {
  get_start_runs(in, out.arrived, out.rows.floats.size(), out.rows.float_starts);
  ok = ok && !in.failed();
}

std::string encode_exemplars(model::TimestampMs arrived, const std::vector<ExemplarRow>& rows) {
  std::string out;
  put_varint(out, rows.size());
  model::TimestampMs t = arrived;
  int64_t id = 0;
  for (const ExemplarRow& row : rows) {
    put_zigzag(out, int64_t{row.series.slot} - std::exchange(id, row.series.slot));
    put_zigzag(out, time_delta(row.t, std::exchange(t, row.t)));
    put_coded_value(out, row.value);
    put_varint(out, row.labels.size());
    for (const model::LabelView& pair : row.labels) {
      put_bytes(out, pair.name);
      put_bytes(out, pair.value);
    }
  }
  return out;
}

void decode_exemplars(ByteReader in, LoggedBatch& out, bool& ok) {
  const size_t n = in.count(5);
  model::TimestampMs t = out.arrived;
  int64_t id = 0;
  for (size_t i = 0; i < n && !in.failed(); ++i) {
    ExemplarRow row;
    row.series.slot = get_id(in, id);
    row.t = get_time(in, t);
    row.value = get_coded_value(in);
    const size_t pairs = in.count(2);
    std::vector<model::LabelView> labels;
    for (size_t p = 0; p < pairs; ++p) {
      const std::string_view name = in.sized_bytes();
      labels.push_back({name, in.sized_bytes()});
    }
    row.labels = model::Labels::from_pairs(std::move(labels));
    out.rows.exemplars.push_back(std::move(row));
  }
  ok = ok && !in.failed() && in.left() == 0;
}

std::string encode_metadata(const std::vector<MetadataRow>& rows) {
  std::string out;
  put_varint(out, rows.size());
  for (const MetadataRow& row : rows) {
    put_bytes(out, row.cluster);
    put_bytes(out, row.metric_family);
    out.push_back(static_cast<char>(row.metadata.type));
    put_bytes(out, row.metadata.help);
    put_bytes(out, row.metadata.unit);
  }
  return out;
}

void decode_metadata(ByteReader in, LoggedBatch& out, bool& ok) {
  const size_t n = in.count(5);
  for (size_t i = 0; i < n && !in.failed(); ++i) {
    MetadataRow row;
    row.cluster = in.sized_bytes();
    row.metric_family = in.sized_bytes();
    const uint8_t type = in.u8();
    if (type > static_cast<uint8_t>(model::MetricType::StateSet)) in.fail();
    row.metadata.type = static_cast<model::MetricType>(type);
    row.metadata.help = in.sized_bytes();
    row.metadata.unit = in.sized_bytes();
    out.rows.metadata.push_back(std::move(row));
  }
  ok = ok && !in.failed() && in.left() == 0;
}

}  // namespace

void encode_histogram(std::string& out, const model::NativeHistogram& histogram) {
  put_zigzag(out, histogram.schema);
  out.push_back(
      static_cast<char>(static_cast<uint8_t>(histogram.reset_hint) | (histogram.is_float ? 4 : 0)));
  put_fixed(out, std::bit_cast<uint64_t>(histogram.zero_threshold));
  put_coded_value(out, histogram.zero_count);
  put_coded_value(out, histogram.count);
  put_coded_value(out, histogram.sum);
  put_spans(out, histogram.positive_spans);
  put_spans(out, histogram.negative_spans);
  put_values(out, histogram.positive_buckets);
  put_values(out, histogram.negative_buckets);
  put_values(out, histogram.custom_values);
}

void encode_batch(std::string& out, model::TimestampMs arrived,
                  const std::vector<SeriesDefinition>& definitions,
                  const std::vector<SeriesNewest>& newest, const WriteBatch& rows) {
  put_zigzag(out, arrived);
  const bool late = rows.late_window > 0;
  out.push_back(static_cast<char>(static_cast<uint8_t>(rows.replicas) | (late ? kLateWindow : 0)));
  if (late) put_varint(out, static_cast<uint64_t>(rows.late_window));
  if (!definitions.empty()) put_section(out, Section::Definitions, encode_definitions(definitions));
  if (!newest.empty()) put_section(out, Section::Newest, encode_newest(newest));
  if (!rows.floats.empty()) put_section(out, Section::Floats, encode_floats(arrived, rows.floats));
  if (!rows.histograms.empty())
    put_section(out, Section::Histograms, encode_histograms(arrived, rows.histograms));
  put_starts(out, arrived, rows);
  if (!rows.exemplars.empty())
    put_section(out, Section::Exemplars, encode_exemplars(arrived, rows.exemplars));
  if (!rows.metadata.empty()) put_section(out, Section::Metadata, encode_metadata(rows.metadata));
}

Status decode_batch(std::string_view payload, LoggedBatch& out) {
  ByteReader in(payload);
  out.arrived = in.zigzag();
  const uint8_t policy = in.u8();
  if (policy > (kLateWindow | static_cast<uint8_t>(ReplicaPolicy::ChangeOfLead)))
    return corrupt("unknown replica policy");
  out.rows.replicas = static_cast<ReplicaPolicy>(policy & (kLateWindow - 1));
  const uint64_t window = (policy & kLateWindow) != 0 ? in.varint() : 0;
  if (window > INT64_MAX) return corrupt("late window out of range");
  out.rows.late_window = static_cast<model::DurationMs>(window);
  bool ok = !in.failed();
  while (ok && in.left() > 0) {
    const auto kind = static_cast<Section>(in.u8());
    const ByteReader content(in.sized_bytes());
    if (in.failed()) break;
    switch (kind) {
      case Section::Definitions: decode_definitions(content, out, ok); break;
      case Section::Floats: decode_floats(content, out, ok); break;
      case Section::Histograms: decode_histograms(content, out, ok); break;
      case Section::Exemplars: decode_exemplars(content, out, ok); break;
      case Section::Metadata: decode_metadata(content, out, ok); break;
      case Section::Newest: decode_newest(content, out, ok); break;
      case Section::FloatStarts: decode_float_starts(content, out, ok); break;
      case Section::HistogramStarts: decode_histogram_starts(content, out, ok); break;
      default: return corrupt("unknown section " + std::to_string(static_cast<int>(kind)));
    }
  }
  if (!ok || in.failed()) return corrupt("batch does not follow its format");
  return {};
}

void encode_checkpoint_part(std::string& out, const std::vector<SeriesSnapshot>& series,
                            bool last) {
  SymbolWriter symbols;
  std::string body;
  int64_t previous = 0;
  for (const SeriesSnapshot& one : series) {
    put_zigzag(body, int64_t{one.id} - std::exchange(previous, one.id));
    put_pairs(body, one.labels, symbols);
    body.push_back(static_cast<char>((one.has_sample ? 1 : 0) | (one.was_histogram ? 2 : 0) |
                                     (one.has_pair ? 4 : 0)));
    if (one.has_sample) {
      put_zigzag(body, one.newest_t);
      put_fixed(body, one.newest_bits);
    }
    if (one.has_pair) {
      put_zigzag(body, one.pair.newest_seen);
      put_varint(body, one.pair.previous_delta_ms);
      put_varint(body, one.pair.interval_ms);
      put_varint(body, one.pair.candidate_ms);
      body.push_back(static_cast<char>(one.pair.confirmations));
    }
  }
  out.push_back(last ? 1 : 0);
  symbols.write(out);
  put_varint(out, series.size());
  out += body;
}

Status decode_checkpoint_part(std::string_view payload, std::vector<SeriesSnapshot>& out) {
  ByteReader in(payload);
  if (in.u8() > 1) in.fail();
  const auto symbols = get_symbols(in);
  const size_t n = in.count(3);
  int64_t id = 0;
  for (size_t i = 0; i < n && !in.failed(); ++i) {
    SeriesSnapshot one;
    one.id = get_id(in, id);
    one.labels = get_pairs(in, symbols);
    const uint8_t state = in.u8();
    if (state > 7) in.fail();
    one.has_sample = (state & 1) != 0;
    one.was_histogram = (state & 2) != 0;
    one.has_pair = (state & 4) != 0;
    if (one.has_sample) {
      one.newest_t = in.zigzag();
      one.newest_bits = in.fixed<uint64_t>();
    }
    if (one.has_pair) {
      one.pair.newest_seen = in.zigzag();
      one.pair.previous_delta_ms = static_cast<uint32_t>(in.varint());
      one.pair.interval_ms = static_cast<uint32_t>(in.varint());
      one.pair.candidate_ms = static_cast<uint32_t>(in.varint());
      one.pair.confirmations = in.u8();
    }
    out.push_back(std::move(one));
  }
  if (in.failed() || in.left() > 0) return corrupt("checkpoint does not follow its format");
  return {};
}

}  // namespace aerie::store
