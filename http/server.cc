#include "http/server.h"

#include <pthread.h>

#include <exception>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "http/connection.h"
#include "http/listen_address.h"

namespace aerie::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;

constexpr size_t kMaxRefusing =
    64;  // connections that are being told 503; more are dropped unanswered
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr auto kTask = asio::as_tuple(asio::use_awaitable_t<Executor>{});

/// Where to bind: every interface (IPv6 and IPv4 in one socket) first if no host is named.
Result<std::vector<tcp::endpoint>> candidate_endpoints(const std::string& listen_address) {
  auto parsed = parse_listen_address(listen_address);
  if (!parsed) return std::move(parsed).error();
  const auto port = static_cast<uint16_t>(std::stoi(parsed->port));
  if (parsed->host.empty())
    return std::vector{tcp::endpoint(tcp::v6(), port), tcp::endpoint(tcp::v4(), port)};

  asio::io_context io;
  tcp::resolver resolver(io);
  boost::system::error_code error;
  std::vector<tcp::endpoint> found;
  for (const auto& entry :
       resolver.resolve(parsed->host, parsed->port, tcp::resolver::passive, error)) {
    found.push_back(entry.endpoint());
  }
  if (error || found.empty()) {
    return Error(ErrorCode::IoError, "listen on " + listen_address + ": host " + parsed->host +
                                         " does not resolve (" + error.message() +
                                         "); choose another --web.listen-address");
  }
  return found;
}

boost::system::error_code bind_and_listen(Acceptor& acceptor, const tcp::endpoint& endpoint) {
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && endpoint.address().is_v6() && endpoint.address().is_unspecified()) {
    acceptor.set_option(asio::ip::v6_only(false), error);
  }
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    boost::system::error_code ignored;
    acceptor.close(ignored);
  }
  return error;
}

/// Owns the io thread and, through it, all connections. stop() may be called from any thread but
/// that one.
class BeastServer final : public Server {
 public:
  BeastServer(Options options, const Router& router, CorsPolicy cors,
              std::unique_ptr<WebAccess> access, MetricRegistry& registry)
      : access_(std::move(access)),
        io_(std::make_shared<asio::io_context>(1)),
        acceptor_(*io_),
        work_(asio::make_work_guard(*io_)),
        context_{.options = std::move(options),
                 .router = &router,
                 .cors = std::move(cors),
                 .clock = clock_,
                 .access = *access_,
                 .password_pool = password_pool_,
                 .metrics = ServerMetrics(registry),
                 .io = io_,
                 .connections = {},
                 .serving = 0,
                 .draining = false,
                 .on_drained = [this] { tell_drained(); }} {}
  ~BeastServer() override { stop(std::chrono::milliseconds(0)); }

  Status listen() {
    auto endpoints = candidate_endpoints(context_.options.listen_address);
    if (!endpoints) return std::move(endpoints).error();
    boost::system::error_code error;
    for (const tcp::endpoint& endpoint : *endpoints) {
      error = bind_and_listen(acceptor_, endpoint);
      if (!error) break;
      if (error == asio::error::address_in_use)
        break;  // the next family may be free, but that would surprise
    }
    if (error) return listen_error(context_.options.listen_address, error.value());
    port_ = acceptor_.local_endpoint(error).port();
    return {};
  }

  void run() {
    asio::co_spawn(*io_, accept_connections(this), log_failure("accepting connections"));
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "http-io");
      io_->run();
    });
  }

  uint16_t port() const override { return port_; }

  void use(const Router& router) override { context_.router = &router; }

  void stop(std::chrono::milliseconds grace) override {
    const std::lock_guard lock(
        stop_mutex_);  // held while waiting: a second caller returns when all is stopped
    if (!thread_.joinable()) return;
    asio::post(*io_, [this] { drain(); });
    drained_.get_future().wait_for(grace);
    asio::post(*io_, [this] { abort_all(); });
    work_.reset();
    thread_.join();  // returns when no connection is left, for nothing else keeps the loop busy
  }

 private:
  // By pointer and static: a coroutine takes its parameters by value, and the server outlives its
  // io thread.
  static Task<void> accept_connections(BeastServer* self) {
    while (self->acceptor_.is_open()) {
      auto [error, socket] = co_await self->acceptor_.async_accept(kTask);
      if (error == asio::error::operation_aborted) co_return;
      if (error) {
        AERIE_LOG(Warn, "cannot accept a connection", {"reason", error.message()});
        Timer pause(*self->io_, kAcceptPause);  // out of descriptors, most likely: do not spin
        [[maybe_unused]] const auto [elapsed] = co_await pause.async_wait(kTask);
        continue;
      }
      self->admit(Stream(std::move(socket)));
    }
  }

  static std::function<void(std::exception_ptr)> log_failure(const char* what) {
    return [what](std::exception_ptr failure) {
      try {
        if (failure) std::rethrow_exception(failure);
      } catch (const std::exception& error) {
        AERIE_LOG(Error, "a connection ended by an exception", {"while", what},
                  {"error", error.what()});
      }
    };
  }

  void admit(Stream stream) {
    boost::system::error_code ignored;
    stream.socket().set_option(tcp::no_delay(true), ignored);
    if (context_.serving < context_.options.max_connections) {
      auto connection =
          std::make_shared<Connection>(std::move(stream), context_, Connection::Purpose::Serve);
      asio::co_spawn(*io_, Connection::serve(std::move(connection)), log_failure("serving"));
      return;
    }
    context_.metrics.refused_connections.add();
    if (context_.connections.size() - context_.serving >= kMaxRefusing) return;
    auto connection =
        std::make_shared<Connection>(std::move(stream), context_, Connection::Purpose::Refuse);
    asio::co_spawn(*io_, Connection::refuse(std::move(connection)), log_failure("refusing"));
  }

  void tell_drained() {
    // More than once: a connection may have been accepted just before the gate closed.
    if (!std::exchange(told_drained_, true)) drained_.set_value();
  }

  void drain() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    context_.draining = true;
    if (context_.connections.empty()) context_.on_drained();
    for (Connection* connection : context_.connections) connection->close_if_idle();
  }

  void abort_all() {
    context_.on_drained = [] {};
    for (Connection* connection : context_.connections) connection->abort();
  }

  const SystemClock clock_;
  const std::unique_ptr<WebAccess> access_;
  WorkPool password_pool_{{.name = "password", .threads = 1, .queue_limit = 64}};
  std::shared_ptr<asio::io_context> io_;
  Acceptor acceptor_;
  asio::executor_work_guard<Executor> work_;
  std::promise<void> drained_;
  bool told_drained_ = false;  // io thread only
  ServerContext context_;
  uint16_t port_ = 0;
  std::mutex stop_mutex_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Options options, const Router& router,
                                              MetricRegistry& metrics) {
  auto cors = CorsPolicy::compile(options.cors_origin);
  if (!cors) return std::move(cors).error();
  while (options.route_prefix.ends_with('/')) options.route_prefix.pop_back();
  static const SystemClock kClock;
  auto access = WebAccess::open(options.web_config_file, kClock);
  if (!access) return std::move(access).error();
  auto server = std::make_unique<BeastServer>(std::move(options), router, std::move(*cors),
                                              std::move(*access), metrics);
  auto listening = server->listen();
  if (!listening) return std::move(listening).error();
  server->run();
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace aerie::http
