#pragma once

#include <string>

#include "base/result.h"

namespace aerie::http {

struct ListenAddress {
  std::string host;  ///< without brackets; empty means every interface
  std::string port;
};

/// Takes `host:port`, `[v6]:port` and `:port` apart. Errors: InvalidArgument saying which forms
/// there are.
Result<ListenAddress> parse_listen_address(const std::string& text);

/// The error of a failed bind or listen: reason, and what an operator can do about it.
/// `system_error` is an errno.
Error listen_error(const std::string& listen_address, int system_error);

}  // namespace aerie::http
