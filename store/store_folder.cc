#include "store/store_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/log.h"

namespace aerie::store {
namespace {

constexpr int kFormat = 1;
constexpr std::string_view kMarker = "aerie-store";
constexpr std::string_view kFreshMarker = "aerie-store.new";
constexpr std::string_view kMarkerText = "aerie store, format ";

Result<int> take_lock(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    const ErrorCode code =
        errno == EACCES || errno == EROFS ? ErrorCode::PermissionDenied : ErrorCode::IoError;
    return Error(code, fmt::format("cannot open {}: {}; the storage path must be writable", file,
                                   std::strerror(errno)));
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    const ssize_t n = ::pread(fd, holder, sizeof(holder) - 1, 0);
    ::close(fd);
    std::string pid(holder, n > 0 ? static_cast<size_t>(n) : 0);
    while (!pid.empty() && (pid.back() == '\n' || pid.back() == ' ')) pid.pop_back();
    return Error(ErrorCode::AlreadyExists,
                 fmt::format("the storage path is in use by another process: lock={} pid={}; stop "
                             "it or give this one "
                             "another --storage.path",
                             file, pid.empty() ? "unknown" : pid));
  }
  // Over what stands there, and only then cut: a full disk has no room for another block. The
  // number is for people; the lock itself needs no writing.
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()) ||
      ::ftruncate(fd, static_cast<off_t>(pid.size())) != 0) {
    AERIE_LOG(Warn, "cannot write the pid into the lock file", {"file", file},
              {"error", std::strerror(errno)});
  }
  return fd;
}

Status check_marker(const std::string& path, FileSystem& files) {
  const std::string name = path + "/" + std::string(kMarker);
  auto file = files.open(name, false);
  if (!file) return std::move(file).error();
  auto text = (*file)->read_at(0, 128);
  if (!text) return std::move(text).error();
  int format = 0;
  const bool ours =
      text->compare(0, kMarkerText.size(), kMarkerText) == 0 &&
      std::from_chars(text->data() + kMarkerText.size(), text->data() + text->size(), format).ec ==
          std::errc();
  if (!ours)
    return Error(ErrorCode::InvalidArgument,
                 name + " is not what aerie writes; is this the right --storage.path?");
  if (format > kFormat) {
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("{} has format {}, written by a newer aerie; this one reads up to {}",
                             path, format, kFormat));
  }
  return {};
}

Status write_marker(const std::string& path, FileSystem& files) {
  // Whole or not there: half a marker would make the folder look like somebody else's.
  const std::string fresh = path + "/" + std::string(kFreshMarker);
  auto file = files.open(fresh, true);
  if (!file) return std::move(file).error();
  if (auto written = (*file)->write_at(0, fmt::format("{}{}\n", kMarkerText, kFormat)); !written)
    return written;
  if (auto synced = (*file)->sync(); !synced) return synced;
  if (auto renamed = files.rename(fresh, path + "/" + std::string(kMarker)); !renamed)
    return renamed;
  return files.sync_folder(path);
}

}  // namespace

Result<std::unique_ptr<StoreFolder>> StoreFolder::open(const std::string& path, FileSystem& files) {
  if (auto made = files.make_folders(path); !made) return std::move(made).error();
  auto names = files.list(path);
  if (!names) return std::move(names).error();
  const bool marked = std::find(names->begin(), names->end(), kMarker) != names->end();
  const auto foreign = std::find_if(names->begin(), names->end(), [](const std::string& name) {
    return name != "lock" && name != "lost+found" && name != kFreshMarker;
  });
  if (!marked && foreign != names->end()) {
    return Error(
        ErrorCode::InvalidArgument,
        fmt::format(
            "{} is not empty and was not made by aerie (found {}); give an empty or new folder as "
            "--storage.path",
            path, *foreign));
  }
  auto lock = take_lock(path + "/lock");
  if (!lock) return std::move(lock).error();
  std::unique_ptr<StoreFolder> folder(new StoreFolder(*lock));  // NOLINT: private constructor
  auto status = marked ? check_marker(path, files) : write_marker(path, files);
  if (!status) return std::move(status).error();
  return folder;
}

Result<std::unique_ptr<StoreFolder>> StoreFolder::open_existing(const std::string& path,
                                                                FileSystem& files) {
  // First: a folder that is not ours gets no lock file.
  if (auto status = check_marker(path, files); !status) return std::move(status).error();
  auto lock = take_lock(path + "/lock");
  if (!lock) return std::move(lock).error();
  return std::unique_ptr<StoreFolder>(new StoreFolder(*lock));  // NOLINT: private constructor
}

Status StoreFolder::mark(const std::string& path, FileSystem& files) {
  return write_marker(path, files);
}

StoreFolder::~StoreFolder() { ::close(lock_); }  // the lock goes with its descriptor

}  // namespace aerie::store
