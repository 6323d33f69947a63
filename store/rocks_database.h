#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/steps.h"

namespace rocksdb {
class Env;
}

namespace aerie::store {

/// What few callers turn.
struct RocksExtras {
  bool read_only = false;
  StepHook on_step;             ///< `build`, `ingest`, `delete-index`, `delete-data`, `meta`
  rocksdb::Env* env = nullptr;  ///< outlives the database
};

/// RocksDB as aerie uses it: two column families that only ever take finished files, and one small
/// ordinary one. Thread-safe. docs/formats/partition.md names families and keys. The folder stays
/// locked until the last owner lets go.
class RocksDatabase {
 public:
  enum class Family : uint8_t { Data, Index, Meta };

  /// Errors: AlreadyExists (held by another process), InvalidArgument (not ours, or of a newer
  /// format), Corruption, IoError.
  static Result<std::shared_ptr<RocksDatabase>> open(const std::string& path,
                                                     uint64_t block_cache_bytes,
                                                     RocksExtras extras = {});
  virtual ~RocksDatabase() = default;

  /// Random number of this database, made when it was created.
  virtual uint64_t seed() const = 0;
  /// Counts up: for naming what lives no longer than this object.
  virtual uint64_t next_id() = 0;
  /// Where files are built before ingest(); emptied at open.
  virtual const std::string& building_folder() const = 0;

  /// Memory of the block cache.
  virtual uint64_t cached_bytes() const = 0;

  virtual Result<std::optional<std::string>> get(Family family, std::string_view key) const = 0;
  struct FileSize {
    std::string first_key;
    uint64_t bytes = 0;
    std::string path;
    bool set_aside = false;  ///< it was damaged: another one stands in for it, without any content
  };
  /// Every file, sorted by its first key. Reads no file: a damaged block must not keep the database
  /// closed.
  virtual std::vector<FileSize> files(Family family) const = 0;
  /// Reads a file from end to end, past every cache. Errors: Corruption, IoError.
  virtual Status verify_file(const FileSize& file) const = 0;
  /// The whole database as it is now, in a new folder on the same disk, by hard links.
  virtual Status checkpoint(const std::string& folder) const = 0;
  /// All rows whose key begins with `prefix`.
  virtual Result<std::vector<std::pair<std::string, std::string>>> scan(
      Family family, std::string_view prefix) const = 0;

  /// A sorted file under construction. One owner; removed from disk if it is never ingested.
  class FileBuilder {
   public:
    virtual ~FileBuilder() = default;
    /// Keys strictly ascend.
    virtual Status put(std::string_view key, std::string_view value) = 0;
    virtual uint64_t bytes() const = 0;
    /// Writes and syncs; returns the file's size.
    virtual Result<uint64_t> finish() = 0;
    virtual const std::string& path() const = 0;
  };
  virtual Result<std::unique_ptr<FileBuilder>> build(Family family,
                                                     const std::string& file_name) const = 0;

  /// Moves finished files in, all or none, durable when it returns.
  virtual Status ingest(const std::vector<std::string>& data_files,
                        const std::vector<std::string>& index_files) = 0;
  /// Deletes the files wholly inside [first, end).
  virtual Status delete_files(Family family, const std::string& first, const std::string& end) = 0;

  /// Writes to Meta atomically, synced.
  virtual Status write_meta(const std::vector<std::pair<std::string, std::string>>& puts,
                            const std::vector<std::string>& removals) = 0;
};

}  // namespace aerie::store
