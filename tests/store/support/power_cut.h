#pragma once

#include <rocksdb/env.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "store/file_system.h"

namespace aerie::store::testing {

/// Real files under one folder whose disk can lose power: from then on nothing is written any
/// more, and come_back() takes away what was not synced: of each file any sectors, of names any
/// number of the last operations of a folder. For the log and for RocksDB alike. Thread-safe.
class PowerCutDisk {
 public:
  /// `folder` exists. What is in it already is durable.
  PowerCutDisk(std::string folder, uint64_t seed);
  ~PowerCutDisk();

  FileSystem& files() { return *files_; }
  rocksdb::Env* env() { return env_.get(); }
  /// The power goes at the n-th operation from now that changes something.
  void cut_after(uint64_t operations);
  bool is_cut() const;
  uint64_t operations() const;
  /// Nobody has files open any more. Afterwards the disk works again.
  void come_back();

  // For the two faces below: false when the power is gone.
  bool touch();
  void wrote(const std::string& path, uint64_t offset, std::string before, uint64_t bytes);
  void appended(const std::string& path, uint64_t old_size, uint64_t bytes);
  void synced(const std::string& path);
  void created(const std::string& path);
  void renaming(const std::string& from, const std::string& to);
  void linked(const std::string& path);
  void removing(const std::string& path);
  void folder_synced(const std::string& path);

 private:
  struct Write {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    std::string before;  // may be shorter: the file ended there
    bool append = false;
  };
  struct NameChange {
    enum class Kind : uint8_t { Created, Renamed, Removed } kind = Kind::Created;
    std::string path;
    std::string from;   // of a rename
    std::string saved;  // what stood at `path` before; empty: nothing
  };
  std::string save(const std::string& path);
  void undo(const NameChange& change);
  void tear(const std::string& path, const std::vector<Write>& writes);

  const std::string folder_;
  const std::string graveyard_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<rocksdb::Env> env_;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  std::map<std::string, std::vector<Write>> unsynced_;
  std::map<std::string, std::vector<NameChange>> names_;  // by folder
  uint64_t left_ = UINT64_MAX;
  uint64_t operations_ = 0;
  uint64_t saved_ = 0;
  bool cut_ = false;
};

}  // namespace aerie::store::testing
