#include "http/listen_address.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace aerie::http {
namespace {

bool is_port(const std::string& text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::stoi(text) <= 65535;
}

std::string advice(int system_error) {
  switch (system_error) {
    case EADDRINUSE: return "stop the other process or choose another --web.listen-address";
    case EACCES:
      return "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose another "
             "--web.listen-address";
    case EADDRNOTAVAIL:
      return "no interface of this machine has that address; choose another --web.listen-address";
    default: return "choose another --web.listen-address";
  }
}

}  // namespace

Result<ListenAddress> parse_listen_address(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || !is_port(text.substr(colon + 1))) {
    return Error(ErrorCode::InvalidArgument,
                 "--web.listen-address \"" + text +
                     "\" is not host:port, [address]:port or :port with a port up to 65535");
  }
  std::string host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return Error(
        ErrorCode::InvalidArgument,
        "--web.listen-address \"" + text + "\": an IPv6 address stands in brackets, [::1]:9707");
  }
  return ListenAddress{std::move(host), text.substr(colon + 1)};
}

Error listen_error(const std::string& listen_address, int system_error) {
  std::string reason = std::generic_category().message(system_error);
  if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z') reason[0] += 'a' - 'A';
  return {ErrorCode::IoError,
          "listen on " + listen_address + ": " + reason + "; " + advice(system_error)};
}

}  // namespace aerie::http
