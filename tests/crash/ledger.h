#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/workload.h"

namespace aerie::crash {

/// What became of a step: it must be in the store, may be (then it is settled by looking), or must
/// never be.
enum class Fate : uint8_t { InDoubt, Acknowledged, Lost };

/// What the checker knows of every step of every thread. Each thread's row is written by one
/// thread.
struct Ledger {
  std::array<std::vector<Fate>, kThreads> steps;

  void sent(int thread, int64_t step);
  void acknowledged(int thread, int64_t step);
  void read_line(const std::string& line);
};

struct Findings {
  uint64_t samples = 0;
  uint64_t acknowledged = 0;
  uint64_t lost = 0;
  uint64_t wrong = 0;     ///< there, with another value, or only a part of a batch
  uint64_t invented = 0;  ///< there, but never sent, settled as lost, or twice
  bool clean() const { return lost + wrong + invented == 0; }
};

/// Opens the store at `path` in this process and compares all of it with the ledger. A step in
/// doubt is settled by what is found: it must stay so. What lies before `kept_from` may have been
/// removed by retention, and must then stay away.
Findings check_store(const std::string& path, const Workload& workload, Ledger& ledger,
                     model::TimestampMs kept_from = model::kMinTimestamp);
/// One line: what was done, what was found.
void print(int round, const std::string& what, const Findings& findings);

}  // namespace aerie::crash
