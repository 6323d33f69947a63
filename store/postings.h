#pragma once

#include <cstdint>
#include <memory>
#include <roaring/roaring.hh>
#include <vector>

namespace aerie::store {

/// A set of slots: a short sorted list while it is small (most label values name few series), a
/// roaring bitmap beyond. A value; not thread-safe.
class Postings {
 public:
  void add(uint32_t slot);
  void remove(uint32_t slot);
  bool empty() const { return few_.empty() && !many_; }
  void add_to(Roaring& out) const;

 private:
  static constexpr size_t kFew = 64;
  std::vector<uint32_t> few_;  // sorted; empty once `many_` is there
  std::unique_ptr<Roaring> many_;
};

}  // namespace aerie::store
