#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

#include "model/time.h"

namespace aerie::store {

/// Stale markers of pairs without replica labels that wait for the other replica's word: one of two
/// servers may fail to scrape a target that the other one still reaches. A marker is forgotten when
/// a sample is kept, and stands when the other replica sends one too, or nothing comes in time.
/// Follows from the log alone, so a replay holds and releases the same. Owned by one thread, about
/// 60 bytes a marker.
class HeldMarkers {
 public:
  struct Marker {
    uint32_t slot = 0;
    uint32_t generation = 0;
    model::TimestampMs t = 0;
    model::TimestampMs due = 0;  ///< by the arrival of records
  };
  enum class Answer : uint8_t {
    Held,
    Again,   ///< it is held already: sent again
    Stands,  ///< another one waits: both replicas say so; that one is forgotten
  };
  Answer hold(const Marker& marker);
  bool empty() const { return held_.empty(); }
  /// A sample of the series was kept.
  void forget(uint32_t slot) { held_.erase(slot); }
  void forget_all();
  /// One that has waited until `arrived`, and it is held no more; nothing: none has.
  std::optional<Marker> take_due(model::TimestampMs arrived);

 private:
  struct Due {
    model::TimestampMs due;
    uint32_t slot;
    bool operator>(const Due& other) const {
      return due != other.due ? due > other.due : slot > other.slot;
    }
  };
  std::unordered_map<uint32_t, Marker> held_;                       // by slot
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;  // forgotten ones as well
};

}  // namespace aerie::store
