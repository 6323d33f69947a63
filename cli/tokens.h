#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace aerie::cli {

/// A fresh token: 32 random bytes as base64url, prefixed `aerie_` so that scanners for leaked
/// secrets can find it. Errors: IoError without a source of randomness.
Result<std::string> make_token();

/// `sha256:<64 hex digits>`, as a configuration file has it.
std::string token_entry(std::string_view token);

/// The text of a configuration file with `entry` put before the other tokens of `cluster`; comments
/// and layout stay. Errors: InvalidArgument for a file that cannot be read or has no such cluster
/// (the text then says what to add).
Result<std::string> add_token(const std::string& config, const std::string& path,
                              const std::string& cluster, const std::string& entry);

/// The text without `entry`, wherever it stands among the tokens of `cluster`. Errors:
/// InvalidArgument: no such cluster or token, or it is the cluster's last credential.
Result<std::string> remove_token(const std::string& config, const std::string& path,
                                 const std::string& cluster, const std::string& entry);

}  // namespace aerie::cli
