#include "base/admission.h"

#include <fmt/core.h>

namespace aerie {

Admission::Permit& Admission::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    release();
    admission_ = std::exchange(other.admission_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void Admission::Permit::release() {
  Admission* admission = std::exchange(admission_, nullptr);
  if (admission == nullptr) return;
  admission->in_flight_.fetch_sub(std::exchange(bytes_, 0), std::memory_order_relaxed);
}

Result<Admission::Permit> Admission::try_acquire(size_t bytes) {
  size_t in_flight = in_flight_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit_bytes_ - in_flight) {
      return Error(ErrorCode::Unavailable,
                   fmt::format("overloaded: in_flight_bytes={} wanted_bytes={} limit_bytes={}",
                               in_flight, bytes, limit_bytes_));
    }
  } while (
      !in_flight_.compare_exchange_weak(in_flight, in_flight + bytes, std::memory_order_relaxed));
  return Permit(*this, bytes);
}

}  // namespace aerie
