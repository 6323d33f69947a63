#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "model/histogram.h"
#include "model/labels.h"
#include "model/time.h"
#include "query/ast.h"

namespace aerie::query {

using HistogramPtr = std::shared_ptr<const model::NativeHistogram>;

struct ScalarValue {
  model::TimestampMs t = 0;
  double value = 0;
};
struct StringValue {
  model::TimestampMs t = 0;
  std::string value;
};
/// One element of an instant vector: a float, or a histogram when `histogram` is set.
struct VectorElement {
  model::Labels labels;
  model::TimestampMs t = 0;
  double value = 0;
  HistogramPtr histogram;
};
using VectorValue = std::vector<VectorElement>;

/// One series of a range vector; floats and histograms each ascending in time, no timestamp in
/// both.
struct MatrixSeries {
  model::Labels labels;
  std::vector<model::TimestampMs> timestamps;
  std::vector<double> values;
  std::vector<std::pair<model::TimestampMs, HistogramPtr>> histograms;
};
using MatrixValue = std::vector<MatrixSeries>;  // sorted by labels

using Value = std::variant<ScalarValue, StringValue, VectorValue, MatrixValue>;

/// Notices about a query's answer, each rendered with its position `(line:col)`, without
/// repetition, in order of appearance.
struct Annotations {
  std::vector<std::string> warnings;  ///< `PromQL warning: …`
  std::vector<std::string> infos;     ///< `PromQL info: …`
};

struct QueryStats {
  uint64_t samples_read = 0;
  /// Prometheus's totalQueryableSamples: samples that each step looks at, added up; those of a
  /// window at every step that sees them. Histograms count once.
  uint64_t queryable_samples = 0;
  uint64_t peak_samples = 0;
  double eval_seconds = 0;
};

struct QueryResult {
  Value value;
  Annotations annotations;
  QueryStats stats;
  bool streamed = false;         ///< the value went to QueryLimits::overflow, `value` is empty
  bool range_dependent = false;  ///< part of it may differ from the answer over that part alone
};

}  // namespace aerie::query
