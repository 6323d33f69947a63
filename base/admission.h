#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "base/result.h"

namespace aerie {

/// Bounds what is in flight by size, not by number: whoever starts a piece of work takes a permit
/// for the memory it will hold and keeps it until the memory is free again. Never waits.
/// Thread-safe, lock-free. Outlives its permits.
class Admission {
 public:
  /// Gives its share back when it goes out of scope.
  class Permit {
   public:
    Permit() = default;
    /// For Admission itself: takes over `bytes` that were counted already.
    Permit(Admission& admission, size_t bytes) : admission_(&admission), bytes_(bytes) {}
    Permit(Permit&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)),
          bytes_(std::exchange(other.bytes_, 0)) {}
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { release(); }
    size_t bytes() const { return bytes_; }
    /// Gives the share back now. Idempotent.
    void release();

   private:
    Admission* admission_ = nullptr;
    size_t bytes_ = 0;
  };

  explicit Admission(size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  /// Takes `bytes`. Errors: Unavailable when that would exceed the limit (even when nothing else is
  /// in flight).
  Result<Permit> try_acquire(size_t bytes);
  size_t in_flight_bytes() const { return in_flight_.load(std::memory_order_relaxed); }
  size_t limit_bytes() const { return limit_bytes_; }

 private:
  const size_t limit_bytes_;
  std::atomic<size_t> in_flight_{0};  // Invariant: <= limit_bytes_, the sum of all living permits
};

}  // namespace aerie
