#include "query/result_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "http/json_writer.h"
#include "query/literals.h"
#include "query/native_histogram.h"

namespace aerie::query {
namespace {

void append_value(std::string& out, double value) {
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-6 || size >= 1e21)) {
    append_float_exponent(out, value);
  } else {
    append_float(out, value);
  }
}

void append_point(std::string& out, model::TimestampMs t, double value) {
  out += '[';
  append_time(out, t);
  out += ",\"";
  append_value(out, value);
  out += "\"]";
}

/// Which bounds belong to the bucket. 0: the upper, 1: the lower, 2: none, 3: both.
int bounds_rule(const model::NativeHistogram& histogram, const NativeBucket& bucket) {
  if (histogram.schema == model::kCustomBucketsSchema) return std::isinf(bucket.lower) ? 3 : 0;
  if (bucket.lower == -bucket.upper) return 3;  // the zero bucket
  return bucket.upper > 0 ? 0 : 1;
}

void append_histogram(std::string& out, const model::NativeHistogram& histogram) {
  out += "{\"count\":";
  append_quoted_value(out, histogram.count);
  out += ",\"sum\":";
  append_quoted_value(out, histogram.sum);
  bool any = false;
  for (const NativeBucket& bucket : buckets_of(histogram)) {
    if (bucket.count == 0) continue;
    out += any ? "," : ",\"buckets\":[";
    any = true;
    out += '[';
    out += static_cast<char>('0' + bounds_rule(histogram, bucket));
    for (const double number : {bucket.lower, bucket.upper, bucket.count}) {
      out += ',';
      append_quoted_value(out, number);
    }
    out += ']';
  }
  if (any) out += ']';
  out += '}';
}

void append_histogram_point(std::string& out, model::TimestampMs t,
                            const model::NativeHistogram& histogram) {
  out += '[';
  append_time(out, t);
  out += ',';
  append_histogram(out, histogram);
  out += ']';
}

void append(std::string& out, const ScalarValue& scalar) {
  out += "\"scalar\",\"result\":[";
  append_time(out, scalar.t);
  out += ",\"";
  append_float(out, scalar.value);  // never with an exponent
  out += "\"]";
}

void append(std::string& out, const StringValue& text) {
  out += "\"string\",\"result\":[";
  append_time(out, text.t);
  out += ',';
  http::append_json_string(out, text.value);
  out += ']';
}

void append_element(std::string& out, const VectorElement& element) {
  out += "{\"metric\":";
  append_labels(out, element.labels);
  if (element.histogram) {
    out += ",\"histogram\":";
    append_histogram_point(out, element.t, *element.histogram);
  } else {
    out += ",\"value\":";
    append_point(out, element.t, element.value);
  }
  out += '}';
}

size_t shown(size_t size, size_t limit) { return limit > 0 && size > limit ? limit : size; }

}  // namespace

/// The beginnings `[1435781430,"` of points, made once for all series of a range.
class MatrixWriter::PointPrefixes {
 public:
  void append(std::string& out, model::TimestampMs t, size_t hint) {
    if (hint < times_.size() && times_[hint] == t) {
      out.append(bytes_, ends_[hint], ends_[hint + 1] - ends_[hint]);
      return;
    }
    const size_t start = out.size();
    out += '[';
    append_time(out, t);
    out += ",\"";
    if (hint != times_.size()) return;  // only the first series to come this far is remembered
    times_.push_back(t);
    bytes_.append(out, start, out.size() - start);
    ends_.push_back(bytes_.size());
  }

 private:
  std::vector<model::TimestampMs> times_;
  std::vector<size_t> ends_{0};
  std::string bytes_;
};

MatrixWriter::MatrixWriter(std::string& out, size_t limit)
    : out_(out), limit_(limit), prefixes_(std::make_unique<PointPrefixes>()) {
  out_ += "{\"resultType\":\"matrix\",\"result\":[";
}

MatrixWriter::~MatrixWriter() = default;

void MatrixWriter::add(const MatrixSeries& series) {
  if (++added_ > limit_ && limit_ > 0) return;
  if (added_ > 1) out_ += ',';
  out_ += "{\"metric\":";
  append_labels(out_, series.labels);
  for (size_t i = 0; i < series.timestamps.size(); ++i) {
    out_ += i == 0 ? ",\"values\":[" : ",";
    prefixes_->append(out_, series.timestamps[i], i);
    append_value(out_, series.values[i]);
    out_ += "\"]";
  }
  if (!series.timestamps.empty()) out_ += ']';
  for (size_t i = 0; i < series.histograms.size(); ++i) {
    out_ += i == 0 ? ",\"histograms\":[" : ",";
    append_histogram_point(out_, series.histograms[i].first, *series.histograms[i].second);
  }
  if (!series.histograms.empty()) out_ += ']';
  out_ += '}';
}

bool MatrixWriter::finish() {
  out_ += ']';
  return limit_ > 0 && added_ > limit_;
}

void append_quoted_value(std::string& out, double value) {
  out += '"';
  append_value(out, value);
  out += '"';
}

void append_time(std::string& out, model::TimestampMs t) {
  uint64_t size = static_cast<uint64_t>(t);
  if (t < 0) {
    out += '-';
    size = 0 - size;
  }
  char buffer[24];
  const auto done = std::to_chars(buffer, buffer + sizeof buffer, size / 1000);
  out.append(buffer, done.ptr);
  const uint64_t rest = size % 1000;
  if (rest == 0) return;
  out += '.';
  for (const uint64_t unit : {100, 10, 1}) out += static_cast<char>('0' + rest / unit % 10);
}

void append_labels(std::string& out, const model::Labels& labels) {
  out += '{';
  bool first = true;
  for (const auto& label : labels) {
    if (!first) out += ',';
    first = false;
    http::append_json_string(out, label.name);
    out += ':';
    http::append_json_string(out, label.value);
  }
  out += '}';
}

bool append_result(std::string& out, const Value& value, size_t limit) {
  if (const auto* matrix = std::get_if<MatrixValue>(&value)) {
    MatrixWriter writer(out, limit);
    for (const MatrixSeries& series : *matrix) writer.add(series);
    return writer.finish();
  }
  out += "{\"resultType\":";
  if (const auto* vector = std::get_if<VectorValue>(&value)) {
    const size_t count = shown(vector->size(), limit);
    out += "\"vector\",\"result\":[";
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out += ',';
      append_element(out, (*vector)[i]);
    }
    out += ']';
    return count < vector->size();
  }
  if (const auto* scalar = std::get_if<ScalarValue>(&value)) {
    append(out, *scalar);
  } else {
    append(out, std::get<StringValue>(value));
  }
  return false;
}

}  // namespace aerie::query
