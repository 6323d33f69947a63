#pragma once

#include <functional>
#include <string_view>

namespace aerie::store {

/// Called between two durable changes with the name of what was just done (docs/faults.md has the
/// list), from whichever thread did it. Empty but in the crash tests, which end the process there.
using StepHook = std::function<void(std::string_view step)>;

inline void reached(const StepHook& hook, std::string_view step) {
  if (hook) hook(step);
}

}  // namespace aerie::store
