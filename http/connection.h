#pragma once

#include <atomic>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/clock.h"
#include "base/work_pool.h"
#include "http/cors.h"
#include "http/server.h"
#include "http/server_metrics.h"
#include "http/transport.h"
#include "http/web_access.h"
#include "http/wire.h"

namespace aerie::http {

using Timer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;
template <class T>
using Task = boost::asio::awaitable<T, Executor>;

class Connection;

/// What the connections of one server share. Owned by the server, outlives its connections. Io
/// thread only, but for `io`.
struct ServerContext {
  const Server::Options options;
  std::atomic<const Router*> router;  ///< replaced by Server::use() from any thread
  const CorsPolicy cors;
  const Clock& clock;
  WebAccess& access;
  WorkPool& password_pool;  ///< where bcrypt takes its time
  ServerMetrics metrics;
  std::shared_ptr<boost::asio::io_context> io;
  std::unordered_set<Connection*> connections;
  size_t serving = 0;  ///< of `connections`, without those that are being refused
  bool draining = false;
  std::function<void()> on_drained;  ///< called when the last connection closes while draining
};

/// One client connection: reads a request, has it answered, writes the answer, again. Kept alive by
/// its coroutine alone. Io thread only; answers arrive from other threads by a post.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  enum class Purpose { Serve, Refuse };
  Connection(Stream stream, ServerContext& context, Purpose purpose);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Serves until either side closes.
  static Task<void> serve(std::shared_ptr<Connection> self);
  /// Answers 503 without reading and closes.
  static Task<void> refuse(std::shared_ptr<Connection> self);
  /// Closes at once if no request is being read or answered; else after the answer, because the
  /// context is draining.
  void close_if_idle();
  /// Cancels the running request and closes.
  void abort();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class State { Idle, Busy };
  enum class BodyRead { Whole, TooLarge, Malformed, Gone };

  Task<bool> secure();            // the TLS handshake, if there is to be one; false: it failed
  Task<bool> wait_for_request();  // false: closed or timed out between requests
  Task<bool> serve_one();         // true: the connection can take another request
  Task<BodyRead> read_body();     // into request_.body, at most body_limit_
  Task<BodyRead> read_sized_body();
  Task<bool> send_continue();  // false: the client is gone
  Task<void> call_handler();   // leaves the answer in response_
  Task<bool> write_response();
  Task<void> write_stream(std::shared_ptr<BodyStream> stream);
  Task<void> linger();

  Response answer_unreadable(boost::beast::error_code error) const;
  bool count_read_failure(boost::beast::error_code error);
  void begin_request();  // from parser_ to request_ and the members below
  std::optional<Response> answer_without_handler();
  std::optional<Response> answer_caller();  // 401 or 403; sets password_wanted_
  void hand_over(Responder responder);      // to the handler, after the password if need be
  void merge_parameters();
  Responder make_responder();
  void deliver(Response response);
  void watch_for_disconnect();

  Transport stream_;
  ServerContext& context_;
  const Purpose purpose_;
  Timer answered_;  // never expires; cancelled when the answer is there
  boost::beast::flat_buffer buffer_;
  State state_ = State::Idle;
  bool aborted_ = false;
  bool streaming_ = false;  // an answer that goes on is being written

  // Of this connection: what was in force when it was accepted, and whose certificate it showed.
  std::shared_ptr<const WebSettings> settings_;
  std::vector<std::string> peer_names_;

  // Of the current request:
  std::optional<Parser> parser_;
  Router::Match match_;
  Request request_;
  std::shared_ptr<Cancellation> cancellation_;
  std::string_view query_;  // into request_.target
  std::string origin_;
  size_t body_limit_ = 0;
  bool keep_alive_ = false;
  bool body_unread_ = false;
  bool is_head_ = false;
  bool password_wanted_ = false;
  int64_t began_ns_ = 0;
  std::optional<Response> response_;
};

}  // namespace aerie::http
