#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "cli/write_request.h"
#include "http/client.h"

namespace aerie::cli {

/// Sends history to a running aerie by Remote-Write 1.0, one request at a time. One owner.
class ImportSink {
 public:
  struct Options {
    std::string url;           ///< base URL of the server
    std::string bearer_token;  ///< empty: none
    size_t samples_per_request = 5'000;
    bool keep_going = false;  ///< count refused requests instead of stopping at the first
    std::chrono::seconds patience{300};  ///< how long a server may stay away or busy
    /// How it waits; tests pass their own.
    std::function<void(std::chrono::milliseconds)> wait;
  };
  explicit ImportSink(Options options);

  /// Where samples are put; call offer() after every series or so.
  WriteRequest& request() { return request_; }
  /// Sends when enough has gathered. Errors: InvalidArgument with the server's words when it
  /// refuses samples, Unavailable when it stays away longer than `patience`.
  Status offer();
  /// Sends what is left.
  Status flush();

  uint64_t sent_samples() const { return sent_; }
  uint64_t refused_requests() const { return refused_; }
  const std::string& first_refusal() const { return first_refusal_; }

 private:
  Status deliver(const http::ClientRequest& message);

  const Options options_;
  http::Client client_;
  WriteRequest request_;
  uint64_t sent_ = 0;
  uint64_t refused_ = 0;
  std::string first_refusal_;
};

}  // namespace aerie::cli
