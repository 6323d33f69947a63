#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "store/keyed_table.h"
#include "store/store.h"

namespace aerie::store {

/// What senders say about metric families, per cluster: in memory, in the log until flush(), then
/// in a durable table. Thread-safe.
class MetadataCache {
 public:
  /// Reads the table. Errors: those of the table, Corruption.
  static Result<std::unique_ptr<MetadataCache>> open(std::shared_ptr<KeyedTable> table);

  /// True if the row says something new.
  bool news(const MetadataRow& row) const;
  void apply(const std::vector<MetadataRow>& rows);
  /// Writes what changed since the last flush into the table.
  Status flush();
  /// Sorted by family, without repeats; `metric_family` empty: all.
  std::vector<FamilyMetadata> find(std::string_view metric_family) const;

 private:
  using Key = std::pair<std::string, std::string>;  // family, cluster
  struct State {
    std::map<Key, model::MetricMetadata> rows;
    std::set<Key> dirty;
  };
  explicit MetadataCache(std::shared_ptr<KeyedTable> table) : table_(std::move(table)) {}

  const std::shared_ptr<KeyedTable> table_;
  Guarded<State> state_;
};

}  // namespace aerie::store
