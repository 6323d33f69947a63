#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/unordered/unordered_flat_set.hpp>

#include "model/labels.h"
#include "model/matcher.h"
#include "store/head_block.h"
#include "store/postings.h"
#include "store/slot_directory.h"
#include "store/write_batch.h"

namespace aerie::store {

/// What the applier remembers of a series, beside its identity. One cache line.
struct SeriesState {
  // Written by the applier only, read by nobody else.
  model::TimestampMs newest_t = 0;
  uint64_t newest_bits = 0;
  Column* column = nullptr;  // in the block called `block`
  uint32_t block = 0;        // serial; 0: none
  uint32_t pair = 0;         // index + 1 into the head's pair states; 0: none
  bool has_sample = false;
  bool was_histogram = false;
  bool defined = false;    // its definition is in the log
  bool idle_seen = false;  // the last sweep found it without any sample
  // Written under the index's lock.
  uint64_t hash = 0;                    // of the labels
  std::atomic<uint32_t> generation{0};  // odd: alive; counts up at creation and removal
  std::unique_ptr<uint32_t[]> pairs;    // [n, pair ids by label order]
};

/// Who is in the head: labels <-> slot, and which slots carry a label pair. Label pairs are
/// interned; a series costs four bytes a label. Thread-safe; a reader-writer lock (rank:
/// docs/threads.md) is held for look-ups, never across I/O.
class SeriesIndex {
 public:
  struct Match {
    SeriesHandle handle;
    model::Labels labels;
  };

  SeriesIndex() : by_labels_(0, SlotHash{this}, SlotEqual{this}) {}
  SeriesIndex(const SeriesIndex&) = delete;
  SeriesIndex& operator=(const SeriesIndex&) = delete;

  /// Finds or creates. O(labels).
  SeriesHandle resolve(const model::Labels& labels);
  bool knows(const model::Labels& labels) const;
  /// For replays: `labels` get exactly this slot. Whoever had the slot or the labels is removed.
  SeriesHandle define(uint32_t slot, const model::Labels& labels);
  /// Frees slots; their handles become stale. They are given away again after reuse_removed().
  /// Applier only.
  void remove(const std::vector<uint32_t>& slots);
  /// After a checkpoint in the log: so an id means one series between two checkpoints, and damage
  /// in between costs the damaged records only.
  void reuse_removed();

  /// Counts series that came or went: equal numbers, equal series.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }
  /// Series that match all matchers, by ascending slot.
  std::vector<SeriesHandle> handles(const model::Matchers& matchers) const;
  /// Those of them that are still alive, with their labels, in the same order.
  std::vector<Match> describe(const std::vector<SeriesHandle>& handles) const;
  /// Slots only, without copying labels.
  std::vector<uint32_t> slots(const model::Matchers& matchers) const;
  /// Distinct names, or values of one name, of these series (all of them if `matchers` is empty).
  /// Not sorted.
  std::vector<std::string> label_names(const model::Matchers& matchers) const;
  std::vector<std::string> label_values(std::string_view name,
                                        const model::Matchers& matchers) const;
  model::Labels labels(uint32_t slot) const;
  /// The value of one label, empty if absent.
  std::string label(uint32_t slot, std::string_view name) const;

  /// Null if there never was such a slot.
  SeriesState* state(uint32_t slot) const { return states_.find(slot); }
  bool alive(SeriesHandle handle) const;
  /// Slots handed out so far are below this.
  uint32_t slot_limit() const { return slot_limit_.load(std::memory_order_acquire); }
  uint64_t size() const { return size_.load(std::memory_order_relaxed); }
  /// Memory, about.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Name {
    std::string name;
    std::unordered_map<std::string_view, uint32_t> values;  // value -> pair; views into pairs_
  };
  struct Pair {
    uint32_t name = 0;
    std::string value;
    Postings slots;
  };

  /// Slots are found by their labels without keeping the labels twice.
  struct Key {
    const model::Labels& labels;
    uint64_t hash;
  };
  struct SlotHash {
    using is_transparent = void;
    const SeriesIndex* index;
    size_t operator()(uint32_t slot) const { return index->states_.find(slot)->hash; }
    size_t operator()(const Key& key) const { return key.hash; }
  };
  struct SlotEqual {
    using is_transparent = void;
    const SeriesIndex* index;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(const Key& key, uint32_t slot) const { return index->same(slot, key); }
    bool operator()(uint32_t slot, const Key& key) const { return index->same(slot, key); }
  };

  const Name* find_name(std::string_view name) const;
  uint32_t intern(std::string_view name, std::string_view value);
  SeriesHandle create(uint32_t slot, const model::Labels& labels, uint64_t hash);
  std::optional<uint32_t> find(const model::Labels& labels, uint64_t hash) const;
  bool same(uint32_t slot, const Key& key) const;
  model::Labels labels_of(uint32_t slot) const;
  void remove_one(uint32_t slot);
  Roaring matching(const model::Matchers& matchers) const;
  Roaring with_value(const model::Matcher& matcher, bool wanted) const;

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string_view, uint32_t> name_ids_;  // views into names_
  std::deque<Name> names_;
  std::deque<Pair> pairs_;
  std::vector<uint32_t> free_pairs_;
  boost::unordered_flat_set<uint32_t, SlotHash, SlotEqual> by_labels_;
  Roaring all_;
  Roaring free_slots_;
  std::vector<uint32_t> removed_slots_;  // free after the next checkpoint
  SlotDirectory<SeriesState> states_;
  std::atomic<uint32_t> slot_limit_{0};
  std::atomic<uint64_t> size_{0};
  std::atomic<uint64_t> version_{0};
  std::atomic<size_t> bytes_{0};
};

}  // namespace aerie::store
