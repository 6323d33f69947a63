#pragma once

#include <memory>
#include <vector>

#include "model/sample_source.h"
#include "store/head.h"
#include "store/head_erasures.h"
#include "store/head_selections.h"

namespace aerie::store {

/// Series of head and partitions as one list. What is sealed while it lives is in both: repeats are
/// removed by time.
class MergedSelection final : public model::Selection {
 public:
  struct Sources {
    HeadBlocks blocks;  ///< taken before `partitions` were pinned, so that nothing is missed
    std::shared_ptr<const HeadTable> head;
    std::shared_ptr<const model::SampleSource> pinned;
    std::unique_ptr<model::Selection> partitions;
    HeadErasures erased;
  };
  explicit MergedSelection(Sources sources);

  size_t size() const override { return entries_.size(); }
  const model::Labels& labels(size_t index) const override { return *entries_[index].labels; }
  Status read(size_t index, model::TimeRange range, model::SeriesSamples& out) const override;
  std::vector<std::string> warnings() const override { return sources_.partitions->warnings(); }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  struct Entry {
    const model::Labels* labels;  // in one of the sources
    SeriesHandle head;            // generation 0: not in the head
    size_t partition = kNone;
  };
  bool has_samples(SeriesHandle series, const model::Labels& labels) const;
  void read_head(const Entry& entry, model::TimeRange range, model::SeriesSamples& out) const;

  Sources sources_;
  std::vector<Entry> entries_;
};

}  // namespace aerie::store
