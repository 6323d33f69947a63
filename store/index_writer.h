#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/labels.h"

namespace aerie::store {

/// Which record of an index. The numbers are the key kinds of docs/formats/partition.md.
enum class IndexRecord : uint8_t { Names = 2, Values = 3, Postings = 4, Series = 5 };

inline constexpr uint32_t kValuesPerBlock = 64;
inline constexpr uint32_t kSeriesPerBlock = 256;

/// Builds the index of one partition; docs/formats/index.md. One owner, used once.
class IndexWriter {
 public:
  IndexWriter();
  ~IndexWriter();

  /// Series in SealOrder; their numbers count up from 0.
  void add(const model::Labels& labels);
  uint32_t series_count() const { return static_cast<uint32_t>(shapes_of_series_.size()); }

  /// Takes one record without its checksum. `name` and `block` are 0 where the record has none.
  using Put =
      std::function<Status(IndexRecord record, uint32_t name, uint32_t block, std::string value)>;
  /// Emits all records in key order. `group_sizes`: series in each column group.
  Status finish(std::span<const uint32_t> group_sizes, const Put& put);

 private:
  struct Name;
  struct Shape;
  uint32_t shape_of(const model::Labels& labels);
  void sort_names();
  Status put_names(std::span<const uint32_t> group_sizes, const Put& put);
  Status put_values(const Put& put);
  Status put_postings(const Put& put);
  Status put_series(const Put& put);

  std::unordered_map<std::string, uint32_t> name_numbers_;
  std::vector<Name> names_;  // in order of appearance until sort_names()
  std::map<std::vector<uint32_t>, uint32_t> shape_numbers_;
  std::vector<Shape> shapes_;
  std::vector<uint32_t> shapes_of_series_;
  std::vector<uint32_t> values_;  // of all series one after the other, in label order
  std::vector<uint32_t> scratch_;
};

}  // namespace aerie::store
