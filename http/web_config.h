#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace aerie::http {

/// What a server asks of the certificates of its clients; names are those of Go and of
/// exporter-toolkit.
enum class ClientAuth : uint8_t {
  NoClientCert,
  RequestClientCert,           ///< asked for, not checked
  RequireAnyClientCert,        ///< must be there, not checked
  VerifyClientCertIfGiven,     ///< checked if there
  RequireAndVerifyClientCert,  ///< must be there and good
};

struct TlsConfig {
  std::string cert_file;  ///< PEM: the certificate, then its chain
  std::string key_file;
  std::string client_ca_file;
  ClientAuth client_auth = ClientAuth::NoClientCert;
  std::vector<std::string> client_allowed_sans;  ///< one of them must be in a client's certificate
  std::string min_version = "TLS12";             ///< TLS10 to TLS13
  std::string max_version = "TLS13";
  std::vector<std::string> cipher_suites;  ///< Go's names, which are IANA's; up to TLS 1.2
  std::vector<std::string> curve_preferences;
  bool prefer_server_cipher_suites = true;
  bool operator==(const TlsConfig&) const = default;
};

/// The file of `--web.config.file`: TLS, users, headers, in the schema of Prometheus's
/// exporter-toolkit. Relative file names are relative to it.
struct WebConfig {
  std::optional<TlsConfig> tls;
  std::map<std::string, std::string, std::less<>> users;     ///< name to bcrypt hash
  std::vector<std::pair<std::string, std::string>> headers;  ///< set on every answer
  bool operator==(const WebConfig&) const = default;

  /// Errors: InvalidArgument `file:line:column: …`; a key that exporter-toolkit does not know is
  /// one.
  static Result<WebConfig> parse(std::string_view text, const std::string& path);
  /// The same from a file. Errors: also NotFound.
  static Result<WebConfig> load(const std::string& path);
};

}  // namespace aerie::http
