#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace aerie::store {

/// A small durable table of byte strings, sorted by key: alert state, metric metadata, HA epochs.
/// Thread-safe. Every write is on disk (synced) when the call returns. Not for samples: thousands
/// of rows, not millions.
class KeyedTable {
 public:
  virtual ~KeyedTable() = default;
  virtual Result<std::optional<std::string>> get(std::string_view key) const = 0;
  /// Writes and removes atomically.
  virtual Status apply(const std::vector<std::pair<std::string, std::string>>& puts,
                       const std::vector<std::string>& removals) = 0;
  /// All rows whose key begins with `prefix`, in key order.
  virtual Result<std::vector<std::pair<std::string, std::string>>> scan(
      std::string_view prefix) const = 0;
};

}  // namespace aerie::store
