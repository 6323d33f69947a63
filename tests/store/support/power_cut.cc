#include "tests/store/support/power_cut.h"

#include <fcntl.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace aerie::store::testing {
namespace {

namespace fs = std::filesystem;
using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr uint64_t kSector = 512;

Error no_power() { return {ErrorCode::IoError, "Input/output error"}; }
IOStatus no_power_status() { return IOStatus::IOError("Input/output error"); }

// --- the log's face --------------------------------------------------------------------------

class CutLogFile final : public LogFile {
 public:
  CutLogFile(PowerCutDisk& disk, std::unique_ptr<LogFile> real, std::string path)
      : disk_(disk), real_(std::move(real)), path_(std::move(path)) {}
  Status write_at(uint64_t offset, std::string_view bytes) override {
    if (!disk_.touch()) return no_power();
    auto before = real_->read_at(offset, bytes.size());
    if (!before) return std::move(before).error();
    disk_.wrote(path_, offset, std::move(*before), bytes.size());
    return real_->write_at(offset, bytes);
  }
  Status sync() override {
    if (!disk_.touch()) return no_power();
    disk_.synced(path_);
    return {};
  }
  Result<std::string> read_at(uint64_t offset, size_t length) const override {
    return real_->read_at(offset, length);
  }
  Result<uint64_t> size() const override { return real_->size(); }
  Status truncate(uint64_t length) override {
    if (!disk_.touch()) return no_power();
    return real_->truncate(length);
  }
  Status preallocate(uint64_t length) override {
    if (!disk_.touch()) return no_power();
    disk_.synced(path_);
    return real_->preallocate(length);
  }
  Status reserve(uint64_t length) override { return real_->reserve(length); }

 private:
  PowerCutDisk& disk_;
  const std::unique_ptr<LogFile> real_;
  const std::string path_;
};

class CutFileSystem final : public FileSystem {
 public:
  explicit CutFileSystem(PowerCutDisk& disk) : disk_(disk) {}
  Result<std::unique_ptr<LogFile>> open(const std::string& path, bool create) override {
    if (create && !fs::exists(path)) {
      if (!disk_.touch()) return no_power();
      disk_.created(path);
    }
    auto file = real_.open(path, create);
    if (!file) return std::move(file).error();
    return std::unique_ptr<LogFile>(std::make_unique<CutLogFile>(disk_, std::move(*file), path));
  }
  Status make_folders(const std::string& path) override { return real_.make_folders(path); }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    return real_.list(folder);
  }
  Status rename(const std::string& from, const std::string& to) override {
    if (!disk_.touch()) return no_power();
    disk_.renaming(from, to);
    return real_.rename(from, to);
  }
  Status remove(const std::string& path) override {
    if (!disk_.touch()) return no_power();
    if (fs::exists(path)) disk_.removing(path);
    return real_.remove(path);
  }
  Status sync_folder(const std::string& path) override {
    if (!disk_.touch()) return no_power();
    disk_.folder_synced(path);
    return {};
  }
  Result<DiskSpace> space(const std::string& path) const override { return real_.space(path); }
  Status link(const std::string& from, const std::string& to) override {
    if (!disk_.touch()) return no_power();
    disk_.linked(to);
    return real_.link(from, to);
  }

 private:
  PowerCutDisk& disk_;
  PosixFileSystem real_;
};

// --- RocksDB's face --------------------------------------------------------------------------

class CutWritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  CutWritableFile(PowerCutDisk& disk, std::unique_ptr<FSWritableFile>&& real, std::string path,
                  uint64_t size)
      : FSWritableFileOwnerWrapper(std::move(real)),
        disk_(disk),
        path_(std::move(path)),
        size_(size) {}
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* context) override {
    if (!disk_.touch()) return no_power_status();
    disk_.appended(path_, size_, data.size());
    size_ += data.size();
    return FSWritableFileOwnerWrapper::Append(data, options, context);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&, IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    if (!disk_.touch()) return no_power_status();
    // Into the page cache is as good as the disk here, but it must have left the process.
    const IOStatus flushed = Flush(options, context);
    if (flushed.ok()) disk_.synced(path_);
    return flushed;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Sync(options, context);
  }

 private:
  PowerCutDisk& disk_;
  const std::string path_;
  uint64_t size_;
};

class CutDirectory final : public FSDirectory {
 public:
  CutDirectory(PowerCutDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    if (!disk_.touch()) return no_power_status();
    disk_.folder_synced(path_);
    return IOStatus::OK();
  }

 private:
  PowerCutDisk& disk_;
  const std::string path_;
};

class CutRocksFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit CutRocksFileSystem(PowerCutDisk& disk)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(disk) {}
  const char* Name() const override { return "PowerCut"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* out, IODebugContext* context) override {
    if (!disk_.touch()) return no_power_status();
    if (fs::exists(path)) disk_.removing(path);
    disk_.created(path);
    return wrap(FileSystemWrapper::NewWritableFile(path, options, out, context), path, 0, out);
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options,
                              std::unique_ptr<FSWritableFile>* out,
                              IODebugContext* context) override {
    if (!disk_.touch()) return no_power_status();
    std::error_code none;
    const uint64_t size = fs::exists(path) ? fs::file_size(path, none) : 0;
    return wrap(FileSystemWrapper::ReopenWritableFile(path, options, out, context), path, size,
                out);
  }
  IOStatus ReuseWritableFile(const std::string& path, const std::string& old,
                             const FileOptions& options, std::unique_ptr<FSWritableFile>* out,
                             IODebugContext* context) override {
    if (!disk_.touch()) return no_power_status();
    disk_.renaming(old, path);
    return wrap(FileSystemWrapper::ReuseWritableFile(path, old, options, out, context), path, 0,
                out);
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<FSDirectory>* out, IODebugContext*) override {
    *out = std::make_unique<CutDirectory>(disk_, path);
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* context) override {
    if (!disk_.touch()) return no_power_status();
    disk_.renaming(from, to);
    return FileSystemWrapper::RenameFile(from, to, options, context);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                    IODebugContext* context) override {
    if (!disk_.touch()) return no_power_status();
    disk_.linked(to);
    return FileSystemWrapper::LinkFile(from, to, options, context);
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* context) override {
    if (!disk_.touch()) return no_power_status();
    if (fs::exists(path)) disk_.removing(path);
    return FileSystemWrapper::DeleteFile(path, options, context);
  }
  IOStatus Truncate(const std::string& path, size_t size, const IOOptions& options,
                    IODebugContext* context) override {
    if (!disk_.touch()) return no_power_status();
    return FileSystemWrapper::Truncate(path, size, options, context);
  }

 private:
  IOStatus wrap(IOStatus status, const std::string& path, uint64_t size,
                std::unique_ptr<FSWritableFile>* out) {
    if (status.ok()) *out = std::make_unique<CutWritableFile>(disk_, std::move(*out), path, size);
    return status;
  }

  PowerCutDisk& disk_;
};

std::string folder_of(const std::string& path) { return fs::path(path).parent_path().string(); }

}  // namespace

PowerCutDisk::PowerCutDisk(std::string folder, uint64_t seed)
    : folder_(std::move(folder)),
      graveyard_(folder_ + ".graveyard"),
      files_(std::make_unique<CutFileSystem>(*this)),
      env_(rocksdb::NewCompositeEnv(std::make_shared<CutRocksFileSystem>(*this))),
      random_(seed) {
  fs::create_directories(graveyard_);
}

PowerCutDisk::~PowerCutDisk() {
  std::error_code ignored;
  fs::remove_all(graveyard_, ignored);
}

void PowerCutDisk::cut_after(uint64_t operations) {
  const std::lock_guard lock(mutex_);
  left_ = operations;
}

bool PowerCutDisk::is_cut() const {
  const std::lock_guard lock(mutex_);
  return cut_;
}

uint64_t PowerCutDisk::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

bool PowerCutDisk::touch() {
  const std::lock_guard lock(mutex_);
  ++operations_;
  if (left_ == 0) cut_ = true;
  if (cut_) return false;
  --left_;
  return true;
}

void PowerCutDisk::wrote(const std::string& path, uint64_t offset, std::string before,
                         uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  unsynced_[path].push_back({offset, bytes, std::move(before), false});
}

void PowerCutDisk::appended(const std::string& path, uint64_t old_size, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  unsynced_[path].push_back({old_size, bytes, {}, true});
}

void PowerCutDisk::synced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  unsynced_.erase(path);
}

std::string PowerCutDisk::save(const std::string& path) {
  const std::string saved = graveyard_ + "/" + std::to_string(saved_++);
  std::error_code failed;
  fs::create_hard_link(path, saved, failed);
  return failed ? std::string() : saved;
}

void PowerCutDisk::created(const std::string& path) {
  const std::lock_guard lock(mutex_);
  names_[folder_of(path)].push_back({NameChange::Kind::Created, path, {}, {}});
}

void PowerCutDisk::linked(const std::string& path) { created(path); }

void PowerCutDisk::renaming(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  names_[folder_of(to)].push_back(
      {NameChange::Kind::Renamed, to, from, fs::exists(to) ? save(to) : std::string()});
  unsynced_.erase(to);
  if (auto writes = unsynced_.extract(from)) {
    writes.key() = to;
    unsynced_.insert(std::move(writes));
  }
}

void PowerCutDisk::removing(const std::string& path) {
  const std::lock_guard lock(mutex_);
  names_[folder_of(path)].push_back({NameChange::Kind::Removed, path, {}, save(path)});
  unsynced_.erase(path);
}

void PowerCutDisk::folder_synced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const std::string folder = fs::path(path + "/").parent_path().string();
  for (const NameChange& change : names_[folder]) {
    std::error_code ignored;
    if (!change.saved.empty()) fs::remove(change.saved, ignored);
  }
  names_.erase(folder);
}

void PowerCutDisk::undo(const NameChange& change) {
  std::error_code ignored;
  switch (change.kind) {
    case NameChange::Kind::Created: fs::remove(change.path, ignored); break;
    case NameChange::Kind::Renamed: fs::rename(change.path, change.from, ignored); break;
    case NameChange::Kind::Removed: break;
  }
  if (!change.saved.empty()) fs::rename(change.saved, change.path, ignored);
}

/// Any of the sectors of what was not synced reach the disk.
void PowerCutDisk::tear(const std::string& path, const std::vector<Write>& writes) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  const auto put = [&](const char* bytes, size_t n, uint64_t at) {
    if (::pwrite(fd, bytes, n, static_cast<off_t>(at)) != static_cast<ssize_t>(n)) std::abort();
  };
  for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
    if (write->append) continue;
    const uint64_t fate = random_() % 3;  // nothing of it, all of it, any of its sectors
    for (uint64_t at = write->offset; at < write->offset + write->bytes;) {
      const uint64_t next = std::min(write->offset + write->bytes, (at / kSector + 1) * kSector);
      const bool lost = fate == 0 || (fate == 2 && random_() % 2 == 0);
      const uint64_t from = at - write->offset;
      if (lost) {
        std::string before =
            from < write->before.size() ? write->before.substr(from, next - at) : std::string();
        before.resize(next - at, '\0');
        put(before.data(), before.size(), at);
      }
      at = next;
    }
  }
  const auto first =
      std::find_if(writes.begin(), writes.end(), [](const Write& write) { return write.append; });
  if (first != writes.end()) {
    uint64_t end = first->offset;
    for (const Write& write : writes)
      if (write.append) end = std::max(end, write.offset + write.bytes);
    const uint64_t kept = first->offset + random_() % (end - first->offset + 1);
    if (::ftruncate(fd, static_cast<off_t>(kept)) != 0) std::abort();
    if (random_() % 3 == 0) {  // the size was written, the data was not
      const std::string zeros(random_() % 2000, '\0');
      put(zeros.data(), zeros.size(), kept);
    }
  }
  ::close(fd);
}

void PowerCutDisk::come_back() {
  const std::lock_guard lock(mutex_);
  for (const auto& [path, writes] : unsynced_) tear(path, writes);
  for (auto& [folder, changes] : names_) {
    // A journal keeps the order: what survives is a beginning.
    const size_t survive = random_() % (changes.size() + 1);
    while (changes.size() > survive) {
      undo(changes.back());
      changes.pop_back();
    }
  }
  unsynced_.clear();
  names_.clear();
  cut_ = false;
  left_ = UINT64_MAX;
}

}  // namespace aerie::store::testing
