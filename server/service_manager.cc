#include "server/service_manager.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

namespace aerie::server {
namespace {

std::string message_of(ServiceState state) {
  switch (state) {
    case ServiceState::Ready: return "READY=1";
    case ServiceState::Stopping: return "STOPPING=1";
    case ServiceState::Reloading: break;
  }
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // systemd >= 253 tells by it which reload it is
  return fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                     now.tv_sec * 1'000'000 + now.tv_nsec / 1'000);
}

Error system_error(std::string_view what, std::string_view path) {
  return {ErrorCode::Unavailable, fmt::format("{} {}: {}", what, path, std::strerror(errno))};
}

}  // namespace

Status notify_service_manager(ServiceState state) {
  const char* const named = std::getenv("NOTIFY_SOCKET");
  if (named == nullptr || *named == '\0') return {};
  const std::string_view path(named);
  sockaddr_un address{};
  if (path.size() >= sizeof(address.sun_path)) {
    return Error(ErrorCode::Unavailable, fmt::format("NOTIFY_SOCKET {} is too long", path));
  }
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';  // an abstract one
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return system_error("open a socket for", path);
  const std::string message = message_of(state);
  const ssize_t sent = sendto(descriptor, message.data(), message.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), length);
  Status status;
  if (sent < 0) status = system_error("notify the service manager at", path);
  close(descriptor);
  return status;
}

}  // namespace aerie::server
