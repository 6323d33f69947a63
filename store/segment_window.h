#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/file_system.h"
#include "store/log_frame.h"

namespace aerie::store {

/// Walks over the records of one segment file with a few MiB of it in memory. One thread.
class SegmentWindow {
 public:
  /// `start`: the position of the file's first record. Errors: IoError.
  static Result<SegmentWindow> open(std::unique_ptr<LogFile> file, LogPosition start);

  LogPosition position() const { return position_; }
  /// The record at position(), valid until the next call; nothing if there is no whole, undamaged
  /// one. Errors: IoError.
  Result<std::optional<LogFrame>> frame();
  /// Goes on to a later position; the end of the file if that is nearer.
  void skip_to(LogPosition position);
  /// Whether a later record proves that the log was durable beyond position(). Reads the rest of
  /// the file, but never holds it.
  Result<bool> proves_damage() const;
  /// Everything from position() on, for the search behind damage. O(file).
  Result<std::string> rest() const;

 private:
  SegmentWindow(std::unique_ptr<LogFile> file, uint64_t size, LogPosition start)
      : file_(std::move(file)), size_(size), start_(start), position_(start) {}
  uint64_t offset_of(LogPosition position) const;
  /// At least `bytes` from position() on, fewer at the end of the file.
  Result<std::string_view> load(size_t bytes);

  std::unique_ptr<LogFile> file_;
  uint64_t size_;
  LogPosition start_;
  LogPosition position_;
  std::string loaded_;
  uint64_t loaded_offset_ = 0;  // in the file
};

}  // namespace aerie::store
