#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "store/erasures.h"
#include "store/partition.h"
#include "store/partition_set.h"
#include "store/series_reader.h"

namespace aerie::store {

/// The series of several partitions in SealOrder, each once with all its samples. Memory: a block
/// of labels and a few column groups for each partition, whatever their size. One owner.
class MergeStream {
 public:
  /// `erasures` (may be null) are left out.
  MergeStream(std::vector<std::shared_ptr<const Partition>> parts, ErasuresPtr erasures);

  /// False at the end. Errors: Corruption, IoError, naming the partition.
  Result<bool> next(SealSeries& out);

 private:
  struct Cursor {
    std::shared_ptr<const Partition> partition;
    uint32_t place = 0;                 // of the partition in the reader's list
    uint32_t first = 0;                 // number of the first series of `labels`
    std::vector<model::Labels> labels;  // of a block of series
    size_t at = 0;
    std::vector<BlockExemplars> exemplars;  // of the block of exemplars that is being read
    uint32_t exemplar_block = 0;            // the next one
    size_t exemplar_at = 0;
  };
  Status add_exemplars(Cursor& cursor, uint32_t series, SealSeries& out);
  Status fill(Cursor& cursor);
  Result<bool> advance(Cursor& cursor);
  Status add(Cursor& cursor, SealSeries& out);

  std::vector<Cursor> cursors_;  // in the order of their commits, none at its end
  const ErasuresPtr erasures_;
  SeriesReader reader_;
  model::SeriesSamples part_;
  bool started_ = false;
};

}  // namespace aerie::store
