#pragma once

#include <memory>
#include <string>

#include "model/labels.h"
#include "query/value.h"

namespace aerie::query {

/// Appends `{"resultType":…,"result":…` without the closing brace, numbers as Prometheus writes
/// them: times in integer seconds or with three digits, values as strings, exponents below 1e-6 and
/// from 1e21 on (never for scalars). `limit` cuts vectors and matrices (0: no limit). True if it
/// did.
bool append_result(std::string& out, const Value& value, size_t limit);

/// Writes a matrix series by series, as append_result() does.
class MatrixWriter {
 public:
  /// Appends to `out`, which outlives this. `limit`: series that are written; 0: all.
  MatrixWriter(std::string& out, size_t limit);
  ~MatrixWriter();
  MatrixWriter(const MatrixWriter&) = delete;
  MatrixWriter& operator=(const MatrixWriter&) = delete;
  void add(const MatrixSeries& series);
  /// Ends the list. True if some series were not written.
  bool finish();

 private:
  class PointPrefixes;
  std::string& out_;
  const size_t limit_;
  size_t added_ = 0;
  std::unique_ptr<PointPrefixes> prefixes_;
};

/// `{"a":"b",…}`, sorted by name.
void append_labels(std::string& out, const model::Labels& labels);

/// `"1.5"`: a value, quoted.
void append_quoted_value(std::string& out, double value);

/// `1435781430` or `1435781430.050`.
void append_time(std::string& out, model::TimestampMs t);

}  // namespace aerie::query
