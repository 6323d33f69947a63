#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace aerie::store {

/// A growing array whose elements never move: index -> T, for up to 67 million indexes, 256 to a
/// chunk, chunks made on first use. One thread creates, any thread reads at the same time. A reader
/// that learned of an index through an acquire (a lock, a queue, a published length) sees the
/// element that was made before the release.
template <class T>
class SlotDirectory {
 public:
  static constexpr uint32_t kChunk = 256;
  static constexpr uint32_t kMiddle = 256;
  static constexpr uint32_t kTop = 1024;
  static constexpr uint32_t kLimit = kChunk * kMiddle * kTop;

  SlotDirectory() = default;
  SlotDirectory(const SlotDirectory&) = delete;
  SlotDirectory& operator=(const SlotDirectory&) = delete;
  ~SlotDirectory() {
    for (auto& middle_slot : top_) {
      Middle* middle = middle_slot.load(std::memory_order_relaxed);
      if (middle == nullptr) continue;
      for (auto& chunk : *middle) delete chunk.load(std::memory_order_relaxed);
      delete middle;
    }
  }

  /// Creates the chunk if needed. `index < kLimit`. Creator only.
  T& make(uint32_t index) {
    auto& middle_slot = top_[index / (kChunk * kMiddle)];
    Middle* middle = middle_slot.load(std::memory_order_relaxed);
    if (middle == nullptr) {
      middle = new Middle();  // NOLINT: owned by the atomic, freed in the destructor
      bytes_ += sizeof(Middle);
      middle_slot.store(middle, std::memory_order_release);
    }
    auto& chunk_slot = (*middle)[index / kChunk % kMiddle];
    Chunk* chunk = chunk_slot.load(std::memory_order_relaxed);
    if (chunk == nullptr) {
      chunk = new Chunk();  // NOLINT: the same
      bytes_ += sizeof(Chunk);
      chunk_slot.store(chunk, std::memory_order_release);
    }
    return (*chunk)[index % kChunk];
  }
  /// Null if the chunk does not exist.
  T* find(uint32_t index) const {
    if (index >= kLimit) return nullptr;
    const Middle* middle = top_[index / (kChunk * kMiddle)].load(std::memory_order_acquire);
    if (middle == nullptr) return nullptr;
    Chunk* chunk = (*middle)[index / kChunk % kMiddle].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : &(*chunk)[index % kChunk];
  }
  /// Creator only.
  size_t bytes() const { return sizeof(*this) + bytes_; }

 private:
  using Chunk = std::array<T, kChunk>;
  using Middle = std::array<std::atomic<Chunk*>, kMiddle>;
  std::array<std::atomic<Middle*>, kTop> top_{};
  size_t bytes_ = 0;
};

}  // namespace aerie::store
