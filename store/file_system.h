#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aerie::store {

/// An open file of the log. One thread at a time.
class LogFile {
 public:
  virtual ~LogFile() = default;
  /// Writes all of `bytes` at `offset`. Errors: IoError with errno's text; Unavailable when the
  /// disk is full.
  virtual Status write_at(uint64_t offset, std::string_view bytes) = 0;
  /// fdatasync. After an error the file must not be synced again: the kernel may have dropped the
  /// pages.
  virtual Status sync() = 0;
  /// Reads up to `length` bytes; shorter at the end of the file.
  virtual Result<std::string> read_at(uint64_t offset, size_t length) const = 0;
  virtual Result<uint64_t> size() const = 0;
  virtual Status truncate(uint64_t length) = 0;
  /// Reserves and zero-fills [0, length) so that later writes change no metadata.
  virtual Status preallocate(uint64_t length) = 0;
  /// Takes [0, length) from the disk; what stands there does not matter. Quick where preallocate()
  /// writes. Unavailable when the disk is full.
  virtual Status reserve(uint64_t length) { return preallocate(length); }
};

struct DiskSpace {
  uint64_t free_bytes = 0;   ///< for us, who are not root
  uint64_t total_bytes = 0;  ///< 0: not known
};

/// The file operations of the log: the real ones, or the fault-injecting ones of the tests.
/// Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<LogFile>> open(const std::string& path, bool create) = 0;
  virtual Status make_folders(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(
      const std::string& folder) const = 0;  ///< names, sorted
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status sync_folder(const std::string& path) = 0;
  /// Of the disk that holds `path`.
  virtual Result<DiskSpace> space(const std::string& path) const = 0;
  /// A second name for a file; both are on one disk.
  virtual Status link(const std::string& from, const std::string& to) = 0;
};

/// The operating system's own. One for the process.
class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<LogFile>> open(const std::string& path, bool create) override;
  Status make_folders(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<DiskSpace> space(const std::string& path) const override;
  Status link(const std::string& from, const std::string& to) override;
};

}  // namespace aerie::store
