#pragma once

#include <boost/asio.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace aerie::http {

using Executor = boost::asio::io_context::executor_type;
using Stream = boost::beast::basic_stream<boost::asio::ip::tcp, Executor>;

/// A connection's bytes, with TLS or without: what Asio and Beast read from and write to. Deadlines
/// and the socket are those of plain(). Io thread only.
class Transport {
 public:
  using executor_type = Executor;
  using TlsStream = boost::asio::ssl::stream<Stream&>;

  explicit Transport(Stream plain) : plain_(std::move(plain)) {}
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// From now on bytes are encrypted; the handshake is the caller's. Called once.
  TlsStream& start_tls(std::shared_ptr<boost::asio::ssl::context> context) {
    context_ = std::move(context);
    return tls_.emplace(plain_, *context_);
  }
  TlsStream* tls() { return tls_ ? &*tls_ : nullptr; }
  Stream& plain() { return plain_; }
  const Stream& plain() const { return plain_; }
  executor_type get_executor() { return plain_.get_executor(); }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Token>(token));
    return plain_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Token>(token));
    return plain_.async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  Stream plain_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::optional<TlsStream> tls_;
};

}  // namespace aerie::http
