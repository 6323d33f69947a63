#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/stream_client.h"

namespace aerie::clusters::kubernetes {

/// Where the API server of one cluster is, and as whom it is asked. A value.
struct ApiAccess {
  std::string server;  ///< https://host:6443, without a slash at the end
  std::shared_ptr<const http::TlsPeer>
      tls;            ///< authorities, and the client certificate if there is one
  std::string token;  ///< of the bearer; empty: none
  std::string
      token_file;  ///< read again before every request, since kubelets rotate it; empty: none
};

/// Reads one context of a kubeconfig: certificate-authority(-data), client-certificate(-data),
/// client-key(-data), token, tokenFile, insecure-skip-tls-verify; file names are relative to its
/// folder. `context` empty: the current one. Errors: NotFound for files, InvalidArgument with the
/// place for anything else, also for logins that need a program (exec, auth-provider), a proxy or a
/// password: give it a token or a certificate of a user that may only read.
Result<ApiAccess> load_kubeconfig(const std::string& path, const std::string& context);
/// The same from text; `path` is what errors and relative names refer to.
Result<ApiAccess> parse_kubeconfig(std::string_view text, const std::string& path,
                                   const std::string& context);

/// Decodes standard base64, whitespace between is passed over. Errors: InvalidArgument.
Result<std::string> decode_base64(std::string_view text);

}  // namespace aerie::clusters::kubernetes
