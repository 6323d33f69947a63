#include "tests/http/support/tls_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>

namespace aerie::http::test {
namespace {

int connect_to(uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{5, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  return descriptor;
}

std::string exchange(SSL* connection, const std::string& bytes) {
  if (SSL_connect(connection) != 1) return {};
  if (SSL_write(connection, bytes.data(), static_cast<int>(bytes.size())) <= 0) return {};
  std::string answer;
  std::array<char, 4096> buffer{};
  while (true) {
    const int size = SSL_read(connection, buffer.data(), static_cast<int>(buffer.size()));
    if (size <= 0) break;
    answer.append(buffer.data(), static_cast<size_t>(size));
  }
  return answer;
}

}  // namespace

std::string exchange_tls(uint16_t port, const TlsRequest& request) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_load_verify_locations(context, request.authority_file.c_str(), nullptr);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (!request.certificate_file.empty()) {
    SSL_CTX_use_certificate_chain_file(context, request.certificate_file.c_str());
    SSL_CTX_use_PrivateKey_file(context, request.key_file.c_str(), SSL_FILETYPE_PEM);
  }
  SSL* connection = SSL_new(context);
  const int descriptor = connect_to(port);
  SSL_set_fd(connection, descriptor);
  std::string answer = exchange(connection, request.bytes);
  SSL_free(connection);
  ::close(descriptor);
  SSL_CTX_free(context);
  return answer;
}

}  // namespace aerie::http::test
