#include "http/connection.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/log.h"
#include "http/body_stream.h"
#include "http/compression.h"
#include "http/tls.h"

namespace aerie::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using ErrorCodeOf = beast::error_code;

constexpr uint32_t kMaxHeaderBytes = 256u << 10;  // long queries come in the URL of a GET
constexpr size_t kFirstReadBytes = 16u << 10;
constexpr size_t kBodyStepBytes = 64u << 10;
constexpr size_t kKeptBufferBytes = 64u << 10;  // per idle connection
// The body of a request that no handler takes is read up to here, so that the connection can be
// kept.
constexpr size_t kUnwantedBodyBytes = 64u << 10;
constexpr size_t kLingerBytes = 4u << 20;
constexpr std::chrono::seconds kLingerTime{1};
constexpr std::chrono::seconds kHandshakeTime{10};
constexpr auto kTask = asio::as_tuple(asio::use_awaitable_t<Executor>{});

std::string remote_address_of(const Stream& stream) {
  ErrorCodeOf error;
  const auto endpoint = stream.socket().remote_endpoint(error);
  if (error) return "unknown";
  const std::string host = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

Response too_large(size_t limit_bytes) {
  return Response::text(413, "request body is larger than " + std::to_string(limit_bytes) +
                                 " bytes, the limit of this endpoint\n");
}

std::string chunk_head(size_t size) { return fmt::format("{:x}\r\n", size); }

Response malformed(std::string_view why) {
  return Response::text(400, "malformed HTTP request: " + std::string(why) + "\n");
}

}  // namespace

Connection::Connection(Stream stream, ServerContext& context, Purpose purpose)
    : stream_(std::move(stream)),
      context_(context),
      purpose_(purpose),
      answered_(*context.io, Timer::time_point::max()),
      settings_(context.access.settings()) {
  context_.connections.insert(this);
  if (purpose_ == Purpose::Refuse) return;
  ++context_.serving;
  context_.metrics.connections.add(1);
}

Connection::~Connection() {
  context_.connections.erase(this);
  if (purpose_ == Purpose::Serve) {
    --context_.serving;
    context_.metrics.connections.add(-1);
  }
  if (context_.draining && context_.connections.empty()) context_.on_drained();
}

Task<bool> Connection::secure() {
  if (settings_->tls == nullptr) co_return true;
  stream_.plain().expires_after(
      std::min<std::chrono::steady_clock::duration>(kHandshakeTime, context_.options.read_timeout));
  auto& tls = stream_.start_tls(settings_->tls);
  const auto [error] = co_await tls.async_handshake(asio::ssl::stream_base::server, kTask);
  if (error) {
    context_.metrics.failed_handshakes.add();
    AERIE_LOG(Debug, "TLS handshake failed", {"peer", remote_address_of(stream_.plain())},
              {"error", error.message()});
    co_return false;
  }
  peer_names_ = verified_peer_names(tls.native_handle());
  const bool wanted = has_allowed_san(peer_names_, settings_->config.tls->client_allowed_sans);
  if (!wanted) context_.metrics.failed_handshakes.add();
  co_return wanted;
}

Task<void> Connection::serve(std::shared_ptr<Connection> self) {
  const bool secured = co_await self->secure();
  bool more = secured;
  while (more && !self->aborted_ && !self->context_.draining) {
    const bool begun = co_await self->wait_for_request();
    if (!begun) break;
    const bool reusable = co_await self->serve_one();
    more = reusable;
  }
  if (auto* tls = self->stream_.tls(); tls != nullptr && !self->aborted_) {
    // So that the client knows that nothing was cut off. Its own goodbye is not waited for long.
    self->stream_.plain().expires_after(kLingerTime);
    [[maybe_unused]] const auto [error] = co_await tls->async_shutdown(kTask);
  }
  self->stream_.plain().close();
}

Task<void> Connection::refuse(std::shared_ptr<Connection> self) {
  const bool secured = co_await self->secure();
  if (!secured) co_return;
  self->response_ = Response::text(
      503, "too many connections: " + std::to_string(self->context_.options.max_connections) +
               " are open, the limit of --web.max-connections\n");
  self->response_->headers.set("Retry-After", "5");
  const bool written = co_await self->write_response();
  if (written) co_await self->linger();
  self->stream_.plain().close();
}

void Connection::close_if_idle() {
  if (state_ == State::Idle) stream_.plain().close();
  if (streaming_) answered_.cancel();  // sees that the context drains
}

void Connection::abort() {
  aborted_ = true;
  if (cancellation_) cancellation_->cancel();
  answered_.cancel();
  stream_.plain().close();
}

Task<bool> Connection::wait_for_request() {
  state_ = State::Idle;
  stream_.plain().expires_after(context_.options.read_timeout);
  if (buffer_.size() == 0) {
    auto space = buffer_.prepare(kFirstReadBytes);
    const auto [error, size] = co_await stream_.async_read_some(space, kTask);
    if (error) co_return false;
    buffer_.commit(size);
  }
  state_ = State::Busy;
  co_return true;
}

Task<bool> Connection::serve_one() {
  stream_.plain().expires_after(context_.options.read_timeout);
  began_ns_ = context_.clock.monotonic_ns();
  match_ = {};
  keep_alive_ = false;
  is_head_ = false;
  origin_.clear();
  response_.reset();
  parser_.emplace();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(boost::none);  // each route has its own; checked when the header is known
  const auto [error, size] =
      co_await beast::http::async_read_header(stream_, buffer_, *parser_, kTask);
  if (error) {
    if (!count_read_failure(error)) co_return false;
    response_ = answer_unreadable(error);
    body_unread_ = true;
  } else {
    begin_request();
    std::optional<Response> early = answer_without_handler();
    const BodyRead body = co_await read_body();
    if (body == BodyRead::Gone) co_return false;
    body_unread_ = body != BodyRead::Whole;
    if (body_unread_ && !early) {
      early =
          body == BodyRead::TooLarge ? too_large(body_limit_) : malformed("broken chunked body");
    }
    if (early) {
      response_ = std::move(early);
    } else {
      co_await call_handler();
    }
  }
  if (!response_) co_return false;
  const bool written = co_await write_response();
  if (written && body_unread_) co_await linger();
  co_return written&& keep_alive_ && !body_unread_;
}

bool Connection::count_read_failure(ErrorCodeOf error) {
  if (error == beast::error::timeout) context_.metrics.read_timeouts.add();
  // Only what the parser refuses is worth an answer; all else means that nobody listens.
  return error.category() == make_error_code(beast::http::error::bad_method).category() &&
         error != beast::http::error::end_of_stream && error != beast::http::error::partial_message;
}

Response Connection::answer_unreadable(ErrorCodeOf error) const {
  if (error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow) {
    return Response::text(431, "request header is larger than " + std::to_string(kMaxHeaderBytes) +
                                   " bytes; send long queries as a POST form\n");
  }
  return malformed(error.message());
}

void Connection::begin_request() {
  const auto& head = parser_->get();
  began_ns_ = context_.clock.monotonic_ns();
  request_ = Request{};
  cancellation_ = request_.cancellation;
  const auto view = [](beast::string_view text) {
    return std::string_view(text.data(), text.size());
  };
  request_.method = parse_method(view(head.method_string()));
  request_.target = view(head.target());
  request_.peer_names = peer_names_;
  password_wanted_ = false;
  request_.remote_address = remote_address_of(stream_.plain());
  for (const auto& field : head) {
    request_.headers.add(view(field.name_string()), view(field.value()));
  }
  origin_ = request_.headers.get("Origin");
  keep_alive_ = head.keep_alive();
  is_head_ = request_.method == Method::Head;

  const Target target = split_target(request_.target);
  query_ = target.query;
  std::string_view path = strip_prefix(target.path, context_.options.route_prefix);
  path = strip_prefix(path, "/prometheus");
  request_.path = percent_decode(path);
  match_ = context_.router.load()->find(request_.method, path);
  body_limit_ = match_.kind == Router::Match::Kind::Found ? match_.options.body_limit_bytes
                                                          : kUnwantedBodyBytes;
}

std::optional<Response> Connection::answer_without_handler() {
  if (request_.path.empty()) return malformed("the target is not a path");
  if (parser_->get().version() >= 11 && !request_.headers.has("Host")) {
    return malformed("the Host header is missing");
  }
  const std::string_view expect = request_.headers.get("Expect");
  if (!expect.empty() && !beast::iequals({expect.data(), expect.size()}, "100-continue")) {
    return Response::text(417, "only Expect: 100-continue is known\n");
  }
  if (request_.method == Method::Options) return Response::no_content();
  if (auto refusal = answer_caller()) return refusal;
  if (match_.kind == Router::Match::Kind::NotFound) {
    return Response::text(404, "404 page not found\n");
  }
  if (match_.kind == Router::Match::Kind::MethodNotAllowed) {
    Response response = Response::text(405, "method not allowed; use " + match_.allow + "\n");
    response.headers.set("Allow", match_.allow);
    return response;
  }
  return std::nullopt;
}

std::optional<Response> Connection::answer_caller() {
  const std::string member = context_.router.load()->member_of(request_);
  const OpenTo open_to = match_.options.open_to_members ? OpenTo::Members : OpenTo::Users;
  AccessDecision decision = decide_access(request_, member, open_to, *settings_, context_.access);
  if (decision.access == Access::Refused) return std::move(decision.refusal);
  password_wanted_ = decision.access == Access::ComputePassword;
  return std::nullopt;
}

Task<Connection::BodyRead> Connection::read_body() {
  if (parser_->is_done()) co_return BodyRead::Whole;
  const auto length = parser_->content_length();
  if (length && *length > body_limit_) co_return BodyRead::TooLarge;
  const bool sent = co_await send_continue();
  if (!sent) co_return BodyRead::Gone;
  if (length) {
    const BodyRead sized = co_await read_sized_body();
    co_return sized;
  }
  parser_->body_limit(body_limit_);
  const auto [error, size] = co_await beast::http::async_read(stream_, buffer_, *parser_, kTask);
  if (error == beast::http::error::body_limit) co_return BodyRead::TooLarge;
  if (error) co_return count_read_failure(error) ? BodyRead::Malformed : BodyRead::Gone;
  request_.body = std::move(parser_->get().body());
  co_return BodyRead::Whole;
}

// Past the parser: it would copy every byte through the buffer.
Task<Connection::BodyRead> Connection::read_sized_body() {
  const size_t length = *parser_->content_length();
  std::string& body = request_.body;
  const size_t buffered = std::min(length, buffer_.size());
  body.assign(static_cast<const char*>(buffer_.data().data()), buffered);
  buffer_.consume(buffered);
  while (body.size() < length) {
    // Grows with what has come: a promised length alone reserves no memory.
    const size_t have = body.size();
    const size_t step = std::min(length - have, std::max(have, kBodyStepBytes));
    body.resize(have + step);
    auto space = asio::buffer(body.data() + have, step);
    const auto [error, size] = co_await asio::async_read(stream_, space, kTask);
    if (error) {
      count_read_failure(error);
      co_return BodyRead::Gone;
    }
  }
  co_return BodyRead::Whole;
}

Task<bool> Connection::send_continue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  const bool wanted =
      parser_->get().version() >= 11 && request_.headers.has("Expect") && buffer_.size() == 0;
  if (!wanted) co_return true;
  auto bytes = asio::buffer(kContinue.data(), kContinue.size());
  const auto [error, size] = co_await asio::async_write(stream_, bytes, kTask);
  co_return !error;
}

void Connection::merge_parameters() {
  const bool has_form = request_.method == Method::Post || request_.method == Method::Put;
  if (has_form && is_form(request_.headers.get("Content-Type"))) {
    request_.params = Parameters::parse(request_.body);
  }
  const Parameters in_url = Parameters::parse(query_);
  for (const auto& [name, value] : in_url.pairs()) request_.params.add(name, value);
}

Task<void> Connection::call_handler() {
  merge_parameters();
  request_.path_params = std::move(match_.path_params);
  stream_.plain().expires_never();
  watch_for_disconnect();
  hand_over(make_responder());
  // The answer comes by a post, so it cannot slip in between the call and this wait.
  [[maybe_unused]] const auto [cancelled] = co_await answered_.async_wait(kTask);
  ErrorCodeOf not_watching;
  if (!aborted_) stream_.plain().socket().cancel(not_watching);
}

void Connection::hand_over(Responder responder) {
  if (!password_wanted_) {
    match_.handler(std::move(request_), std::move(responder));
    return;
  }
  struct Job {
    Request request;
    Responder responder;
  };
  auto job = std::make_shared<Job>(Job{std::move(request_), std::move(responder)});
  auto check = [job, settings = settings_, &access = context_.access, handler = match_.handler] {
    const auto credential = basic_credential(job->request);
    if (credential && access.check(*settings, *credential)) {
      handler(std::move(job->request), std::move(job->responder));
    } else {
      job->responder(ask_for_password());
    }
  };
  if (!context_.password_pool.submit(std::move(check))) {
    Response busy = Response::text(503, "too many passwords are being checked; try again\n");
    busy.headers.set("Retry-After", "2");
    job->responder(std::move(busy));
  }
}

Responder Connection::make_responder() {
  const Coding coding = preferred_coding(request_.headers.get("Accept-Encoding"));
  // Holds the io_context but not the connection: a handler may outlive both the client and the
  // server.
  auto send = [io = context_.io, weak = weak_from_this(), coding](Response response) {
    compress_body(response, coding);
    auto arrive = [weak, response = std::move(response)]() mutable {
      if (const auto self = weak.lock()) self->deliver(std::move(response));
    };
    asio::post(*io, std::move(arrive));
  };
  return Responder(std::move(send));
}

void Connection::deliver(Response response) {
  response_ = std::move(response);
  answered_.cancel();
}

void Connection::watch_for_disconnect() {
  auto readable = [self = shared_from_this(), watched = cancellation_](ErrorCodeOf error) {
    if (error || self->aborted_) return;
    char byte = 0;
    const ssize_t size =
        ::recv(self->stream_.plain().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    const bool nothing_yet =
        size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    // More bytes are the next request of a pipelining client: it is still there, and no longer
    // watched.
    if (size <= 0 && !nothing_yet) {
      watched->cancel();
      if (self->streaming_) self->answered_.cancel();
    }
  };
  stream_.plain().socket().async_wait(asio::socket_base::wait_read, std::move(readable));
}

Task<bool> Connection::write_response() {
  Response& response = *response_;
  context_.cors.apply(origin_, response);
  for (const auto& [name, value] : settings_->config.headers) response.headers.set(name, value);
  const bool closes = !keep_alive_ || body_unread_ || context_.draining || response.stream;
  if (closes) keep_alive_ = false;
  if (purpose_ == Purpose::Serve) {
    const double seconds = static_cast<double>(context_.clock.monotonic_ns() - began_ns_) / 1e9;
    context_.metrics.record(match_.pattern, response.status, seconds);
  }
  const std::string head =
      encode_head(response, closes ? AfterAnswer::Close : AfterAnswer::KeepAlive,
                  context_.clock.now_ms() / 1000);
  if (is_head_ || !may_have_body(response.status)) response.body.clear();
  const std::shared_ptr<BodyStream> stream =
      is_head_ ? nullptr : std::exchange(response.stream, nullptr);

  stream_.plain().expires_after(context_.options.read_timeout);
  const std::array<asio::const_buffer, 2> bytes{asio::buffer(head), asio::buffer(response.body)};
  const auto [error, size] = co_await asio::async_write(stream_, bytes, kTask);
  if (stream && !error) co_await write_stream(stream);
  if (buffer_.capacity() > kKeptBufferBytes && buffer_.size() == 0) buffer_ = {};
  parser_.reset();
  response_.reset();
  cancellation_.reset();
  co_return !error;
}

Task<void> Connection::write_stream(std::shared_ptr<BodyStream> stream) {
  // The wake-up comes by a post, so it cannot slip in between take() and the wait.
  auto wake = [io = context_.io, weak = weak_from_this()] {
    auto arrive = [weak] {
      if (const auto self = weak.lock()) self->answered_.cancel();
    };
    asio::post(*io, std::move(arrive));
  };
  // The connection is closed afterwards: a late wake-up must not disturb another request.
  stream->attach(std::move(wake));
  streaming_ = true;
  const std::shared_ptr<Cancellation> client = cancellation_;
  if (client) watch_for_disconnect();
  bool sound = true;
  while (sound && !aborted_ && !(client && client->cancelled())) {
    const bool last = stream->ended() || context_.draining;
    const std::string piece = stream->take();
    if (!piece.empty()) {
      const std::string length = chunk_head(piece.size());
      const std::array<asio::const_buffer, 3> bytes{asio::buffer(length), asio::buffer(piece),
                                                    asio::buffer("\r\n", 2)};
      stream_.plain().expires_after(context_.options.read_timeout);
      const auto [error, size] = co_await asio::async_write(stream_, bytes, kTask);
      sound = !error;
      stream_.plain().expires_never();
      continue;
    }
    if (last) break;
    stream_.plain().expires_never();
    [[maybe_unused]] const auto [woken] = co_await answered_.async_wait(kTask);
  }
  streaming_ = false;
  const bool cut = stream->overflowed() || aborted_ || (client && client->cancelled());
  stream->abandon();
  ErrorCodeOf not_watching;
  if (!aborted_) stream_.plain().socket().cancel(not_watching);
  if (!sound || cut) co_return;
  auto end = asio::buffer("0\r\n\r\n", 5);
  stream_.plain().expires_after(context_.options.read_timeout);
  [[maybe_unused]] const auto [error, size] = co_await asio::async_write(stream_, end, kTask);
}

// Closing while bytes of the client are unread makes the kernel send a reset, which can destroy the
// answer on its way.
Task<void> Connection::linger() {
  ErrorCodeOf ignored;
  stream_.plain().socket().shutdown(asio::socket_base::shutdown_send, ignored);
  stream_.plain().expires_after(kLingerTime);
  std::string scratch(kFirstReadBytes, '\0');
  size_t total = 0;
  while (total < kLingerBytes) {
    auto space = asio::buffer(scratch);
    const auto [error, size] = co_await stream_.async_read_some(space, kTask);
    if (error) co_return;
    total += size;
  }
}

}  // namespace aerie::http
