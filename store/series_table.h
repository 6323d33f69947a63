#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_set.hpp>

#include "model/labels.h"
#include "model/matcher.h"

namespace aerie::store {

/// A series inside one of several partitions.
struct SeriesPlace {
  uint32_t partition = 0;  ///< index into the list of partitions that a selection reads
  uint32_t series = 0;
  bool operator==(const SeriesPlace&) const = default;
};

/// The series of several partitions that met one list of matchers: each once, sorted by Labels,
/// with its places in the order of the partitions. Immutable: selections share it.
class SeriesTable {
 public:
  /// `starts`: of each series in `places`, and the end.
  SeriesTable(std::vector<model::Labels> labels, std::vector<uint32_t> starts,
              std::vector<SeriesPlace> places)
      : labels_(std::move(labels)), starts_(std::move(starts)), places_(std::move(places)) {}

  size_t size() const { return labels_.size(); }
  const model::Labels& labels(size_t index) const { return labels_[index]; }
  std::span<const SeriesPlace> places(size_t index) const {
    return std::span(places_).subspan(starts_[index], starts_[index + 1] - starts_[index]);
  }
  size_t memory_bytes() const;

 private:
  std::vector<model::Labels> labels_;
  std::vector<uint32_t> starts_;
  std::vector<SeriesPlace> places_;
};

/// What one label set costs beside its bytes: the counts of its shared_ptr and the allocator's own.
inline constexpr size_t kSharedLabelsOverhead = 32;
/// Appends what tells one list of matchers from any other.
void put_matchers(std::string& key, const model::Matchers& matchers);

/// Makes one table. One owner, used once. Label sets are built once, not once per partition, and
/// compared as bytes; sorting costs little because partitions are nearly sorted.
class SeriesTableBuilder {
 public:
  SeriesTableBuilder() : known_(0, Hash{this}, Equal{this}) {}
  SeriesTableBuilder(const SeriesTableBuilder&) = delete;
  SeriesTableBuilder& operator=(const SeriesTableBuilder&) = delete;

  /// The series that follow are those of this partition; partitions come in the order in which
  /// their places are wanted.
  void begin(uint32_t partition);
  /// `encoded` as in Labels; a series comes at most once per partition.
  void add(std::string_view encoded, uint32_t series);
  std::shared_ptr<const SeriesTable> finish();

 private:
  struct Hash {
    using is_transparent = void;
    const SeriesTableBuilder* builder;
    size_t operator()(uint32_t number) const;
    size_t operator()(std::string_view encoded) const;
  };
  struct Equal {
    using is_transparent = void;
    const SeriesTableBuilder* builder;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(std::string_view a, uint32_t b) const;
    bool operator()(uint32_t a, std::string_view b) const { return (*this)(b, a); }
  };
  struct Found {
    uint32_t number;  // in labels_
    SeriesPlace place;
  };

  uint32_t number_of(std::string_view encoded);

  std::vector<model::Labels> labels_;  // in the order of their first appearance
  std::vector<Found> found_;
  boost::unordered_flat_set<uint32_t, Hash, Equal> known_;  // all of labels_ below known_end_
  uint32_t known_end_ = 0;
  uint32_t partition_ = 0;
  bool first_ = true;      // nothing can be known yet
  uint32_t expected_ = 0;  // in labels_: who mostly comes next
};

}  // namespace aerie::store
