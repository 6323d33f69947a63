#pragma once

#include <cstdint>
#include <string>

namespace aerie::http::test {

struct TlsRequest {
  std::string bytes;             ///< what is sent
  std::string authority_file;    ///< whose certificates are believed
  std::string certificate_file;  ///< our own; empty: none
  std::string key_file;
};

/// Sends bytes through TLS and returns all that comes back until the server closes; empty if the
/// handshake fails on either side. Gives up after 5 s.
std::string exchange_tls(uint16_t port, const TlsRequest& request);

}  // namespace aerie::http::test
