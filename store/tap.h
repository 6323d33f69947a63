#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "model/labels.h"
#include "model/time.h"
#include "store/write_batch.h"

namespace aerie::store {

class SeriesIndex;

/// Where others listen to what is written: of the series that they are interested in, samples whose
/// value changed, and the first one of every scrape of a target, so that its clock is heard of when
/// nothing changes. Noted by the applier once the batch can be read; taken by one reader. The
/// queue is bounded: a cluster of which too much waits is named instead, and read again from the
/// head. Samples that the head refused may be among them. Thread-safe, a leaf lock (rank 41). Costs
/// four bytes a series, 32 more for each that is listened to. docs/decisions/0161.
class Tap {
 public:
  enum class Interest : uint8_t {
    None,
    Changes,          ///< samples whose value changed, stale markers
    ChangesAndClock,  ///< and the first sample of every scrape of its target
  };
  /// Decided once a series, by its metric's name.
  using Wanted = std::function<Interest(std::string_view metric_name)>;
  static constexpr size_t kMostEvents = 200'000;

  explicit Tap(Wanted wanted, size_t most_events = kMostEvents)
      : wanted_(std::move(wanted)), most_events_(most_events) {}

  struct Event {
    model::Labels labels;
    model::TimestampMs t = 0;
    double value = 0;  ///< a stale marker: the series has ended
  };
  struct Events {
    std::vector<Event> events;      ///< in the order of the log
    std::vector<std::string> lost;  ///< clusters of which events were dropped, sorted
  };
  /// Everything since the last call.
  Events take();

  /// The applier's thread only.
  void note(const WriteBatch& batch, const SeriesIndex& index);

 private:
  struct Followed {
    uint32_t generation = 0;
    uint32_t target = 0;
    model::TimestampMs t = model::kMinTimestamp;
    double value = 0;
  };
  struct Queue {
    std::vector<Event> events;
    std::vector<std::string> lost;
  };

  Followed* followed(const FloatRow& row, const SeriesIndex& index);
  uint32_t target_of(uint32_t slot, const SeriesIndex& index);
  void flush();

  const Wanted wanted_;
  const size_t most_events_;
  Guarded<Queue> queue_;
  // Of the applier's thread.
  std::vector<uint32_t> slots_;             // low bits of the generation, and which of followed_
  std::vector<Followed> followed_;          // the first two are no series
  std::vector<uint32_t> free_;              // of followed_
  std::vector<model::TimestampMs> clocks_;  // newest sample, by target
  std::unordered_map<std::string, uint32_t> targets_;
  std::vector<Event> batch_;  // of the batch being noted
};

}  // namespace aerie::store
