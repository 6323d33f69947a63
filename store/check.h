#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/file_system.h"
#include "store/partition_set.h"

namespace aerie::store {

/// What was read while checking, and everything that is not as it must be.
struct CheckReport {
  uint64_t partitions = 0;
  uint64_t series = 0;   ///< summed over partitions
  uint64_t samples = 0;  ///< of partitions
  uint64_t bytes = 0;    ///< of partitions
  uint64_t segments = 0;
  uint64_t records = 0;    ///< of the log
  uint64_t log_bytes = 0;  ///< of these records
  uint64_t rows = 0;       ///< of the keyed tables
  std::vector<std::string> problems;

  bool sound() const { return problems.empty(); }
  /// For people, several lines.
  std::string text() const;
};

/// Called between pieces of work with the bytes read since the last call; may wait. False: stop.
using CheckPace = std::function<bool(uint64_t bytes)>;

/// Reads the log's files: headers, frames, payloads, positions without holes. `durable`: the log is
/// being written to and is durable up to here; what comes later is not looked at. The maximum:
/// nobody writes.
Status check_log(FileSystem& files, const std::string& folder, LogPosition durable,
                 CheckReport& report);

/// Reads all of the store at `path`, which no process may have open, and changes nothing in it.
/// Errors: AlreadyExists (a process has it open: ask that one), NotFound, what opening it says.
/// Everything else is in the report.
Result<CheckReport> check_store(const std::string& path, FileSystem& files);

}  // namespace aerie::store
