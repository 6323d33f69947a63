#include "http/stream_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <thread>

namespace aerie::http {
namespace {

/// Accepts one connection on a free port, reads the request's head and hands the socket over.
class OneAnswer {
 public:
  explicit OneAnswer(std::function<void(int socket)> answer) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(listen(listener_, 1) == 0);
    socklen_t length = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this, answer = std::move(answer)] {
      const int socket = accept(listener_, nullptr, nullptr);
      char bytes[4096];
      while (request_.find("\r\n\r\n") == std::string::npos) {
        const ssize_t size = recv(socket, bytes, sizeof(bytes), 0);
        if (size <= 0) break;
        request_.append(bytes, static_cast<size_t>(size));
      }
      answer(socket);
      close(socket);
    });
  }
  ~OneAnswer() {
    thread_.join();
    close(listener_);
  }
  const std::string& url() const { return url_; }
  /// Only after the answer has begun.
  const std::string& request() const { return request_; }

 private:
  int listener_ = -1;
  std::string url_;
  std::string request_;
  std::thread thread_;
};

void write_all(int socket, std::string_view text) {
  send(socket, text.data(), text.size(), MSG_NOSIGNAL);
}

struct Heard {
  std::string body;
  int status = 0;
  std::optional<Result<StreamEnd>> end;
};

StreamClient::OnData collect(Heard& heard) {
  return [&heard](int status, std::string_view bytes) {
    heard.status = status;
    heard.body += bytes;
  };
}
StreamClient::OnEnd collect_end(Heard& heard) {
  return [&heard](Result<StreamEnd> end) { heard.end = std::move(end); };
}

TEST_CASE("an answer is taken in while it is still being written") {
  Heard heard;
  std::atomic<bool> first_seen{false};
  OneAnswer server([&](int socket) {
    write_all(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n");
    while (!first_seen) std::this_thread::yield();
    write_all(socket, "7\r\nsecond\n\r\n0\r\n\r\n");
  });
  StreamClient client;
  StreamRequest request;
  request.url = server.url() + "/watch?x=1";
  request.headers.add("Authorization", "Bearer t");
  client.start(request, collect(heard), collect_end(heard));
  while (!heard.end) {
    client.wait(std::chrono::milliseconds(100));
    if (heard.body == "first\n") first_seen = true;
  }
  CHECK(heard.body == "first\nsecond\n");
  CHECK(heard.status == 200);
  REQUIRE(heard.end->ok());
  CHECK((**heard.end).status == 200);
  CHECK_THAT(server.request(), Catch::Matchers::StartsWith("GET /watch?x=1 HTTP/1.1\r\n"));
  CHECK_THAT(server.request(), Catch::Matchers::Contains("Authorization: Bearer t\r\n"));
}

TEST_CASE("a refusal comes with its status, its text and when to come again") {
  Heard heard;
  OneAnswer server([&](int socket) {
    write_all(socket,
              "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\nContent-Length: 4\r\n\r\nlate");
  });
  StreamClient client;
  StreamRequest request;
  request.url = server.url();
  client.start(request, collect(heard), collect_end(heard));
  while (!heard.end) client.wait(std::chrono::milliseconds(100));
  CHECK(heard.body == "late");
  REQUIRE(heard.end->ok());
  CHECK((**heard.end).status == 429);
  CHECK((**heard.end).retry_after == std::chrono::seconds(7));
}

TEST_CASE("a request that was cancelled calls nobody, also from within its own callback") {
  int pieces = 0;
  bool ended = false;
  OneAnswer server([&](int socket) {
    write_all(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    char byte = 0;
    recv(socket, &byte, 1, 0);  // until the client goes away
  });
  StreamClient client;
  StreamRequest request;
  request.url = server.url();
  uint64_t id = 0;
  id = client.start(
      request,
      [&](int, std::string_view) {
        ++pieces;
        client.cancel(id);
      },
      [&](const Result<StreamEnd>&) { ended = true; });
  while (pieces == 0) client.wait(std::chrono::milliseconds(100));
  client.wait(std::chrono::milliseconds(1));
  CHECK(pieces == 1);
  CHECK_FALSE(ended);
}

TEST_CASE("nobody there is an error that names the address and no query") {
  Heard heard;
  StreamClient client;
  StreamRequest request;
  request.url = "http://127.0.0.1:1/api?continue=secret";
  client.start(request, collect(heard), collect_end(heard));
  while (!heard.end) client.wait(std::chrono::milliseconds(100));
  REQUIRE_FALSE(heard.end->ok());
  CHECK(heard.end->error().code() == ErrorCode::Unavailable);
  CHECK_THAT(heard.end->error().message(),
             Catch::Matchers::StartsWith("GET http://127.0.0.1:1/api: "));
}

}  // namespace
}  // namespace aerie::http
