#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/message.h"

namespace aerie::http {

struct ClientRequest {
  Method method = Method::Get;
  std::string url;
  Headers headers;
  std::string body;
  std::chrono::milliseconds timeout{10'000};
  /// When set and cancelled, the request ends within about a second with Cancelled. May be null.
  std::shared_ptr<const Cancellation> cancellation;
};

/// Blocking HTTP client on libcurl with kept-alive connections. Thread-safe; call it from a pool,
/// never from the io thread.
class Client {
 public:
  Client();
  ~Client();
  /// Any status is a success of the transport. Errors: Unavailable (refused, reset, unresolved),
  /// DeadlineExceeded, InvalidArgument (bad URL); the text names the URL without credentials.
  Result<Response> send(const ClientRequest& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aerie::http
