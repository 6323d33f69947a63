#include "store/rocks_repair.h"

#include <rocksdb/sst_file_reader.h>
#include <rocksdb/sst_file_writer.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "base/log.h"
#include "store/crc32c.h"
#include "store/file_system.h"

namespace aerie::store {
namespace {

namespace fs = std::filesystem;
constexpr size_t kNameBytes = 10;  // 000012.sst
constexpr char kFileList[] = "AERIE_FILES";
constexpr char kListHead[] = "aerie files 1\n";

/// All files that a text names like 000012.sst, or 000012.ldb: what RocksDB looks for last.
std::set<std::string> named_files(const std::string& text) {
  std::set<std::string> names;
  for (size_t at = text.find('.'); at != std::string::npos; at = text.find('.', at + 1)) {
    const std::string ending = text.substr(at, 4);
    if (ending != ".sst" && ending != ".ldb") continue;
    size_t begin = at;
    while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') --begin;
    if (at - begin + 4 >= kNameBytes) names.insert(text.substr(begin, at - begin) + ".sst");
  }
  return names;
}

/// RocksDB's `file is too short (1548 bytes) to be an sstable…/000014.sst`: the size that the
/// manifest says, for the file that is named behind it; 0: it says no such thing.
uint64_t size_in_manifest(const std::string& refusal, const std::string& name) {
  constexpr std::string_view kBefore = "file is too short (";
  const size_t at = refusal.find(kBefore);
  if (at == std::string::npos || refusal.find(name, at) == std::string::npos) return 0;
  uint64_t size = 0;
  const char* begin = refusal.data() + at + kBefore.size();
  const auto [end, code] = std::from_chars(begin, refusal.data() + refusal.size(), size);
  return code == std::errc() ? size : 0;
}

/// RocksDB looks for the last bytes of a file where the manifest says that it ends; everything else
/// is found through them. So there may be anything in between.
Status pad(const std::string& path, uint64_t wanted) {
  constexpr uint64_t kFooterBytes = 53;
  PosixFileSystem files;
  auto file = files.open(path, false);
  if (!file) return std::move(file).error();
  auto size = (*file)->size();
  if (!size) return std::move(size).error();
  if (*size >= wanted || *size < kFooterBytes) return {};
  auto footer = (*file)->read_at(*size - kFooterBytes, kFooterBytes);
  if (!footer) return std::move(footer).error();
  const std::string zeros(wanted - *size, '\0');
  if (auto written = (*file)->write_at(*size - kFooterBytes, zeros + *footer); !written)
    return written;
  return (*file)->sync();
}

/// A sorted file of that size (0: any) that holds nothing anybody asks for.
Status write_stand_in(const rocksdb::Options& options, const std::string& path, uint64_t size) {
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
  rocksdb::Status status = writer.Open(path);
  if (status.ok()) status = writer.Put("\xff stands in for a damaged file", "");
  if (status.ok()) status = writer.Finish();
  if (!status.ok()) return Error(ErrorCode::IoError, "write " + path + ": " + status.ToString());
  return pad(path, size);
}

}  // namespace

Status verify_sst(const rocksdb::Options& options, const std::string& path) {
  rocksdb::Options own = options;
  rocksdb::SstFileReader reader(own);
  rocksdb::Status status = reader.Open(path);
  if (status.ok()) status = reader.VerifyChecksum(rocksdb::ReadOptions());
  if (status.ok()) return {};
  const bool damaged = status.IsCorruption() || status.IsInvalidArgument() ||
                       status.IsPathNotFound() || status.IsNotSupported();
  return Error(damaged ? ErrorCode::Corruption : ErrorCode::IoError, status.ToString());
}

Result<std::vector<std::string>> set_damaged_files_aside(const rocksdb::Options& options,
                                                         const std::string& folder,
                                                         const std::string& refusal) {
  std::vector<std::string> names;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed))
    if (entry.path().extension() == ".sst") names.push_back(entry.path().filename());
  if (failed) return Error(ErrorCode::IoError, "list " + folder + ": " + failed.message());
  const std::string aside = folder + "/" + kQuarantineFolder;
  fs::create_directories(aside, failed);
  if (failed) return Error(ErrorCode::IoError, "make " + aside + ": " + failed.message());
  std::vector<std::string> done;
  const auto replace = [&](const std::string& name, const std::string& why) -> Status {
    const uint64_t told = size_in_manifest(refusal, name);
    const uint64_t size = fs::exists(folder + "/" + name) ? fs::file_size(folder + "/" + name) : 0;
    AERIE_LOG(Error, "a file of the database is damaged and set aside", {"file", name},
              {"folder", aside}, {"error", why});
    if (fs::exists(folder + "/" + name))
      fs::rename(folder + "/" + name, aside + "/" + name, failed);
    // What is missing leaves an empty note, so that the stand-in is known for what it is.
    else if (std::FILE* note = std::fopen((aside + "/" + name).c_str(), "w"))
      std::fclose(note);
    if (failed) return Error(ErrorCode::IoError, "set aside " + name + ": " + failed.message());
    done.push_back(name);
    return write_stand_in(options, folder + "/" + name, told != 0 ? told : size);
  };
  for (const std::string& name : names) {
    const Status sound = verify_sst(options, folder + "/" + name);
    if (sound || sound.error().code() != ErrorCode::Corruption) continue;
    if (Status status = replace(name, sound.error().message()); !status)
      return std::move(status).error();
  }
  for (const std::string& name : named_files(refusal)) {
    const bool there = fs::exists(folder + "/" + name);
    const bool stands_in = fs::exists(aside + "/" + name);
    if (there && stands_in && std::find(done.begin(), done.end(), name) == done.end()) {
      // Ours, but of another size than the manifest says: it was cut, and only now we know.
      const uint64_t told = size_in_manifest(refusal, name);
      if (told == 0) continue;
      if (Status status = write_stand_in(options, folder + "/" + name, told); !status)
        return std::move(status).error();
      done.push_back(name);
    }
    if (there) continue;
    if (Status status = replace(name, "it is missing"); !status) return std::move(status).error();
  }
  return done;
}

std::vector<std::string> files_set_aside(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder + "/" + kQuarantineFolder, failed))
    if (entry.path().extension() == ".sst") names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

Status write_file_list(const std::string& folder, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  std::string text = kListHead;
  for (const std::string& name : names) text += name + "\n";
  text += fmt::format("{:08x}\n", crc32c(text));
  const std::string fresh = folder + "/" + kFileList + ".new";
  PosixFileSystem files;
  std::error_code ignored;
  fs::remove(fresh, ignored);
  auto file = files.open(fresh, true);
  if (!file) return std::move(file).error();
  if (auto written = (*file)->write_at(0, text); !written) return written;
  if (auto synced = (*file)->sync(); !synced) return synced;
  if (auto renamed = files.rename(fresh, folder + "/" + kFileList); !renamed) return renamed;
  return files.sync_folder(folder);
}

std::optional<std::vector<std::string>> read_file_list(const std::string& folder) {
  std::ifstream file(folder + "/" + kFileList);
  std::vector<std::string> lines;
  std::string all;
  for (std::string line; std::getline(file, line); lines.push_back(line)) {
    if (!lines.empty()) all += lines.back() + "\n";
  }
  if (lines.size() < 2 || lines[0] + "\n" != kListHead) return std::nullopt;
  if (lines.back() != fmt::format("{:08x}", crc32c(all))) return std::nullopt;
  return std::vector<std::string>(lines.begin() + 1, lines.end() - 1);
}

Status forget_file_list(const std::string& folder) {
  std::error_code failed;
  if (!fs::remove(folder + "/" + kFileList, failed) || failed) return {};
  return PosixFileSystem().sync_folder(folder);
}

bool lacks_current(const std::string& folder) {
  if (fs::exists(folder + "/CURRENT")) return false;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    const auto kind = entry.path().extension();
    if (kind == ".sst" || (kind == ".log" && entry.file_size(failed) > 0)) return true;
  }
  return false;
}

bool holds_sorted_files(const std::string& folder) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed))
    if (entry.path().extension() == ".sst") return true;
  return false;
}

Status put_back(const std::string& folder, const std::string& name) {
  std::error_code failed;
  fs::rename(folder + "/" + kQuarantineFolder + "/" + name, folder + "/" + name, failed);
  if (failed) return Error(ErrorCode::IoError, "put back " + name + ": " + failed.message());
  return {};
}

}  // namespace aerie::store
