#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/sample.h"
#include "model/time.h"

namespace aerie::model {

/// The series that matched, frozen at the moment of the selection: later samples may or may not be
/// seen, sealed data stays readable until the selection is destroyed. Sorted by Labels. Reads of
/// different series may run in parallel.
class Selection {
 public:
  virtual ~Selection() = default;
  virtual size_t size() const = 0;
  /// `index < size()`. The reference lives as long as the selection.
  virtual const Labels& labels(size_t index) const = 0;
  /// Replaces the content of `out` (its memory is reused) with the samples of `range`, both ends
  /// inclusive. Errors: Corruption or IoError when a partition cannot be read.
  virtual Status read(size_t index, TimeRange range, SeriesSamples& out) const = 0;
  /// What may be missing from it, one sentence each: damaged partitions that were left out.
  virtual std::vector<std::string> warnings() const { return {}; }
};

/// An example of what was counted, with labels of its own (a trace, for instance).
struct Exemplar {
  TimestampMs t = 0;
  double value = 0;
  Labels labels;
  bool operator==(const Exemplar&) const = default;
};

struct SeriesExemplars {
  Labels series;
  std::vector<Exemplar> exemplars;  ///< ascending by time; several may share one
};

/// Where PromQL reads from: the store, or a plain in-memory list in tests. Thread-safe.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  /// Series that match all of `matchers` and may have samples in `range`. A series without any
  /// sample in the range may be among them. Errors: Corruption, IoError, ResourceExhausted.
  virtual Result<std::unique_ptr<Selection>> select(const Matchers& matchers,
                                                    TimeRange range) const = 0;
  /// Distinct values, sorted bytewise, of the series that match; all series when `matchers` is
  /// empty. Names or one name's values.
  virtual Result<std::vector<std::string>> label_names(const Matchers& matchers,
                                                       TimeRange range) const = 0;
  virtual Result<std::vector<std::string>> label_values(std::string_view name,
                                                        const Matchers& matchers,
                                                        TimeRange range) const = 0;
  /// Exemplars of `range` (both ends inclusive) of the series that match one of `selectors`, sorted
  /// by series; series without any are left out. A source that keeps none has none.
  virtual Result<std::vector<SeriesExemplars>> exemplars(const std::vector<Matchers>& selectors,
                                                         TimeRange range) const;
};

}  // namespace aerie::model
