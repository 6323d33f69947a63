#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerting/alert.h"
#include "base/result.h"
#include "store/keyed_table.h"

namespace aerie::alerting {

/// Where a rule's alerts stand in the table. Rules of one name in one group are told apart by
/// `ordinal`.
struct RuleKey {
  std::string file;
  std::string group;
  std::string rule;
  uint32_t ordinal = 0;
};

/// The durable state of all alerts. Thread-safe; every write is on disk when the call returns.
/// docs/formats/alert-state.md.
class AlertTable {
 public:
  explicit AlertTable(std::shared_ptr<store::KeyedTable> rows) : rows_(std::move(rows)) {}

  /// Alerts of one rule. Damaged rows are logged, removed and left out. Errors: IoError.
  Result<std::vector<Alert>> load(const RuleKey& rule) const;
  Status apply(const RuleKey& rule, const std::vector<Alert>& changed,
               const std::vector<model::Labels>& removed);
  /// Makes `rules` all that the group has: rows of other rules go.
  Status replace_group(const std::string& file, const std::string& group,
                       const std::vector<std::pair<RuleKey, std::vector<Alert>>>& rules);
  /// Removes the rows of all groups but these (file and name).
  Status keep_groups(const std::set<std::pair<std::string, std::string>>& groups);

  /// Notes that rules were being evaluated at `t`, so that the next start knows how long it was
  /// away.
  Status note_alive(model::TimestampMs t);
  /// 0 if never noted.
  Result<model::TimestampMs> last_alive() const;

 private:
  std::shared_ptr<store::KeyedTable> rows_;
};

}  // namespace aerie::alerting
