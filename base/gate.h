#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace aerie {

/// How every component stops: refuse new work, then wait for the work that is inside. Thread-safe.
class Gate {
 public:
  /// Leaves the gate when it goes out of scope. Empty (false) if the gate was closed.
  class Pass {
   public:
    Pass() = default;
    explicit Pass(Gate* gate) : gate_(gate) {}
    Pass(Pass&& other) noexcept : gate_(other.gate_) { other.gate_ = nullptr; }
    Pass& operator=(Pass&& other) noexcept;
    ~Pass() { release(); }
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    void release();
    Gate* gate_ = nullptr;
  };

  /// Enters, or returns an empty pass when the gate is closed.
  [[nodiscard]] Pass enter();
  /// Refuses newcomers and blocks until everybody inside has left. Idempotent.
  void close();
  bool closed() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable left_;
  size_t inside_ = 0;
  bool closed_ = false;
};

}  // namespace aerie
