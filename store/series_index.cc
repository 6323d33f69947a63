#include "store/series_index.h"

#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "store/byte_io.h"

namespace aerie::store {
namespace {

constexpr size_t kPairBytes = 128;   // beside its value: the pair, its entry by value, its postings
constexpr size_t kSeriesBytes = 80;  // its state, its entry by labels
constexpr size_t kPostingBytes =
    10;  // of a label of a series: the pair's number, its place in postings

}  // namespace

// ------------------------------------------------------------------------------------------------------------
// identity

const SeriesIndex::Name* SeriesIndex::find_name(std::string_view name) const {
  const auto at = name_ids_.find(name);
  return at == name_ids_.end() ? nullptr : &names_[at->second];
}

uint32_t SeriesIndex::intern(std::string_view name, std::string_view value) {
  auto at = name_ids_.find(name);
  if (at == name_ids_.end()) {
    names_.push_back({std::string(name), {}});
    at = name_ids_.emplace(names_.back().name, static_cast<uint32_t>(names_.size() - 1)).first;
  }
  Name& entry = names_[at->second];
  if (const auto known = entry.values.find(value); known != entry.values.end())
    return known->second;
  uint32_t id = 0;
  if (free_pairs_.empty()) {
    id = static_cast<uint32_t>(pairs_.size());
    pairs_.emplace_back();
  } else {
    id = free_pairs_.back();
    free_pairs_.pop_back();
  }
  pairs_[id].name = at->second;
  pairs_[id].value = value;
  bytes_.fetch_add(kPairBytes + value.size(), std::memory_order_relaxed);
  entry.values.emplace(pairs_[id].value, id);
  return id;
}

bool SeriesIndex::same(uint32_t slot, const Key& key) const {
  const SeriesState& state = *states_.find(slot);
  if (state.hash != key.hash) return false;
  const uint32_t* pairs = state.pairs.get();
  uint32_t i = 0;
  for (const model::LabelView& label : key.labels) {
    if (i == pairs[0]) return false;
    const Pair& pair = pairs_[pairs[++i]];
    if (pair.value != label.value || names_[pair.name].name != label.name) return false;
  }
  return i == pairs[0];
}

std::optional<uint32_t> SeriesIndex::find(const model::Labels& labels, uint64_t hash) const {
  const auto at = by_labels_.find(Key{labels, hash});
  return at == by_labels_.end() ? std::nullopt : std::optional(*at);
}

SeriesHandle SeriesIndex::create(uint32_t slot, const model::Labels& labels, uint64_t hash) {
  AERIE_CHECK(slot < SlotDirectory<SeriesState>::kLimit, "too many series");
  SeriesState& state = states_.make(slot);
  const auto n = static_cast<uint32_t>(labels.size());
  state.pairs = std::make_unique<uint32_t[]>(n + 1);
  state.pairs[0] = n;
  uint32_t i = 0;
  for (const model::LabelView& label : labels) {
    const uint32_t pair = intern(label.name, label.value);
    state.pairs[++i] = pair;
    pairs_[pair].slots.add(slot);
  }
  state.hash = hash;
  by_labels_.insert(slot);
  all_.add(slot);
  size_.fetch_add(1, std::memory_order_relaxed);
  version_.fetch_add(1, std::memory_order_release);
  bytes_.fetch_add(kSeriesBytes + n * kPostingBytes, std::memory_order_relaxed);
  const uint32_t generation = state.generation.load(std::memory_order_relaxed) + 1;
  state.generation.store(generation, std::memory_order_release);
  if (slot >= slot_limit_.load(std::memory_order_relaxed))
    slot_limit_.store(slot + 1, std::memory_order_release);
  return {slot, generation};
}

SeriesHandle SeriesIndex::resolve(const model::Labels& labels) {
  const uint64_t hash = labels.hash();
  const auto handle_of = [&](uint32_t slot) {
    return SeriesHandle{slot, states_.find(slot)->generation.load(std::memory_order_relaxed)};
  };
  {
    const std::shared_lock lock(mutex_);
    if (const auto slot = find(labels, hash)) return handle_of(*slot);
  }
  const std::unique_lock lock(mutex_);
  if (const auto slot = find(labels, hash)) return handle_of(*slot);
  uint32_t slot = slot_limit_.load(std::memory_order_relaxed);
  if (!free_slots_.isEmpty()) {
    slot = free_slots_.minimum();
    free_slots_.remove(slot);
  }
  return create(slot, labels, hash);
}

bool SeriesIndex::knows(const model::Labels& labels) const {
  const std::shared_lock lock(mutex_);
  return find(labels, labels.hash()).has_value();
}

SeriesHandle SeriesIndex::define(uint32_t slot, const model::Labels& labels) {
  const std::unique_lock lock(mutex_);
  const uint64_t hash = labels.hash();
  if (const auto old = find(labels, hash)) remove_one(*old);
  const SeriesState* state = states_.find(slot);
  if (state != nullptr && state->pairs) remove_one(slot);
  // Slots between are free until their own definition comes.
  for (uint32_t i = slot_limit_.load(std::memory_order_relaxed); i < slot; ++i) {
    states_.make(i);
    free_slots_.add(i);
  }
  free_slots_.remove(slot);
  return create(slot, labels, hash);
}

void SeriesIndex::remove_one(uint32_t slot) {
  SeriesState& state = states_.make(slot);
  by_labels_.erase(slot);
  for (uint32_t i = 1; i <= state.pairs[0]; ++i) {
    const uint32_t id = state.pairs[i];
    Pair& pair = pairs_[id];
    pair.slots.remove(slot);
    if (!pair.slots.empty()) continue;
    names_[pair.name].values.erase(pair.value);
    bytes_.fetch_sub(kPairBytes + pair.value.size(), std::memory_order_relaxed);
    pair.value = {};
    free_pairs_.push_back(id);
  }
  all_.remove(slot);
  size_.fetch_sub(1, std::memory_order_relaxed);
  version_.fetch_add(1, std::memory_order_release);
  bytes_.fetch_sub(kSeriesBytes + state.pairs[0] * kPostingBytes, std::memory_order_relaxed);
  const uint32_t generation = state.generation.load(std::memory_order_relaxed) + 1;
  state.newest_t = 0;
  state.newest_bits = 0;
  state.column = nullptr;
  state.block = 0;
  state.pair = 0;
  state.has_sample = state.was_histogram = state.defined = state.idle_seen = false;
  state.pairs.reset();
  state.generation.store(generation, std::memory_order_release);
  free_slots_.add(slot);
}

void SeriesIndex::remove(const std::vector<uint32_t>& slots) {
  const std::unique_lock lock(mutex_);
  for (const uint32_t slot : slots) {
    remove_one(slot);
    free_slots_.remove(slot);
    removed_slots_.push_back(slot);
  }
}

void SeriesIndex::reuse_removed() {
  const std::unique_lock lock(mutex_);
  free_slots_.addMany(removed_slots_.size(), removed_slots_.data());
  removed_slots_.clear();
}

bool SeriesIndex::alive(SeriesHandle handle) const {
  const SeriesState* state = states_.find(handle.slot);
  return state != nullptr && (handle.generation & 1) != 0 &&
         state->generation.load(std::memory_order_acquire) == handle.generation;
}

// -----------------------------------------------------------------------------------------------------------
// look-ups

model::Labels SeriesIndex::labels_of(uint32_t slot) const {
  const uint32_t* pairs = states_.find(slot)->pairs.get();
  std::string encoded;
  size_t bytes = 0;
  for (uint32_t i = 1; i <= pairs[0]; ++i) {
    bytes += pairs_[pairs[i]].value.size() + names_[pairs_[pairs[i]].name].name.size() + 4;
  }
  encoded.reserve(bytes);
  for (uint32_t i = 1; i <= pairs[0]; ++i) {
    put_bytes(encoded, names_[pairs_[pairs[i]].name].name);
    put_bytes(encoded, pairs_[pairs[i]].value);
  }
  return model::Labels::from_encoded(encoded);
}

model::Labels SeriesIndex::labels(uint32_t slot) const {
  const std::shared_lock lock(mutex_);
  const SeriesState* state = states_.find(slot);
  return state == nullptr || !state->pairs ? model::Labels() : labels_of(slot);
}

std::string SeriesIndex::label(uint32_t slot, std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const SeriesState* state = states_.find(slot);
  if (state == nullptr || !state->pairs) return {};
  for (uint32_t i = 1; i <= state->pairs[0]; ++i) {
    const Pair& pair = pairs_[state->pairs[i]];
    if (names_[pair.name].name == name) return pair.value;
  }
  return {};
}

/// Slots whose value of the matcher's name matches (`wanted`) or does not. Absent labels are not
/// looked at.
Roaring SeriesIndex::with_value(const model::Matcher& matcher, bool wanted) const {
  Roaring out;
  const Name* name = find_name(matcher.name());
  if (name == nullptr) return out;
  const auto take = [&](const std::string& value) {
    const auto known = name->values.find(value);
    if (known != name->values.end()) pairs_[known->second].slots.add_to(out);
  };
  const bool positive =
      matcher.type() == model::MatchType::Equal || matcher.type() == model::MatchType::Regex;
  if (matcher.type() == model::MatchType::Equal && wanted) {
    take(matcher.value());
  } else if (matcher.type() == model::MatchType::NotEqual && !wanted) {
    take(matcher.value());
  } else if (positive && wanted && !matcher.literal_set().empty()) {
    for (const std::string& value : matcher.literal_set()) take(value);
  } else {
    for (const auto& [value, pair] : name->values) {
      if (matcher.matches(value) == wanted) pairs_[pair].slots.add_to(out);
    }
  }
  return out;
}

Roaring SeriesIndex::matching(const model::Matchers& matchers) const {
  std::optional<Roaring> found;
  for (const model::Matcher& matcher : matchers) {
    if (matcher.matches_empty()) continue;
    Roaring slots = with_value(matcher, true);
    if (found) {
      *found &= slots;
    } else {
      found = std::move(slots);
    }
    if (found->isEmpty()) return {};
  }
  if (!found) found = all_;
  for (const model::Matcher& matcher : matchers) {
    if (matcher.matches_empty()) *found -= with_value(matcher, false);
  }
  return std::move(*found);
}

std::vector<SeriesHandle> SeriesIndex::handles(const model::Matchers& matchers) const {
  const std::shared_lock lock(mutex_);
  const Roaring found = matching(matchers);
  std::vector<SeriesHandle> out;
  out.reserve(found.cardinality());
  for (const uint32_t slot : found)
    out.push_back({slot, states_.find(slot)->generation.load(std::memory_order_relaxed)});
  return out;
}

std::vector<SeriesIndex::Match> SeriesIndex::describe(
    const std::vector<SeriesHandle>& handles) const {
  const std::shared_lock lock(mutex_);
  std::vector<Match> out;
  out.reserve(handles.size());
  for (const SeriesHandle handle : handles)
    if (alive(handle)) out.push_back({handle, labels_of(handle.slot)});
  return out;
}

std::vector<uint32_t> SeriesIndex::slots(const model::Matchers& matchers) const {
  const std::shared_lock lock(mutex_);
  const Roaring found = matching(matchers);
  std::vector<uint32_t> out(found.cardinality());
  found.toUint32Array(out.data());
  return out;
}

std::vector<std::string> SeriesIndex::label_names(const model::Matchers& matchers) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::string> out;
  if (matchers.empty()) {
    for (const Name& name : names_) {
      if (!name.values.empty()) out.push_back(name.name);
    }
    return out;
  }
  std::vector<bool> seen(names_.size());
  for (const uint32_t slot : matching(matchers)) {
    const uint32_t* pairs = states_.find(slot)->pairs.get();
    for (uint32_t i = 1; i <= pairs[0]; ++i) seen[pairs_[pairs[i]].name] = true;
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    if (seen[i]) out.push_back(names_[i].name);
  }
  return out;
}

std::vector<std::string> SeriesIndex::label_values(std::string_view name,
                                                   const model::Matchers& matchers) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::string> out;
  const Name* entry = find_name(name);
  if (entry == nullptr) return out;
  if (matchers.empty()) {
    for (const auto& [value, pair] : entry->values) out.emplace_back(value);
    return out;
  }
  const uint32_t id = static_cast<uint32_t>(name_ids_.find(name)->second);
  std::unordered_set<uint32_t> seen;
  for (const uint32_t slot : matching(matchers)) {
    const uint32_t* pairs = states_.find(slot)->pairs.get();
    for (uint32_t i = 1; i <= pairs[0]; ++i) {
      if (pairs_[pairs[i]].name == id && seen.insert(pairs[i]).second)
        out.push_back(pairs_[pairs[i]].value);
    }
  }
  return out;
}

}  // namespace aerie::store
