#include "tests/http/support/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/check.h"

namespace aerie::http {

RawClient::RawClient(uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
  const timeval patience{5, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int failed =
      ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  AERIE_CHECK(failed == 0, "the server under test does not listen");
}

RawClient::~RawClient() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server has closed: what it said before is what counts
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool RawClient::fill() {
  char chunk[16 << 10];
  const ssize_t size = ::recv(descriptor_, chunk, sizeof chunk, 0);
  if (size <= 0) return false;
  buffer_.append(chunk, static_cast<size_t>(size));
  return true;
}

std::optional<Response> RawClient::read_response(bool head_only) {
  size_t end = std::string::npos;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  const std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);

  Response response;
  response.status = std::atoi(head.c_str() + sizeof "HTTP/1.1");
  size_t line = head.find("\r\n") + 2;
  while (line < head.size()) {
    const size_t line_end = head.find("\r\n", line);
    const size_t colon = head.find(": ", line);
    response.headers.add(head.substr(line, colon - line),
                         head.substr(colon + 2, line_end - colon - 2));
    line = line_end + 2;
  }
  const std::string length(response.headers.get("Content-Length"));
  const size_t size = head_only || length.empty() ? 0 : std::stoul(length);
  while (buffer_.size() < size) {
    if (!fill()) return std::nullopt;
  }
  response.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return response;
}

std::string RawClient::read_bytes(size_t size) {
  while (buffer_.size() < size && fill()) continue;
  std::string bytes = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return bytes;
}

bool RawClient::is_closed() {
  if (!buffer_.empty()) return false;
  char byte = 0;
  const ssize_t size = ::recv(descriptor_, &byte, 1, 0);
  return size == 0 || (size < 0 && errno == ECONNRESET);
}

void RawClient::vanish() {
  const linger reset{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  ::close(descriptor_);
  descriptor_ = -1;
}

}  // namespace aerie::http
