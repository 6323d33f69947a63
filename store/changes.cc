#include "store/changes.h"

#include <algorithm>

#include "store/series_index.h"

namespace aerie::store {
namespace {

constexpr uint16_t kManyClusters = 0;  // what those share that came too late
// Then neighbours are joined: half of the entries stay, the older the coarser.
constexpr size_t kMaxHistory = 256;

}  // namespace

uint64_t Changes::number() const {
  return state_.with([](const State& state) { return state.number; });
}

Changes::Since Changes::since(uint64_t number, const Selects& selects) const {
  return state_.with([&](const State& state) {
    Since out{state.number, model::kMaxTimestamp};
    if (state.everything > number) {
      out.oldest = model::kMinTimestamp;
      return out;
    }
    const auto look = [&](const History& history) {
      const auto first = std::partition_point(
          history.begin(), history.end(), [&](const Change& one) { return one.number <= number; });
      if (first != history.end()) out.oldest = std::min(out.oldest, first->oldest);
    };
    if (!state.histories.empty()) look(state.histories[kManyClusters]);
    for (const auto& [cluster, id] : state.ids) {
      const History& history = state.histories[id];
      if (history.empty() || history.back().number <= number) continue;
      if (selects(cluster)) look(history);
    }
    return out;
  });
}

void Changes::note(const WriteBatch& batch, const SeriesIndex& index) {
  batch_.clear();
  for (const FloatRow& row : batch.floats) look_at(row.series, row.t, index);
  for (const HistogramRow& row : batch.histograms) look_at(row.series, row.t, index);
  if (batch_.empty()) return;
  state_.with([&](State& state) {
    ++state.number;
    for (const Oldest& one : batch_) add(state.histories[one.cluster], {state.number, one.t});
  });
}

void Changes::note(std::string_view cluster, model::TimestampMs oldest) {
  state_.with([&](State& state) {
    const uint16_t id = id_of(state, cluster);
    add(state.histories[id], {++state.number, oldest});
  });
}

void Changes::note_everything() {
  state_.with([](State& state) {
    state.everything = ++state.number;
    for (History& history : state.histories) history.clear();
  });
}

/// Rows come in runs of one cluster, and few clusters share a batch.
void Changes::look_at(SeriesHandle series, model::TimestampMs t, const SeriesIndex& index) {
  const uint16_t cluster = cluster_of(series, index);
  if (batch_.empty() || batch_.back().cluster != cluster) {
    const auto known = std::find_if(batch_.begin(), batch_.end(),
                                    [&](const Oldest& one) { return one.cluster == cluster; });
    if (known == batch_.end()) {
      batch_.push_back({cluster, t});
      return;
    }
    std::iter_swap(known, batch_.end() - 1);
  }
  batch_.back().t = std::min(batch_.back().t, t);
}

uint16_t Changes::cluster_of(SeriesHandle series, const SeriesIndex& index) {
  const auto generation = static_cast<uint16_t>(series.generation);
  if (series.slot >= slots_.size())
    slots_.resize(std::max<size_t>(series.slot + 1, slots_.size() + slots_.size() / 2));
  Slot& slot = slots_[series.slot];
  if (slot.generation == generation) return slot.cluster;
  const std::string cluster = index.label(series.slot, "cluster");
  slot.generation = generation;
  slot.cluster = state_.with([&](State& state) { return id_of(state, cluster); });
  return slot.cluster;
}

uint16_t Changes::id_of(State& state, std::string_view cluster) {
  if (state.histories.empty()) state.histories.emplace_back();
  if (const auto known = state.ids.find(cluster); known != state.ids.end()) return known->second;
  if (state.ids.size() >= kMaxClusters) return kManyClusters;
  const auto id = static_cast<uint16_t>(state.histories.size());
  state.ids.emplace(cluster, id);
  state.histories.emplace_back();
  return id;
}

void Changes::add(History& history, Change change) {
  while (!history.empty() && history.back().oldest >= change.oldest) history.pop_back();
  history.push_back(change);
  if (history.size() <= kMaxHistory) return;
  size_t kept = 0;
  for (size_t i = 0; i + 1 < history.size(); i += 2)
    history[kept++] = {history[i + 1].number, history[i].oldest};
  if (history.size() % 2 == 1) history[kept++] = history.back();
  history.resize(kept);
}

}  // namespace aerie::store
