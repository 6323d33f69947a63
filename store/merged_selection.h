#pragma once

#include <memory>
#include <vector>

#include "model/sample_source.h"
#include "store/head.h"

namespace aerie::store {

/// Series of head and partitions as one list. What is sealed while it lives is in both: repeats are
/// removed by time.
class MergedSelection final : public model::Selection {
 public:
  struct Sources {
    HeadBlocks blocks;  ///< taken before `partitions` were pinned, so that nothing is missed
    std::vector<SeriesIndex::Match> head;
    std::shared_ptr<const model::SampleSource> pinned;
    std::unique_ptr<model::Selection> partitions;
  };
  explicit MergedSelection(Sources sources);

  size_t size() const override { return entries_.size(); }
  const model::Labels& labels(size_t index) const override { return entries_[index].labels; }
  Status read(size_t index, model::TimeRange range, model::SeriesSamples& out) const override;
  std::vector<std::string> warnings() const override { return sources_.partitions->warnings(); }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  struct Entry {
    model::Labels labels;
    SeriesHandle head;  // generation 0: not in the head
    size_t partition = kNone;
  };
  void read_head(SeriesHandle series, model::TimeRange range, model::SeriesSamples& out) const;

  Sources sources_;
  std::vector<Entry> entries_;
};

/// Adds `newer` to `out`; of samples with the same time the one of `newer` stays. Both ascending.
void merge_samples(model::SeriesSamples& out, model::SeriesSamples& newer);

}  // namespace aerie::store
