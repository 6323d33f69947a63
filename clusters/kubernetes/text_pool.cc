#include "clusters/kubernetes/text_pool.h"

#include <utility>

#include "base/check.h"

namespace aerie::clusters::kubernetes {

TextPool::Id TextPool::hold(std::string_view text) {
  if (text.empty()) return 0;
  if (const auto found = by_text_.find(text); found != by_text_.end()) {
    ++entries_[found->second - 1].holders;
    return found->second;
  }
  Id id = 0;
  if (free_.empty()) {
    entries_.emplace_back();
    id = static_cast<Id>(entries_.size());
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[id - 1];
  entry.text = std::make_unique<const std::string>(text);
  entry.holders = 1;
  by_text_.emplace(*entry.text, id);
  return id;
}

std::optional<TextPool::Id> TextPool::find(std::string_view text) const {
  if (text.empty()) return Id{0};
  const auto found = by_text_.find(text);
  if (found == by_text_.end()) return std::nullopt;
  return found->second;
}

size_t TextPool::bytes() const {
  constexpr size_t kHeapBlock = 16;  // what the allocator adds
  size_t sum = entries_.capacity() * sizeof(Entry) + free_.capacity() * sizeof(Id) +
               by_text_.bucket_count() * (sizeof(std::pair<std::string_view, Id>) + 1);
  for (const Entry& entry : entries_) {
    if (!entry.text) continue;
    sum += sizeof(std::string) + kHeapBlock;
    if (entry.text->capacity() > 15) sum += entry.text->capacity() + 1 + kHeapBlock;
  }
  return sum;
}

void TextPool::release(Id id) {
  if (id == 0) return;
  Entry& entry = entries_[id - 1];
  AERIE_CHECK(entry.holders > 0, "a text is released more often than it was held");
  if (--entry.holders > 0) return;
  by_text_.erase(*entry.text);
  entry.text.reset();
  free_.push_back(id);
}

}  // namespace aerie::clusters::kubernetes
