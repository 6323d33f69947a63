#include "store/tap.h"

#include <algorithm>
#include <iterator>

#include "model/sample.h"
#include "store/series_index.h"

namespace aerie::store {

namespace {

// A slot's word: 8 bits of the generation above 24 bits of a number in followed_.
constexpr uint32_t kNumberBits = 24;
constexpr uint32_t kNumberMask = (1u << kNumberBits) - 1;
constexpr uint32_t kUnseen = 0;
constexpr uint32_t kUnwanted = 1;
constexpr uint32_t kNoTarget = UINT32_MAX;

uint32_t word_of(uint32_t generation, uint32_t number) {
  return generation << kNumberBits | number;
}

}  // namespace

Tap::Events Tap::take() {
  Queue queue = queue_.with([](Queue& waiting) { return std::exchange(waiting, {}); });
  std::sort(queue.lost.begin(), queue.lost.end());
  return {std::move(queue.events), std::move(queue.lost)};
}

/// Null for series that nobody listens to. A slot that was given to another series is looked at
/// anew.
Tap::Followed* Tap::followed(const FloatRow& row, const SeriesIndex& index) {
  const uint32_t slot = row.series.slot;
  if (slot >= slots_.size())
    slots_.resize(std::max<size_t>(slot + 1, slots_.size() + slots_.size() / 2));
  uint32_t& word = slots_[slot];
  const uint32_t number = word & kNumberMask;
  const bool same = number != kUnseen && word == word_of(row.series.generation, number);
  if (same && number == kUnwanted) return nullptr;
  if (same && followed_[number].generation == row.series.generation) return &followed_[number];
  if (number > kUnwanted) free_.push_back(number);
  if (followed_.empty()) followed_.resize(2);
  const Interest interest = wanted_(index.label(slot, model::kMetricName));
  if (interest == Interest::None) {
    word = word_of(row.series.generation, kUnwanted);
    return nullptr;
  }
  uint32_t taken = static_cast<uint32_t>(followed_.size());
  if (free_.empty()) {
    if (taken > kNumberMask) return nullptr;  // 16 million: the rest is found by reading the head
    followed_.emplace_back();
  } else {
    taken = free_.back();
    free_.pop_back();
  }
  word = word_of(row.series.generation, taken);
  const uint32_t target =
      interest == Interest::ChangesAndClock ? target_of(slot, index) : kNoTarget;
  followed_[taken] = {row.series.generation, target, model::kMinTimestamp, 0};
  return &followed_[taken];
}

uint32_t Tap::target_of(uint32_t slot, const SeriesIndex& index) {
  std::string id = index.label(slot, "cluster");
  id += '\0';
  id += index.label(slot, "job");
  id += '\0';
  id += index.label(slot, "instance");
  const auto [place, added] =
      targets_.try_emplace(std::move(id), static_cast<uint32_t>(clocks_.size()));
  if (added) clocks_.push_back(model::kMinTimestamp);
  return place->second;
}

void Tap::note(const WriteBatch& batch, const SeriesIndex& index) {
  for (const FloatRow& row : batch.floats) {
    Followed* series = followed(row, index);
    if (series == nullptr || row.t < series->t) continue;
    const bool first = series->t == model::kMinTimestamp;
    // Two stale markers are no change, and two NaNs are not worth one.
    const bool changed = first || (row.value != series->value &&
                                   !(row.value != row.value && series->value != series->value));
    const bool begins = series->target != kNoTarget && row.t > clocks_[series->target];
    if (begins) clocks_[series->target] = row.t;
    series->t = row.t;
    series->value = row.value;
    if (changed || begins) batch_.push_back({index.labels(row.series.slot), row.t, row.value});
  }
  if (!batch_.empty()) flush();
}

void Tap::flush() {
  queue_.with([&](Queue& queue) {
    if (queue.events.size() + batch_.size() <= most_events_) {
      std::move(batch_.begin(), batch_.end(), std::back_inserter(queue.events));
      return;
    }
    for (const Event& event : batch_) {
      const std::string_view cluster = event.labels.get("cluster");
      if (!queue.lost.empty() && queue.lost.back() == cluster) continue;  // they come in runs
      if (std::find(queue.lost.begin(), queue.lost.end(), cluster) == queue.lost.end())
        queue.lost.emplace_back(cluster);
    }
  });
  batch_.clear();
}

}  // namespace aerie::store
