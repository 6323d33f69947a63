#include "store/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace aerie::store {
namespace {

Error errno_error(std::string_view what, const std::string& path) {
  const int code = errno;
  const bool full = code == ENOSPC || code == EDQUOT;
  const ErrorCode kind = full             ? ErrorCode::Unavailable
                         : code == ENOENT ? ErrorCode::NotFound
                         : code == EACCES ? ErrorCode::PermissionDenied
                                          : ErrorCode::IoError;
  return {kind, std::string(what) + " " + path + ": " + std::strerror(code)};
}

class PosixFile final : public LogFile {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override { ::close(fd_); }

  Status write_at(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("write", path_);
      offset += static_cast<uint64_t>(n);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_) != 0) return errno_error("fdatasync", path_);
    return {};
  }

  Result<std::string> read_at(uint64_t offset, size_t length) const override {
    std::string out(length, '\0');
    size_t done = 0;
    while (done < length) {
      const ssize_t n =
          ::pread(fd_, out.data() + done, length - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    out.resize(done);
    return out;
  }

  Result<uint64_t> size() const override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return errno_error("stat", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  Status truncate(uint64_t length) override {
    if (::ftruncate(fd_, static_cast<off_t>(length)) != 0) return errno_error("truncate", path_);
    return {};
  }

  Status reserve(uint64_t length) override {
    const int code = ::posix_fallocate(fd_, 0, static_cast<off_t>(length));
    if (code == 0 || code == EOPNOTSUPP || code == EINVAL) return {};
    errno = code;
    return errno_error("reserve", path_);
  }

  Status preallocate(uint64_t length) override {
    // Reserving alone leaves unwritten extents, whose first write changes metadata: the zeros are
    // really written.
    if (auto reserved = reserve(length); !reserved) return reserved;
    const std::string zeros(static_cast<size_t>(std::min<uint64_t>(length, 1u << 20)), '\0');
    for (uint64_t at = 0; at < length; at += zeros.size()) {
      const size_t n = static_cast<size_t>(std::min<uint64_t>(zeros.size(), length - at));
      if (auto written = write_at(at, std::string_view(zeros).substr(0, n)); !written)
        return written;
    }
    return sync();
  }

 private:
  const int fd_;
  const std::string path_;
};

}  // namespace

Result<std::unique_ptr<LogFile>> PosixFileSystem::open(const std::string& path, bool create) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0644);
  if (fd < 0) return errno_error("open", path);
  return std::unique_ptr<LogFile>(std::make_unique<PosixFile>(fd, path));
}

Status PosixFileSystem::make_folders(const std::string& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (!code) return {};
  errno = code.value();
  return errno_error("make folder", path);
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& folder) const {
  DIR* handle = ::opendir(folder.c_str());
  if (handle == nullptr) return errno_error("list", folder);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(handle)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int code = errno;
  ::closedir(handle);
  if (code != 0) {
    errno = code;
    return errno_error("list", folder);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return errno_error("rename to " + to, from);
  return {};
}

Status PosixFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return errno_error("remove", path);
  return {};
}

Status PosixFileSystem::sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error("open folder", path);
  const int code = ::fsync(fd);
  const int saved = errno;
  ::close(fd);
  errno = saved;
  if (code != 0) return errno_error("fsync folder", path);
  return {};
}

Result<DiskSpace> PosixFileSystem::space(const std::string& path) const {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return errno_error("statvfs", path);
  return DiskSpace{static_cast<uint64_t>(info.f_bavail) * info.f_frsize,
                   static_cast<uint64_t>(info.f_blocks) * info.f_frsize};
}

Status PosixFileSystem::link(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) != 0) return errno_error("link as " + to, from);
  return {};
}

}  // namespace aerie::store
