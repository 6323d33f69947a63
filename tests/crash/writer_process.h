#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/ledger.h"

namespace aerie::crash {

enum class End : uint8_t {
  Killed,        ///< by us, when its time was over
  KilledItself,  ///< at the step it was told
  Exited,        ///< by itself, which it must never do
};

/// Runs the writer, notes what it says in the ledger, kills it `after` its first line (or after
/// `at_most`, while it still opens), reads the rest.
End run_writer(const std::vector<std::string>& arguments, std::chrono::milliseconds after,
               std::chrono::milliseconds at_most, Ledger& ledger);

}  // namespace aerie::crash
