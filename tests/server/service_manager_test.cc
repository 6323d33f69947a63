#include "server/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdlib>
#include <string>

using namespace aerie;

namespace {

/// Stands in for systemd: a datagram socket under an abstract name of its own.
class Manager {
 public:
  Manager() : name_("@aerie-test-" + std::to_string(getpid())) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name_.copy(address.sun_path, name_.size());
    address.sun_path[0] = '\0';
    descriptor_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    REQUIRE(bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), length) == 0);
  }
  ~Manager() { close(descriptor_); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  const std::string& name() const { return name_; }
  std::string told() const {
    char text[200];
    const ssize_t size = recv(descriptor_, text, sizeof(text), MSG_DONTWAIT);
    return size < 0 ? std::string("nothing") : std::string(text, static_cast<size_t>(size));
  }

 private:
  std::string name_;
  int descriptor_ = -1;
};

}  // namespace

TEST_CASE("the service manager is told over the socket it names") {
  const Manager manager;
  setenv("NOTIFY_SOCKET", manager.name().c_str(), 1);
  REQUIRE(server::notify_service_manager(server::ServiceState::Ready));
  CHECK(manager.told() == "READY=1");
  REQUIRE(server::notify_service_manager(server::ServiceState::Reloading));
  CHECK_THAT(manager.told(), Catch::Matchers::Matches("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  REQUIRE(server::notify_service_manager(server::ServiceState::Stopping));
  CHECK(manager.told() == "STOPPING=1");
  unsetenv("NOTIFY_SOCKET");
  REQUIRE(server::notify_service_manager(server::ServiceState::Ready));
  CHECK(manager.told() == "nothing");
}

TEST_CASE("a service manager that is not there is an error, not an end") {
  setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
  CHECK(server::notify_service_manager(server::ServiceState::Ready).error().code() ==
        ErrorCode::Unavailable);
  setenv("NOTIFY_SOCKET", std::string(200, 'x').c_str(), 1);
  CHECK(server::notify_service_manager(server::ServiceState::Ready).error().code() ==
        ErrorCode::Unavailable);
  unsetenv("NOTIFY_SOCKET");
}
