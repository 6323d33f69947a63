#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "store/column_group.h"
#include "store/columns.h"
#include "store/exemplar_block.h"
#include "store/index_writer.h"
#include "store/partition_record.h"
#include "store/rocks_database.h"

namespace aerie::store {

/// Writes the files of one partition, series by series. Nothing is visible until commit(). One
/// owner, used once. Memory: one column group, and per series the references of its labels.
class PartitionBuilder {
 public:
  struct Options {
    uint32_t group_bytes =
        32 << 10;  ///< a group is closed when it is this large before compression
    uint32_t least_group_bytes = 8 << 10;  ///< or this large and the metric changes
    uint32_t group_columns = 512;
    uint64_t file_bytes = 64u << 20;  ///< the next data file begins behind this size
  };
  /// `record` carries name, log range, sequence, seed and replaced partitions.
  PartitionBuilder(RocksDatabase& database, CommitRecord record, Options options);

  /// Series in SealOrder, each once; one without samples is left out. Errors: InvalidArgument
  /// (order, timestamps, too many rows), Internal (a column did not come back bit for bit), those
  /// of the disk.
  Status add(const SealSeries& series);
  /// True if no series had a sample.
  bool empty() const { return index_.series_count() == 0; }
  /// Writes the index, then moves all files in. Returns the finished commit record. `built`, if
  /// given, is called between the two.
  Result<CommitRecord> commit(const std::function<void()>& built = {});

 private:
  Result<uint32_t> clock_of(const std::vector<model::TimestampMs>& timestamps);
  Status add_floats(uint32_t series, const SealSeries& added);
  /// True if the values can be told from those of the series before it, in the same group.
  bool may_chain(const SealSeries& series) const;
  /// Of the column just added, whose clock is `timestamps`.
  Status add_starts(uint32_t series, const std::vector<model::TimestampMs>& timestamps,
                    const std::vector<model::TimestampMs>& starts);
  Status add_histograms(uint32_t series, const model::SeriesSamples& samples);
  Status check_order(const SealSeries& series) const;
  Status close_group();
  Status put_data(const std::string& key, std::string_view value);
  Status finish_data_file();
  Status put_clocks();
  Status close_exemplars();
  Status put_exemplars();
  Status write_index();
  std::string file_name(const char* kind, size_t number) const;

  RocksDatabase& database_;
  const Options options_;
  CommitRecord record_;
  const std::string prefix_;

  std::vector<std::unique_ptr<RocksDatabase::FileBuilder>> data_files_;
  std::unique_ptr<RocksDatabase::FileBuilder> data_;  // the one being written
  std::unique_ptr<RocksDatabase::FileBuilder> index_file_;
  std::vector<double> below_;  // values of the last series if it may be chained to
  size_t chain_ = 0;           // columns of the chain that ends there
  ExemplarBlockWriter exemplars_;
  std::vector<std::string> exemplar_blocks_;  // finished
  GroupBuilder group_;
  std::vector<uint32_t> group_sizes_;
  IndexWriter index_;
  model::Labels last_labels_;

  IntegerEncoder clock_encoder_;
  std::vector<std::string> clocks_;                            // encoded, by number
  std::unordered_multimap<uint64_t, uint32_t> clock_numbers_;  // by hash of the timestamps
  uint32_t last_clock_ = 0;
  std::vector<model::TimestampMs> last_timestamps_;  // of last_clock_

  FloatEncoder encoder_;
  FloatDecoder decoder_;
  ColumnBytes column_;
  std::vector<double> back_;
};

}  // namespace aerie::store
