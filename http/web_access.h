#pragma once

#include <boost/asio/ssl/context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "http/message.h"
#include "http/web_config.h"

namespace aerie::http {

/// A version of the web configuration in force. Immutable.
struct WebSettings {
  WebConfig config;
  std::shared_ptr<boost::asio::ssl::context> tls;  ///< null: plain HTTP
};

/// Name and password of `Authorization: Basic`, if there are any.
struct BasicCredential {
  std::string name;
  std::string password;
};
std::optional<BasicCredential> basic_credential(const Request& request);

/// The answer to who should have said who he is.
Response ask_for_password();

/// Keeps the web configuration up to date: when the file or one of the certificates in it has
/// changed, the next connection gets the new ones; if they are bad, the old ones stay and the log
/// says so. Also knows which passwords are right. Thread-safe, lock rank 88.
class WebAccess {
 public:
  /// `path` empty: plain HTTP without users. `clock` outlives it. Errors: those of
  /// WebConfig::load() and make_tls_context().
  static Result<std::unique_ptr<WebAccess>> open(std::string path, const Clock& clock);

  /// What is in force. Looks at the files at most once a second.
  std::shared_ptr<const WebSettings> settings();

  /// What is known about a password without computing.
  enum class Password { Right, Wrong, Unknown };
  Password recall(const WebSettings& settings, const BasicCredential& credential) const;
  /// Computes a bcrypt hash, which is meant to be slow (0.1 s): not for the io thread. Remembers
  /// the answer.
  bool check(const WebSettings& settings, const BasicCredential& credential);

 private:
  struct State {
    std::shared_ptr<const WebSettings> settings;
    std::string stamp;  // sizes and times of the files that it was made from
    int64_t looked_ns = 0;
    std::map<std::string, bool, std::less<>> passwords;  // by a hash of all that decides
  };
  WebAccess(std::string path, const Clock& clock) : path_(std::move(path)), clock_(clock) {}
  std::string stamp_of(const WebConfig& config) const;
  Result<std::shared_ptr<const WebSettings>> load() const;

  const std::string path_;
  const Clock& clock_;
  Guarded<State> state_;
};

/// Whom a route is for besides users.
enum class OpenTo : uint8_t {
  Users,    ///< nobody else
  Members,  ///< clusters, with their own credential
};

enum class Access : uint8_t { Granted, Refused, ComputePassword };
struct AccessDecision {
  Access access = Access::Granted;
  Response refusal;  ///< for Refused: 401, or 403 to a cluster that wants more than it may
};

/// Decides whether a request may reach its handler. `member` names the cluster whose credential the
/// request carries, empty: none. A cluster's credential stands in for a password on routes open to
/// members, and is refused everywhere else.
AccessDecision decide_access(const Request& request, const std::string& member, OpenTo open_to,
                             const WebSettings& settings, const WebAccess& access);

}  // namespace aerie::http
