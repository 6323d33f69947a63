#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "store/file_system.h"

namespace aerie::store {

/// The storage path: ours alone while this object lives. Holds `lock` (flock, with the pid of the
/// holder inside) and `aerie-store` (format version of the whole folder).
class StoreFolder {
 public:
  /// Creates the folder if missing. Errors: AlreadyExists (names the lock file and the pid that
  /// holds it), InvalidArgument (the folder holds something that is not aerie's, or a newer
  /// format), PermissionDenied, IoError.
  static Result<std::unique_ptr<StoreFolder>> open(const std::string& path, FileSystem& files);
  /// The same for a folder that must be aerie's already. Errors besides: NotFound.
  static Result<std::unique_ptr<StoreFolder>> open_existing(const std::string& path,
                                                            FileSystem& files);
  /// Makes `path` a folder of aerie's: the last thing that a snapshot gets.
  static Status mark(const std::string& path, FileSystem& files);
  ~StoreFolder();
  StoreFolder(const StoreFolder&) = delete;
  StoreFolder& operator=(const StoreFolder&) = delete;

 private:
  explicit StoreFolder(int lock) : lock_(lock) {}
  const int lock_;
};

}  // namespace aerie::store
