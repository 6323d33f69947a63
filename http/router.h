#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/work_pool.h"
#include "http/message.h"

namespace aerie::http {

/// Answers one request, once, from any thread. Move-only; destroyed unused it answers 500.
class Responder {
 public:
  using Send = std::function<void(Response)>;
  explicit Responder(Send send) : send_(std::move(send)) {}
  Responder(Responder&& other) noexcept : send_(std::exchange(other.send_, nullptr)) {}
  Responder& operator=(Responder&&) = delete;
  ~Responder();
  void operator()(Response response);

 private:
  Send send_;
};

/// Runs on the pool given at registration; may block there.
using BlockingHandler = std::function<Response(const Request&)>;
/// Runs on the io thread: must return at once, and answers later through the responder.
using AsyncHandler = std::function<void(Request, Responder)>;

struct RouteOptions {
  size_t body_limit_bytes = 10u << 20;
  bool open_to_members = false;  ///< clusters may call it with their own credential
};

/// The cluster whose credential a request carries; empty: nobody's. Thread-safe, quick.
using MemberLookup = std::function<std::string(const Request&)>;

/// Which handler answers which path. Filled before the server starts, constant afterwards.
/// A pattern is a literal path with `{name}` segments; `{name...}` as the last segment takes the
/// rest. The most literal wins.
class Router {
 public:
  /// `pool` outlives the router. A full pool answers 503 with Retry-After.
  void blocking(std::initializer_list<Method> methods, std::string_view pattern, WorkPool& pool,
                BlockingHandler handler, RouteOptions options = {});
  void async(std::initializer_list<Method> methods, std::string_view pattern, AsyncHandler handler,
             RouteOptions options = {});

  /// How members are known by their credential; without it nobody is a member.
  void identify_members(MemberLookup lookup) { members_ = std::move(lookup); }
  std::string member_of(const Request& request) const {
    return members_ ? members_(request) : std::string();
  }

  struct Match {
    enum class Kind { Found, NotFound, MethodNotAllowed } kind = Kind::NotFound;
    AsyncHandler handler;  ///< for Found
    RouteOptions options;
    std::string allow;    ///< for MethodNotAllowed: the Allow header
    std::string pattern;  ///< of the route, for metrics; empty for NotFound
    std::map<std::string, std::string, std::less<>> path_params;
  };
  /// `path` as sent, still percent-encoded (so that `%2F` stays inside its segment) and without the
  /// query. HEAD is served by GET handlers. A path that no pattern matches is NotFound.
  Match find(Method method, std::string_view path) const;
  /// All patterns with their methods, sorted: for the documentation test.
  std::vector<std::string> patterns() const;

 private:
  struct Route {
    std::vector<Method> methods;
    std::string pattern;
    std::vector<std::string> segments;
    AsyncHandler handler;
    RouteOptions options;
  };
  void add(std::initializer_list<Method> methods, std::string_view pattern, AsyncHandler handler,
           RouteOptions options);

  std::vector<Route> routes_;
  MemberLookup members_;
};

}  // namespace aerie::http
