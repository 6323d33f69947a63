#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"

namespace aerie {

/// What kind of failure it was. HTTP status codes, exit codes and retries are chosen from it, never
/// from the text.
enum class ErrorCode : uint8_t {
  InvalidArgument,    ///< the caller's input can never succeed (400)
  Unauthenticated,    ///< no or unknown credential (401)
  PermissionDenied,   ///< known caller, forbidden action (403)
  NotFound,           ///< the named thing does not exist (404)
  AlreadyExists,      ///< the thing to create exists, or is held by somebody else (409)
  Execution,          ///< a valid query failed while it ran (422)
  ResourceExhausted,  ///< a limit that an operator can raise (429, or 422 for queries)
  Cancelled,          ///< the caller went away (499)
  Internal,           ///< a bug, or an error nobody foresaw (500)
  Unavailable,        ///< try again later: starting, stopping, overloaded, disk full (503)
  DeadlineExceeded,   ///< took longer than allowed (503)
  Corruption,         ///< bytes on disk or on the wire are not what their checksum or grammar says
  IoError,            ///< the operating system refused a read, write or sync
};

/// The snake_case name of a code, as it stands in logs and metrics.
std::string_view error_code_name(ErrorCode code);

/// A failure: a code for machines and a text for the operator. A value type; cheap to move.
class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  /// Puts what was being done before the text: `open store: lock is held by pid=17`.
  [[nodiscard]] Error with(std::string_view context) &&;

 private:
  ErrorCode code_;
  std::string message_;
};

/// A value or the reason why there is none. Reading the wrong side aborts. Not thread-safe, like
/// any value.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return checked_value(); }
  const T& value() const& { return const_cast<Result*>(this)->checked_value(); }
  T&& value() && { return std::move(checked_value()); }
  T& operator*() & { return checked_value(); }
  const T& operator*() const& { return const_cast<Result*>(this)->checked_value(); }
  T&& operator*() && { return std::move(checked_value()); }
  T* operator->() { return &checked_value(); }
  const T* operator->() const { return &const_cast<Result*>(this)->checked_value(); }

  Error& error() & { return checked_error(); }
  const Error& error() const& { return const_cast<Result*>(this)->checked_error(); }
  Error&& error() && { return std::move(checked_error()); }

  /// Drops a failure audibly: `why` is for the reader of the code.
  void ignore([[maybe_unused]] std::string_view why) const {}

 private:
  T& checked_value() {
    AERIE_CHECK(state_.index() == 0, "value() of a failed Result");
    return *std::get_if<0>(&state_);
  }
  Error& checked_error() {
    AERIE_CHECK(state_.index() == 1, "error() of a successful Result");
    return *std::get_if<1>(&state_);
  }
  std::variant<T, Error> state_;
};

/// Success, or the reason of the failure. `return {};` is success.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }

  Error& error() & { return checked_error(); }
  const Error& error() const& { return const_cast<Result*>(this)->checked_error(); }
  Error&& error() && { return std::move(checked_error()); }

  /// Drops a failure audibly: `why` is for the reader of the code.
  void ignore([[maybe_unused]] std::string_view why) const {}

 private:
  Error& checked_error() {
    AERIE_CHECK(error_.has_value(), "error() of a successful Status");
    return *error_;
  }
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace aerie
