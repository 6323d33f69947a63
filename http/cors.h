#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace aerie::http {

/// Tells browsers which other origins may read answers, as Prometheus's --web.cors.origin does.
/// Immutable, thread-safe.
class CorsPolicy {
 public:
  /// `allowed_origin` is a regular expression that has to match the whole origin. Errors:
  /// InvalidArgument.
  static Result<CorsPolicy> compile(const std::string& allowed_origin);
  CorsPolicy(CorsPolicy&&) noexcept;
  ~CorsPolicy();
  /// Adds the Access-Control headers if `origin` (the request's header) is not empty and allowed.
  void apply(std::string_view origin, Response& response) const;

 private:
  struct State;
  explicit CorsPolicy(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace aerie::http
