#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace aerie::http {

class BodyStream;

enum class Method : uint8_t { Get, Head, Post, Put, Delete, Options, Other };
std::string_view method_name(Method method);

/// Header fields; names compare without case, order is kept. A value type.
class Headers {
 public:
  std::string_view get(std::string_view name) const;  ///< first value, or empty
  bool has(std::string_view name) const;
  Headers& set(std::string_view name, std::string_view value);  ///< replaces
  Headers& add(std::string_view name, std::string_view value);
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// Query parameters, and those of a form body before them (as Go's FormValue has it). Repeated
/// names keep their order.
class Parameters {
 public:
  /// Parses `a=1&b=%20x+y`; a bad escape is kept as it came.
  static Parameters parse(std::string_view encoded);
  std::string_view get(std::string_view name) const;  ///< first value, or empty
  bool has(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  void add(std::string name, std::string value) {
    values_.emplace_back(std::move(name), std::move(value));
  }
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return values_; }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

std::string percent_decode(std::string_view text);
std::string percent_encode(std::string_view text);

/// Set when the client has gone away or the server stops; long work looks at it now and then.
/// Thread-safe.
class Cancellation {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

struct Request {
  Method method = Method::Get;
  std::string target;  ///< as sent, with the query
  std::string path;    ///< decoded, without the query
  Parameters params;   ///< of the form body (if its content type says so), then of the URL
  std::map<std::string, std::string, std::less<>>
      path_params;  ///< filled by the router from `{name}`
  Headers headers;
  std::string body;            ///< whole, at most the route's limit; as sent (not decompressed)
  std::string remote_address;  ///< "127.0.0.1:54321"
  /// Names in the client's certificate, if it was verified: `dns:…`, `uri:…`, `cn:…` (http/tls.h).
  std::vector<std::string> peer_names;
  std::shared_ptr<Cancellation> cancellation = std::make_shared<Cancellation>();

  /// The credential after `Authorization: Bearer `, or empty.
  std::string_view bearer_token() const;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  std::shared_ptr<BodyStream> stream;  ///< if set, the body comes from there (http/body_stream.h)

  static Response text(int status, std::string body);  ///< text/plain; charset=utf-8
  static Response json(int status, std::string body);  ///< application/json
  static Response no_content();                        ///< 204
};

}  // namespace aerie::http
