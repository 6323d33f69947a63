#pragma once

#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/sample_source.h"
#include "store/partition_set.h"

namespace aerie::store::testing {

/// A fresh folder, removed at the end. path() itself does not exist yet.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string path() const { return root_ + "/partitions"; }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

/// The value, or the end of the test program with the error's text.
template <class T>
T must(Result<T> result) {
  AERIE_CHECK(result.ok(), result.error().message());
  return std::move(result).value();
}
inline void must(const Status& status) { AERIE_CHECK(status.ok(), status.error().message()); }

/// The seed of a random test: AERIE_SEED, or a new one. Print it.
uint64_t test_seed();

/// A series with regular timestamps.
SealSeries series(std::initializer_list<std::pair<std::string_view, std::string_view>> labels,
                  model::TimestampMs first, model::DurationMs step, std::vector<double> values);

PartitionInfo partition_at(model::TimestampMs start, LogPosition log_first, LogPosition log_end);

/// Sorts by SealOrder and seals.
Result<PartitionInfo> seal_all(PartitionSet& set, PartitionInfo info,
                               std::vector<SealSeries> series);

/// Labels to samples, every sample printed with all its bits: what can be compared and read in a
/// failure.
using Printed = std::map<std::string, std::vector<std::string>>;
Printed printed(const std::vector<SealSeries>& series, model::TimeRange range = {});
/// Everything that matches. A failure becomes the only entry.
Printed read_all(const model::SampleSource& source, const model::Matchers& matchers = {},
                 model::TimeRange range = {});

}  // namespace aerie::store::testing
