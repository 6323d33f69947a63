#pragma once

#include <mutex>
#include <utility>

namespace aerie {

/// A value reachable only while its lock is held. Thread-safe by construction. Ranks of all locks:
/// docs/threads.md. Rule: lock, move out, unlock, work. Nothing slow (I/O, RocksDB, logging,
/// co_await) happens under a lock.
template <class T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  /// Calls `use(T&)` under the lock and returns what it returns.
  template <class Use>
  auto with(Use&& use) {
    const std::lock_guard lock(mutex_);
    return std::forward<Use>(use)(value_);
  }
  /// Calls `use(const T&)` under the lock and returns what it returns.
  template <class Use>
  auto with(Use&& use) const {
    const std::lock_guard lock(mutex_);
    return std::forward<Use>(use)(value_);
  }
  /// A copy taken under the lock.
  T copy() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace aerie
