#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "model/time.h"

namespace aerie::cli {

/// Where an import stands, kept in a small file so that a second run goes on where the first
/// stopped. Removed when the import is whole. One owner.
class ImportProgress {
 public:
  /// `job` says what is imported to where, in one line: a file written by another job is refused.
  /// Errors: InvalidArgument (another job's file), IoError.
  static Result<ImportProgress> open(std::string file, std::string job);

  /// Everything before this time was sent; kMinTimestamp at the beginning.
  model::TimestampMs done_before() const { return done_before_; }
  bool resumed() const { return done_before_ != model::kMinTimestamp; }
  /// Notes it on disk, replacing the file at once. Errors: IoError.
  Status advance(model::TimestampMs done_before);
  /// The import is whole.
  void remove() const;
  const std::string& file() const { return file_; }

 private:
  ImportProgress(std::string file, std::string job)
      : file_(std::move(file)), job_(std::move(job)) {}

  std::string file_;
  std::string job_;
  model::TimestampMs done_before_ = model::kMinTimestamp;
};

/// One line on standard error: share done, samples, rate, time left. Rewritten in place on a
/// terminal, else one line every ten seconds.
class ProgressLine {
 public:
  ProgressLine();
  /// `done` of `total` units of work; `samples` sent in this run.
  void show(uint64_t done, uint64_t total, uint64_t samples);
  /// Ends the line on a terminal.
  void end() const;

 private:
  const bool terminal_;
  const std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point shown_;
};

}  // namespace aerie::cli
