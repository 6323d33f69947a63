#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/matcher.h"
#include "model/sample_source.h"
#include "model/time.h"

namespace aerie::query {

struct CountedName {
  std::string name;
  uint64_t count = 0;
  bool operator==(const CountedName&) const = default;
};

/// How many series there are and what they are made of: the lists of Prometheus's
/// /api/v1/status/tsdb. Each list has the largest first, equal ones by name.
struct SeriesCounts {
  std::string group;  ///< the value of the label asked for; empty for the whole
  uint64_t series = 0;
  uint64_t label_pairs = 0;  ///< distinct
  std::vector<CountedName> series_by_metric;
  std::vector<CountedName> values_by_label;
  std::vector<CountedName> bytes_by_label;  ///< of all values, once per series
  std::vector<CountedName> series_by_pair;  ///< `name=value`
};

struct CountQuestion {
  model::Matchers matchers;
  model::TimeRange range;
  size_t limit = 10;  ///< of each list; 0: none
  std::string by;     ///< a label whose values are counted apart as well; empty: none
};

/// The whole first, then the groups, those with most series first. Counts what a selection of the
/// matchers and the range lists. Reads no samples; goes metric by metric, so that memory is needed
/// for the series of one metric and for the distinct pairs. Errors: those of the source.
Result<std::vector<SeriesCounts>> count_series(const model::SampleSource& source,
                                               const CountQuestion& question);

}  // namespace aerie::query
