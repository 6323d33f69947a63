#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "clusters/timeline_event.h"
#include "clusters/workload.h"
#include "model/time.h"
#include "store/keyed_table.h"

namespace aerie::clusters {

/// One event with its workload, for the timeline. Of a whole cluster (it fell silent, it is back)
/// where namespace and name are empty.
struct TimelineEntry {
  WorkloadKey key;
  WorkloadEvent event;
  uint64_t number = 0;  ///< grows with every entry, over restarts too; given by the timeline
  /// One row of the table, `key=value` lines; docs/formats/timeline.md.
  std::string encode() const;
  static std::optional<TimelineEntry> decode(std::string_view text);
};
using EntryPtr = std::shared_ptr<const TimelineEntry>;

/// What happened to every workload, for 30 days, at most 100,000 entries in all and 1,000 of one
/// workload (the oldest go first). Durable. Thread-safe.
class Timeline {
 public:
  static constexpr model::DurationMs kKept = 30LL * 24 * 3600 * 1000;
  static constexpr size_t kMostEntries = 100'000;
  static constexpr size_t kMostOfOne = 1'000;

  /// `table` may be null: then a restart forgets it.
  explicit Timeline(std::shared_ptr<store::KeyedTable> table) : table_(std::move(table)) {}
  /// Reads what earlier processes kept. Errors: those of the table.
  Status restore();
  /// Appends, and lets go what is too old. One caller at a time. Errors: those of the table; what
  /// could not be written is still shown.
  Status add(std::vector<TimelineEntry> entries, model::TimestampMs now);

  struct Filter {
    std::string cluster;  ///< of all of these: empty is any
    std::string space;
    std::string name;
    std::string event;
    uint64_t after = 0;  ///< only entries with a greater number
    model::TimestampMs since = 0;
    size_t limit = 1'000;
  };
  /// The newest `limit` entries that match, oldest first.
  std::vector<EntryPtr> find(const Filter& filter) const;
  /// Of one workload in all clusters, oldest first; empty names: of the clusters themselves.
  std::vector<EntryPtr> of(const std::string& space, const std::string& name, Kind kind) const;

 private:
  using ObjectId = std::tuple<std::string, std::string, Kind>;
  struct Entries {
    std::deque<EntryPtr> all;
    std::map<ObjectId, std::deque<EntryPtr>> by_object;
    uint64_t last_number = 0;
  };
  static void append(Entries& entries, EntryPtr entry);
  static std::vector<std::string> trim(Entries& entries, model::TimestampMs now);

  const std::shared_ptr<store::KeyedTable> table_;
  Guarded<Entries> entries_;
};

}  // namespace aerie::clusters
