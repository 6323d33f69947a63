#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace aerie {

/// The only source of time. Thread-safe. Passed in by reference; tests pass a ManualClock.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall clock, milliseconds since the Unix epoch. May jump.
  virtual int64_t now_ms() const = 0;
  /// Monotonic, nanoseconds since an arbitrary point. Never goes back.
  virtual int64_t monotonic_ns() const = 0;
};

class SystemClock final : public Clock {
 public:
  int64_t now_ms() const override;
  int64_t monotonic_ns() const override;
};

/// Stands still until told to move; both faces move together.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t start_ms = 0) : now_ms_(start_ms) {}
  int64_t now_ms() const override { return now_ms_.load(); }
  int64_t monotonic_ns() const override {
    return (now_ms_.load() + kMonotonicOffsetMs) * 1'000'000;
  }
  void advance(std::chrono::milliseconds step) { now_ms_ += step.count(); }
  void set_ms(int64_t now_ms) { now_ms_ = now_ms; }

 private:
  static constexpr int64_t kMonotonicOffsetMs = 1'000'000;
  std::atomic<int64_t> now_ms_;
};

}  // namespace aerie
