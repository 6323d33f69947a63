#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/web_config.h"

namespace aerie::http {

/// Loads certificates and keys and sets OpenSSL up as the configuration says. Immutable afterwards;
/// shared by the connections that were accepted with it. Errors: InvalidArgument naming the file or
/// setting.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(const TlsConfig& config);

/// The names in the verified certificate of the other side: `dns:…`, `uri:…`, `ip:…`, `email:…` of
/// its subject alternative names, then `cn:…`. None if there is no certificate or nobody verified
/// it.
std::vector<std::string> verified_peer_names(SSL* connection);

/// True if one of `allowed` (plain names) is among the subject alternative names, or if nothing is
/// asked for.
bool has_allowed_san(const std::vector<std::string>& peer_names,
                     const std::vector<std::string>& allowed);

}  // namespace aerie::http
