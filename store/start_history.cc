#include "store/start_history.h"

#include <new>

#include "store/head_block.h"

namespace aerie::store {
namespace {

int64_t minus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

}  // namespace

model::TimestampMs StartHistory::Run::start_at(model::TimestampMs t) const {
  return before_sample ? minus(t, value) : value;
}

void StartHistory::add(Arena& arena, uint32_t slot, model::TimestampMs t,
                       model::TimestampMs start) {
  if (start == 0 && !any_) return;
  Series* series = series_.find(slot);
  const Run* newest = series == nullptr ? nullptr : series->newest.load(std::memory_order_relaxed);
  if (newest == nullptr ? start == 0 : newest->start_at(t) == start) return;
  const int64_t distance = minus(t, start);
  const bool same_distance = newest != nullptr && start != 0 &&
                             minus(newest->from, newest->start_at(newest->from)) == distance;
  auto* run = new (arena.allocate(sizeof(Run)))
      Run{newest, t, same_distance ? distance : start, same_distance};
  series_.make(slot).newest.store(run, std::memory_order_release);
  any_ = true;
}

void StartHistory::fill(uint32_t slot, model::SeriesSamples& out, size_t first_value,
                        size_t first_histogram) const {
  const Series* series = series_.find(slot);
  const Run* run = series == nullptr ? nullptr : series->newest.load(std::memory_order_acquire);
  if (run == nullptr) return out.pad_starts();
  out.starts.resize(out.values.size());
  size_t value = out.values.size();
  size_t histogram = out.histograms.size();
  for (; run != nullptr; run = run->previous) {
    while (value > first_value && out.timestamps[value - 1] >= run->from) {
      --value;
      out.starts[value] = run->start_at(out.timestamps[value]);
    }
    while (histogram > first_histogram && out.histograms[histogram - 1].t >= run->from) {
      --histogram;
      out.histograms[histogram].start = run->start_at(out.histograms[histogram].t);
    }
  }
}

}  // namespace aerie::store
