#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"

namespace aerie::http {

/// The parts of a request target. Views into it.
struct Target {
  std::string_view path;  ///< still encoded, begins with a slash; "*" for `OPTIONS *`; empty if the
                          ///< target is malformed
  std::string_view query;  ///< without the question mark
};

/// Takes `/a/b?x=1` and the absolute form `http://host/a/b?x=1` of proxies apart.
Target split_target(std::string_view target);

/// Removes `prefix` ("/x", no slash at its end; empty removes nothing) from the front of a path,
/// whole segments only.
std::string_view strip_prefix(std::string_view path, std::string_view prefix);

Method parse_method(std::string_view name);

/// True for `application/x-www-form-urlencoded`, with parameters or without.
bool is_form(std::string_view content_type);

enum class AfterAnswer { KeepAlive, Close };

/// Status line and header fields with the empty line at their end. `now_s` (Unix seconds) becomes
/// Date. Line breaks inside a field value become spaces, so that no value can add a field.
std::string encode_head(const Response& response, AfterAnswer after, int64_t now_s);

/// True if an answer of this status has a body (RFC 9110, 6.4.1).
bool may_have_body(int status);

}  // namespace aerie::http
