#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "store/erasures.h"
#include "store/keyed_table.h"

namespace aerie::store {

/// The deletions that are not carried out everywhere yet: durable rows (docs/formats/partition.md)
/// and the list that readers take. current() from any thread; the rest by one thread at a time.
class Deletions {
 public:
  /// Numbers up to `given_away` are not used again: partitions speak of them. Errors: Corruption,
  /// IoError.
  static Result<std::unique_ptr<Deletions>> open(std::shared_ptr<KeyedTable> table,
                                                 uint64_t given_away);

  std::shared_ptr<const Erasures> current() const { return current_.copy(); }
  /// The number of the latest deletion that there ever was.
  uint64_t last_number() const { return last_number_.copy(); }

  /// A number that no deletion had.
  uint64_t take_number();
  /// Makes it durable, then visible. After an error it may yet be found at the next start.
  Status add(const Erasure& deletion);
  /// What no partition, no head block and no record of the log needs any more.
  Status forget(uint64_t number);
  /// Positions behind `end` were lost with an unsynced log and will be used again: no deletion
  /// means the samples that they will hold.
  Status limit_positions(LogPosition end);

 private:
  explicit Deletions(std::shared_ptr<KeyedTable> table) : table_(std::move(table)) {}

  const std::shared_ptr<KeyedTable> table_;
  Guarded<std::shared_ptr<const Erasures>> current_{std::make_shared<const Erasures>()};
  Guarded<uint64_t> last_number_;
};

/// A row's key and value. Errors of decoding: Corruption.
std::string deletion_key(uint64_t number);
std::string encode_deletion(const Erasure& deletion);
Result<Erasure> decode_deletion(std::string_view bytes);

}  // namespace aerie::store
