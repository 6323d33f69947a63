#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/histogram.h"

namespace aerie::promqltest {

struct HistogramText {
  model::NativeHistogram histogram;
  bool reset_hint_written = false;
};

/// What stands between `{{` and `}}`: `schema:1 sum:2 buckets:[1 2]`. Errors: InvalidArgument.
Result<HistogramText> parse_histogram(std::string_view text);

/// base + sign * other, as sequences `{{…}}+{{…}}x3` want it; a finer `other` is made coarser.
model::NativeHistogram combine(const model::NativeHistogram& base,
                               const model::NativeHistogram& other, double sign);

/// Buckets by absolute index, without empty ones: what remains after Prometheus's Compact(0).
std::map<int32_t, double> bucket_map(const std::vector<model::BucketSpan>& spans,
                                     const std::vector<double>& buckets);

/// A histogram with custom buckets from classic ones: cumulative counts by upper bound (+Inf may be
/// missing).
model::NativeHistogram from_classic(const std::map<double, double>& cumulative, double count,
                                    double sum);

std::string to_text(const model::NativeHistogram& histogram);

}  // namespace aerie::promqltest
