#include "http/body_stream.h"

#include <utility>

namespace aerie::http {

bool BodyStream::write(std::string_view piece) {
  std::function<void()> wake;
  bool taken = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return false;
    if (waiting_.size() + piece.size() > kMostBytes) {
      overflowed_ = ended_ = true;
    } else {
      waiting_ += piece;
      taken = true;
    }
    wake = wake_;
  }
  if (wake) wake();
  return taken;
}

void BodyStream::end() {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    wake = wake_;
  }
  if (wake) wake();
}

void BodyStream::attach(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

std::string BodyStream::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waiting_, {});
}

bool BodyStream::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

bool BodyStream::overflowed() const {
  const std::lock_guard lock(mutex_);
  return overflowed_;
}

void BodyStream::abandon() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  wake_ = nullptr;
  waiting_.clear();
}

}  // namespace aerie::http
