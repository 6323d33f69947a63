#include "base/gate.h"

#include <utility>

namespace aerie {

Gate::Pass& Gate::Pass::operator=(Pass&& other) noexcept {
  if (this != &other) {
    release();
    gate_ = std::exchange(other.gate_, nullptr);
  }
  return *this;
}

void Gate::Pass::release() {
  Gate* gate = std::exchange(gate_, nullptr);
  if (gate == nullptr) return;
  // Notified under the lock: the closer may destroy the gate as soon as it sees zero.
  const std::lock_guard lock(gate->mutex_);
  if (--gate->inside_ == 0) gate->left_.notify_all();
}

Gate::Pass Gate::enter() {
  const std::lock_guard lock(mutex_);
  if (closed_) return {};
  ++inside_;
  return Pass(this);
}

void Gate::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  left_.wait(lock, [this] { return inside_ == 0; });
}

bool Gate::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace aerie
