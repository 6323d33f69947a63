#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace aerie::http {

/// How to talk TLS to one server, and as whom. PEM texts, not file names.
struct TlsPeer {
  std::string authorities;  ///< whose certificates are believed; empty: the system's
  std::string certificate;  ///< our own, with its chain; empty: none is shown
  std::string key;          ///< of `certificate`
  bool verify = true;       ///< false: anybody may answer
};

struct StreamRequest {
  std::string url;  ///< http or https; always GET
  Headers headers;
  std::shared_ptr<const TlsPeer> tls;    ///< null: the system's authorities, no certificate
  std::chrono::milliseconds timeout{0};  ///< of the whole answer; 0: it may go on for ever
};

/// What the other side answered once the body is over.
struct StreamEnd {
  int status = 0;
  std::chrono::seconds retry_after{0};  ///< of its Retry-After header; 0: none
};

/// GET requests whose answers are taken in as they arrive: hundreds of them by one thread, over
/// HTTP/2 all to one server on one connection. Not thread-safe: one thread owns it and calls
/// wait(); all callbacks run there and may start and cancel. A connection that nobody uses for a
/// second is not used again, so that after a pause a dead one is not met a second time.
class StreamClient {
 public:
  /// Part of a body; `status` is that of the answer.
  using OnData = std::function<void(int status, std::string_view bytes)>;
  /// The end, called once. Errors: Unavailable (refused, reset, TLS), DeadlineExceeded,
  /// InvalidArgument (bad URL); the text names the URL without its query.
  using OnEnd = std::function<void(Result<StreamEnd>)>;

  StreamClient();
  ~StreamClient();  ///< cancels what runs

  uint64_t start(const StreamRequest& request, OnData on_data, OnEnd on_end);
  /// Neither callback is called any more. Nothing happens for an id that has ended.
  void cancel(uint64_t id);
  /// Moves data and calls back; returns after `timeout`, or sooner when anything happened.
  void wait(std::chrono::milliseconds timeout);
  /// Ends a wait() that runs. Thread-safe.
  void wake();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aerie::http
