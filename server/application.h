#pragma once

#include <memory>

#include "base/result.h"
#include "server/config.h"
#include "server/flags.h"

namespace aerie::server {

/// The running server: makes the parts in the order of the folders, hands them to each other, stops
/// them in reverse order.
class Application {
 public:
  /// Binds the port, opens the store (replaying its log), starts rules and verdicts, then serves.
  /// Errors: what could not be opened and what to do about it.
  static Result<std::unique_ptr<Application>> start(const Flags& flags,
                                                    Config config);  // `flags` outlives it
  virtual ~Application() = default;

  /// Reads the configuration file again: everything in it takes effect, or nothing does.
  /// Thread-safe.
  virtual Status reload() = 0;
  /// Drains requests, stops rules and verdicts, seals nothing, closes the store. Within 5 s.
  /// Idempotent.
  virtual Status stop() = 0;
};

}  // namespace aerie::server
