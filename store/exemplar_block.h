#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/sample_source.h"
#include "store/columns.h"

namespace aerie::store {

/// The exemplars of one series of a partition.
struct BlockExemplars {
  uint32_t series = 0;  ///< its number in the partition
  std::vector<model::Exemplar> exemplars;
};

/// Exemplars of some series as one record, so that samples are read without touching any.
/// docs/formats/columns.md. One owner; keeps its memory from call to call.
class ExemplarBlockWriter {
 public:
  /// Series ascend; `exemplars` are not empty and ascend by time.
  void add(uint32_t series, std::span<const model::Exemplar> exemplars);
  bool empty() const { return count_ == 0; }
  /// Of the first series inside; only if not empty.
  uint32_t first_series() const { return first_; }
  size_t bytes() const { return body_.size(); }
  /// The finished record without a checksum, proven to read back; the writer is empty again.
  /// Errors: Internal.
  Result<std::string> finish();

 private:
  std::vector<BlockExemplars> all_;
  uint32_t count_ = 0;
  uint32_t first_ = 0;
  uint32_t last_ = 0;
  std::string body_;
};

/// Errors: Corruption.
Result<std::vector<BlockExemplars>> parse_exemplar_block(std::string_view bytes);

/// Sorts by time and removes repeats (a sender that was restarted sends its newest ones again).
void tidy_exemplars(std::vector<model::Exemplar>& exemplars);

}  // namespace aerie::store
