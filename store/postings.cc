#include "store/postings.h"

#include <algorithm>

namespace aerie::store {

void Postings::add(uint32_t slot) {
  if (many_) {
    many_->add(slot);
    return;
  }
  const auto at = std::lower_bound(few_.begin(), few_.end(), slot);
  if (at != few_.end() && *at == slot) return;
  few_.insert(at, slot);
  if (few_.size() <= kFew) return;
  many_ = std::make_unique<Roaring>(few_.size(), few_.data());
  few_ = {};
}

void Postings::remove(uint32_t slot) {
  if (many_) {
    many_->remove(slot);
    if (many_->isEmpty()) many_.reset();
    return;
  }
  const auto at = std::lower_bound(few_.begin(), few_.end(), slot);
  if (at != few_.end() && *at == slot) few_.erase(at);
}

void Postings::add_to(Roaring& out) const {
  if (many_) out |= *many_;
  if (!few_.empty()) out.addMany(few_.size(), few_.data());
}

}  // namespace aerie::store
