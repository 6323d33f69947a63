#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace aerie::http {

/// The body of an answer that goes on: pieces are sent as they are written (chunked). One producer
/// on any thread, the connection consumes. The connection owns it; a producer keeps a weak pointer
/// and is done when that is empty or write() says no. Thread-safe, lock rank 89.
class BodyStream {
 public:
  static constexpr size_t kMostBytes = 8u << 20;  ///< that wait for a slow client

  /// False: the client is gone, or more than kMostBytes wait for it; then the stream is cut off.
  bool write(std::string_view piece);
  /// The body is complete. Idempotent.
  void end();

  // For the connection.
  /// `wake` is called from any thread when there is something to take.
  void attach(std::function<void()> wake);
  /// What has been written since the last call; may be empty.
  std::string take();
  bool ended() const;
  bool overflowed() const;
  void abandon();

 private:
  mutable std::mutex mutex_;
  std::string waiting_;
  std::function<void()> wake_;
  bool ended_ = false;
  bool overflowed_ = false;
};

}  // namespace aerie::http
