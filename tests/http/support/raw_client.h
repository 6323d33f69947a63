#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace aerie::http {

/// A bare TCP client that sends what it is told and reads answers one by one. Every read gives up
/// after 5 s.
class RawClient {
 public:
  explicit RawClient(uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes);
  /// Head and body (by Content-Length, none for `head_only`); nothing if the server closed or
  /// stayed silent.
  std::optional<Response> read_response(bool head_only = false);
  /// Exactly so many bytes of what comes next; fewer if the server closed or stayed silent.
  std::string read_bytes(size_t size);
  /// True if the server has closed, or closes within 5 s without sending another byte.
  bool is_closed();
  /// Closes with a reset, as a killed process does.
  void vanish();

 private:
  bool fill();
  int descriptor_ = -1;
  std::string buffer_;
};

}  // namespace aerie::http
