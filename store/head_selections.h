#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/labels.h"
#include "model/matcher.h"
#include "store/byte_cache.h"
#include "store/series_index.h"

namespace aerie::store {

/// The series of the head that met one list of matchers at one moment, sorted by Labels. Immutable.
struct HeadTable {
  std::vector<model::Labels> labels;
  std::vector<SeriesHandle> handles;  ///< of `labels`
  std::vector<uint32_t> by_slot;      ///< places in the two above, by ascending slot
  uint64_t version = 0;               ///< of the index, or an older one

  size_t memory_bytes() const;
};

/// Answers "which series match" from the answer before: as long as no series came or went, nothing
/// is looked up; after that the labels of new series only. Bounded; thread-safe.
class HeadSelections {
 public:
  explicit HeadSelections(const SeriesIndex& index) : index_(index) {}  // outlives this

  std::shared_ptr<const HeadTable> select(const model::Matchers& matchers);
  size_t bytes() const { return tables_.bytes(); }

 private:
  static constexpr size_t kTableBytes = 16u << 20;

  const SeriesIndex& index_;
  ByteCache<std::string, HeadTable> tables_{kTableBytes};
};

}  // namespace aerie::store
