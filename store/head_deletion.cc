#include <algorithm>

#include "store/head.h"

/// The head's part in deleting: nothing in a block can be taken out, so blocks that hold deleted
/// samples are cut, and what readers and the sealer must leave out of them is in Erasures.
namespace aerie::store {
namespace {

model::TimestampMs before(model::TimestampMs t) { return t == model::kMinTimestamp ? t : t - 1; }

bool in_block(const HeadBlock& block, uint32_t slot, uint32_t generation) {
  const Column* column = block.find(slot);
  return column != nullptr && column->generation == generation;
}

}  // namespace

std::vector<uint32_t> Head::matching_slots(const Erasure& deletion) const {
  std::vector<uint32_t> slots;
  for (const model::Matchers& selector : deletion.selectors) {
    const std::vector<uint32_t> some = index_.slots(selector);
    slots.insert(slots.end(), some.begin(), some.end());
  }
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

void Head::cut_for(const Erasure& deletion) {
  const std::vector<uint32_t> slots = matching_slots(deletion);
  const auto generation = [this](uint32_t slot) {
    return index_.state(slot)->generation.load(std::memory_order_relaxed);
  };
  std::erase_if(active_, [&](const auto& one) {
    const std::shared_ptr<HeadBlock>& block = one.second;
    const bool touched = block->extent().overlaps(deletion.range) &&
                         std::any_of(slots.begin(), slots.end(), [&](uint32_t slot) {
                           return in_block(*block, slot, generation(slot));
                         });
    if (touched) {
      block->cut_at(deletion.log_end);
      note_cut(block->extent().last);
      cut_.push_back(block);
    }
    return touched;
  });
  recent_ = nullptr;
  erasures_ = std::max(erasures_, deletion.number);
  for (const auto& [key, block] : active_) block->pass_erasures(erasures_);
}

void Head::carry_out(const Erasure& deletion) {
  cut_for(deletion);
  for (const uint32_t slot : matching_slots(deletion)) {
    SeriesState& state = *index_.state(slot);
    if (!state.has_sample || !deletion.range.contains(state.newest_t)) continue;
    // What comes next is judged as if the deleted samples had never been.
    newest_histograms_.erase(slot);
    state.was_histogram = false;
    if (deletion.range.first == model::kMinTimestamp) {
      state.has_sample = false;
    } else {
      state.newest_t = before(deletion.range.first);
      state.newest_bits = kDeletedBits;
    }
    if (state.pair != 0) pairs_[state.pair - 1] = {};
  }
}

bool Head::reset_by(const Erasure& deletion, const SeriesState& state) const {
  // Newer samples that are sealed already still count for the order of the next one.
  return !state.has_sample ||
         (state.newest_t == before(deletion.range.first) && state.newest_bits == kDeletedBits);
}

std::vector<SeriesIndex::Match> Head::hidden(const Erasure& deletion,
                                             const Erasures& erasures) const {
  const auto all = blocks();
  const auto visible = [&](const HeadBlock& block, const SeriesIndex::Match& series) {
    if (!in_block(block, series.handle.slot, series.handle.generation)) return false;
    const TimeRanges erased = erasures.ranges(series.labels, block.erasures(), block.extent());
    if (erased.empty()) return true;
    if (covers(erased, block.extent())) return false;
    model::SeriesSamples samples;
    const uint32_t slot = series.handle.slot;
    block.read(slot, *block.find(slot), {}, samples);
    erase_samples(samples, erased);
    return !samples.empty();
  };
  std::vector<SeriesIndex::Match> out;
  for (const uint32_t slot : matching_slots(deletion)) {
    const SeriesState& state = *index_.state(slot);
    if (!reset_by(deletion, state)) continue;
    const SeriesIndex::Match series{{slot, state.generation.load(std::memory_order_relaxed)},
                                    index_.labels(slot)};
    if (std::none_of(all->begin(), all->end(),
                     [&](const auto& block) { return visible(*block, series); }))
      out.push_back(series);
  }
  return out;
}

void Head::forget(const Erasure& deletion, const std::vector<SeriesHandle>& series) {
  std::vector<uint32_t> slots;
  for (const SeriesHandle handle : series) {
    if (!index_.alive(handle)) continue;
    SeriesState& state = *index_.state(handle.slot);
    if (!reset_by(deletion, state)) continue;
    if (state.pair != 0) free_pairs_.push_back(state.pair);
    newest_histograms_.erase(handle.slot);
    slots.push_back(handle.slot);
  }
  if (!slots.empty()) index_.remove(slots);
}

}  // namespace aerie::store
