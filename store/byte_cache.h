#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/guarded.h"

namespace aerie::store {

/// Immutable objects, the least recently used forgotten first. Bounded by bytes as their owner
/// counts them; what is larger than a quarter of the limit is not kept. Thread-safe; a leaf lock
/// (rank 51: docs/threads.md) is held for a look-up only.
template <class Key, class Value>
class ByteCache {
 public:
  using Pointer = std::shared_ptr<const Value>;
  explicit ByteCache(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// Null if it is not here.
  Pointer find(const Key& key) {
    return state_.with([&](State& state) -> Pointer {
      const auto at = state.by_key.find(key);
      if (at == state.by_key.end()) return nullptr;
      state.recent.splice(state.recent.begin(), state.recent, at->second);
      return at->second->value;
    });
  }

  /// Keeps `value` in place of what was there. What is displaced is freed outside the lock.
  void put(const Key& key, Pointer value, size_t bytes) {
    if (bytes > limit_bytes_ / 4) return;
    std::list<Entry> displaced;
    state_.with([&](State& state) {
      const auto remove = [&](typename std::list<Entry>::iterator entry) {
        state.bytes -= entry->bytes;
        state.by_key.erase(entry->key);
        displaced.splice(displaced.begin(), state.recent, entry);
      };
      if (const auto old = state.by_key.find(key); old != state.by_key.end()) remove(old->second);
      state.recent.push_front({key, std::move(value), bytes});
      state.by_key.emplace(key, state.recent.begin());
      state.bytes += bytes;
      while (state.bytes > limit_bytes_) remove(std::prev(state.recent.end()));
    });
  }

  size_t bytes() const {
    return state_.with([](const State& state) { return state.bytes; });
  }

 private:
  struct Entry {
    Key key;
    Pointer value;
    size_t bytes = 0;
  };
  struct State {
    std::list<Entry> recent;  // newest first
    std::unordered_map<Key, typename std::list<Entry>::iterator> by_key;
    size_t bytes = 0;
  };
  const size_t limit_bytes_;
  Guarded<State> state_;
};

}  // namespace aerie::store
