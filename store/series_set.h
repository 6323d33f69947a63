#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace aerie::store {

/// A set of series numbers 0..size-1 of one partition, one bit each.
class SeriesSet {
 public:
  explicit SeriesSet(uint32_t size = 0) : size_(size), words_((size + 63) / 64) {}
  static SeriesSet all(uint32_t size) {
    SeriesSet set(size);
    set.add_run(0, size);
    return set;
  }

  uint32_t size() const { return size_; }
  void add(uint32_t id) { words_[id / 64] |= uint64_t{1} << (id % 64); }
  /// [first, end), end <= size().
  void add_run(uint32_t first, uint32_t end) {
    for (; first < end && first % 64 != 0; ++first) add(first);
    for (; first + 64 <= end; first += 64) words_[first / 64] = ~uint64_t{0};
    for (; first < end; ++first) add(first);
  }
  bool contains(uint32_t id) const { return (words_[id / 64] >> (id % 64) & 1) != 0; }
  bool empty() const {
    for (const uint64_t word : words_)
      if (word != 0) return false;
    return true;
  }
  uint32_t count() const {
    uint32_t count = 0;
    for (const uint64_t word : words_) count += static_cast<uint32_t>(std::popcount(word));
    return count;
  }
  /// Keeps what is also in `other` (of the same size).
  void intersect(const SeriesSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  void subtract(const SeriesSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
  }
  /// True if one of [first, end) is a member, first < end <= size(). Looks no further.
  bool meets(uint32_t first, uint32_t end) const {
    const size_t last = (end - 1) / 64;
    uint64_t bits = words_[first / 64] & (~uint64_t{0} << (first % 64));
    for (size_t word = first / 64; word < last; bits = words_[++word])
      if (bits != 0) return true;
    return (bits & (~uint64_t{0} >> (63 - (end - 1) % 64))) != 0;
  }
  /// The first member >= id, size() if there is none.
  uint32_t next(uint32_t id) const {
    if (id >= size_) return size_;
    size_t word = id / 64;
    uint64_t bits = words_[word] & (~uint64_t{0} << (id % 64));
    while (bits == 0) {
      if (++word == words_.size()) return size_;
      bits = words_[word];
    }
    return static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(bits)));
  }

 private:
  uint32_t size_;
  std::vector<uint64_t> words_;  // bits from size_ on are zero
};

}  // namespace aerie::store
