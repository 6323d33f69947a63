#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "store/file_system.h"

namespace aerie::store::testing {

/// Files in memory with a page cache of their own: what was written is lost by crash() unless it
/// was synced before. Fails on demand. Thread-safe; files opened before crash() must not be used
/// after it.
class FaultFileSystem final : public FileSystem {
 public:
  /// The next `n` syncs fail, and as on Linux their pages count as clean and are lost afterwards.
  void fail_syncs(int n);
  /// From now on only so many bytes can be written; then Unavailable, as a full disk.
  void set_space(uint64_t bytes);
  /// Power cut: of the unsynced writes of each file only the first `survivors` bytes reach the
  /// disk.
  void crash(uint64_t survivors = 0);
  /// Changes one byte on the disk.
  void damage(const std::string& path, uint64_t offset);
  /// Bytes written and not synced.
  uint64_t unsynced_bytes() const;
  int syncs() const;
  std::string content(const std::string& path) const;

  Result<std::unique_ptr<LogFile>> open(const std::string& path, bool create) override;
  Status make_folders(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<DiskSpace> space(const std::string& path) const override;
  Status link(const std::string& from, const std::string& to) override;

 private:
  class File;
  struct Content {
    std::string durable;
    std::string current;
    std::vector<std::pair<uint64_t, std::string>> unsynced;
  };
  struct State {
    std::map<std::string, std::shared_ptr<Content>> files;
    int failing_syncs = 0;
    int syncs = 0;
    uint64_t space = UINT64_MAX;
  };
  Guarded<State> state_;
};

}  // namespace aerie::store::testing
