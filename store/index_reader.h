#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "store/index_writer.h"
#include "store/series_set.h"

namespace aerie::store {

/// Answers from the index of one partition without touching its samples. Immutable after open(),
/// thread-safe if `get` is.
class IndexReader {
 public:
  /// Fetches one record, checksum verified and removed.
  using Get = std::function<Result<std::string>(IndexRecord record, uint32_t name, uint32_t block)>;
  /// Reads the names record. Errors: those of `get`; Corruption.
  static Result<std::shared_ptr<const IndexReader>> open(Get get);

  uint32_t series_count() const { return series_count_; }
  /// The column group that holds a series.
  uint32_t group_of(uint32_t series) const;
  size_t group_count() const { return group_ends_.size(); }
  size_t memory_bytes() const { return names_.size() * 64 + group_ends_.size() * 4; }

  Result<SeriesSet> match(const model::Matchers& matchers) const;
  /// Calls `found` for every member of `set` in ascending order, with its labels as
  /// Labels::encoded() has them, valid during the call.
  Status labels(const SeriesSet& set,
                const std::function<void(uint32_t, std::string_view)>& found) const;
  /// Names that the series of `set` have, sorted; all names without a set.
  Result<std::vector<std::string>> label_names(const SeriesSet* set) const;
  /// Values of `name` that the series of `set` have, sorted; all values without a set.
  Result<std::vector<std::string>> label_values(std::string_view name, const SeriesSet* set) const;

 private:
  struct Name {
    std::string text;
    uint32_t values = 0;
  };
  using Values = std::vector<std::string>;

  std::optional<uint32_t> find_name(std::string_view name) const;
  Result<Values> values(uint32_t name, uint32_t block) const;
  /// The place of the first value >= `value`, and whether it is equal.
  Result<std::pair<uint32_t, bool>> lower_bound(uint32_t name, std::string_view value) const;
  /// Adds the numbers of the values that match (or, inverted, that do not).
  Status matching_values(uint32_t name, const model::Matcher& matcher, bool inverted,
                         std::vector<uint32_t>& out) const;
  Status add_postings(uint32_t name, const std::vector<uint32_t>& values, SeriesSet& out) const;
  Result<SeriesSet> match_one(const model::Matcher& matcher) const;

  struct SeriesBlock;
  Result<SeriesBlock> series_block(uint32_t block) const;

  Get get_;
  std::vector<Name> names_;
  std::vector<uint32_t> group_ends_;  // first series behind each group
  uint32_t series_count_ = 0;
};

}  // namespace aerie::store
