#include "store/rocks_database.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>

#include <fmt/core.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include "base/log.h"
#include "store/byte_io.h"

namespace aerie::store {
namespace {

namespace fs = std::filesystem;

constexpr char kMarkerFile[] = "AERIE_PARTITIONS";
constexpr char kMarkerText[] = "aerie partitions ";
constexpr int kFormatVersion = 0;
constexpr char kFormatKey[] = "f";
constexpr size_t kFamilies = 3;
constexpr int kBottomLevel = 6;

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

Error to_error(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (status.IsCorruption()) return Error(ErrorCode::Corruption, text);
  if (status.IsNoSpace()) return Error(ErrorCode::Unavailable, text);
  return Error(ErrorCode::IoError, text);
}

Error errno_error(const std::string& what, int number) {
  return Error(number == ENOSPC ? ErrorCode::Unavailable : ErrorCode::IoError,
               what + ": " + std::generic_category().message(number));
}

Status sync_folder(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno_error("open " + path, errno);
  const int result = ::fsync(descriptor);
  const int number = errno;
  ::close(descriptor);
  if (result != 0) return errno_error("sync " + path, number);
  return {};
}

Status write_marker(const std::string& folder) {
  const std::string path = folder + "/" + kMarkerFile;
  const std::string text = fmt::format("{}{}\n", kMarkerText, kFormatVersion);
  const std::string fresh = path + ".new";
  const int descriptor = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return errno_error("create " + fresh, errno);
  const bool written =
      ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(descriptor) == 0;
  const int number = errno;
  ::close(descriptor);
  if (!written) return errno_error("write " + fresh, number);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return errno_error("rename " + fresh, errno);
  return sync_folder(folder);
}

/// Accepts an empty folder (and marks it as ours) or one that is marked with a version we know.
Status check_marker(const std::string& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) return Error(ErrorCode::IoError, "create " + folder + ": " + failed.message());
  const std::string path = folder + "/" + kMarkerFile;
  std::ifstream file(path);
  if (!file) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, failed)) {
      const std::string name = entry.path().filename();
      if (name != std::string(kMarkerFile) + ".new")
        return Error(ErrorCode::InvalidArgument,
                     fmt::format("{} is not a partition folder of aerie: it holds {} but no {}",
                                 folder, name, kMarkerFile));
    }
    if (failed) return Error(ErrorCode::IoError, "list " + folder + ": " + failed.message());
    return write_marker(folder);
  }
  std::string line;
  std::getline(file, line);
  if (!line.starts_with(kMarkerText))
    return Error(ErrorCode::InvalidArgument, path + " is not a marker of aerie");
  const std::string version = line.substr(sizeof kMarkerText - 1);
  if (version != std::to_string(kFormatVersion))
    return Error(ErrorCode::InvalidArgument,
                 fmt::format("{} has format version {}, this program knows {}", folder, version,
                             kFormatVersion));
  return {};
}

struct FamilyOptions {
  rocksdb::ColumnFamilyOptions of[kFamilies];
};

FamilyOptions family_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  FamilyOptions options;
  for (rocksdb::ColumnFamilyOptions& family : options.of) {
    family.disable_auto_compactions = true;  // files go in finished and come out whole
    family.num_levels = kBottomLevel + 1;
    family.compression = rocksdb::kNoCompression;
    family.write_buffer_size = 1 << 20;
  }
  // A column group is one value and so one block; it is already packed.
  table.block_size = 16 << 10;
  options.of[0].table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.of[1].compression = rocksdb::kZSTD;
  options.of[1].compression_opts.level = 3;
  options.of[1].table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  table.block_size = 4 << 10;
  options.of[2].disable_auto_compactions = false;
  options.of[2].write_buffer_size = 4 << 20;
  options.of[2].table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::DBOptions database_options(rocksdb::Env* env) {
  rocksdb::DBOptions options;
  if (env != nullptr) options.env = env;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  options.max_total_wal_size = 16 << 20;
  // Its manifest and the log of `meta` are small: reserved space would be most of a small store.
  options.allow_fallocate = false;
  options.keep_log_file_num = 4;
  options.max_log_file_size = 1 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_background_jobs = 2;
  options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  // track_and_verify_wals_in_manifest stays off: 7.8 then refuses to open after SyncWAL (fixed
  // in 7.10).
  return options;
}

class SstBuilder final : public RocksDatabase::FileBuilder {
 public:
  SstBuilder(const rocksdb::Options& options, std::string path, const StepHook& on_step)
      : path_(std::move(path)), writer_(rocksdb::EnvOptions(), options), on_step_(on_step) {}
  ~SstBuilder() override {
    std::error_code ignored;  // ingested files were moved away; what is left is a failed build
    fs::remove(path_, ignored);
  }
  Status open() {
    if (const rocksdb::Status status = writer_.Open(path_); !status.ok()) return to_error(status);
    return {};
  }
  Status put(std::string_view key, std::string_view value) override {
    if (const rocksdb::Status status = writer_.Put(slice(key), slice(value)); !status.ok())
      return to_error(status);
    return {};
  }
  uint64_t bytes() const override {
    return const_cast<rocksdb::SstFileWriter&>(writer_).FileSize();
  }
  Result<uint64_t> finish() override {
    rocksdb::ExternalSstFileInfo info;
    if (const rocksdb::Status status = writer_.Finish(&info); !status.ok()) return to_error(status);
    reached(on_step_, "build");
    return info.file_size;
  }
  const std::string& path() const override { return path_; }

 private:
  const std::string path_;
  rocksdb::SstFileWriter writer_;
  const StepHook& on_step_;  // of the database, which lives longer
};

class Database final : public RocksDatabase {
 public:
  Database(std::string path, FamilyOptions families, RocksExtras extras)
      : path_(std::move(path)),
        building_(path_ + "/building"),
        families_(std::move(families)),
        extras_(std::move(extras)) {}
  ~Database() override {
    for (rocksdb::ColumnFamilyHandle* handle : handles_)
      if (database_) database_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    if (database_) database_->Close().PermitUncheckedError();
  }

  Status open();

  uint64_t seed() const override { return seed_; }
  uint64_t next_id() override { return next_id_.fetch_add(1, std::memory_order_relaxed); }
  const std::string& building_folder() const override { return building_; }

  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    std::string value;
    const rocksdb::Status status =
        database_->Get(rocksdb::ReadOptions(), handle(family), slice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return to_error(status);
    return std::optional<std::string>(std::move(value));
  }

  std::vector<FileSize> files(Family family) const override {
    rocksdb::ColumnFamilyMetaData metadata;
    database_->GetColumnFamilyMetaData(handle(family), &metadata);
    std::vector<FileSize> all;
    for (const rocksdb::LevelMetaData& level : metadata.levels)
      for (const rocksdb::SstFileMetaData& file : level.files)
        all.push_back({file.smallestkey, file.size});
    std::sort(all.begin(), all.end(),
              [](const FileSize& a, const FileSize& b) { return a.first_key < b.first_key; });
    return all;
  }

  Result<std::vector<std::pair<std::string, std::string>>> scan(
      Family family, std::string_view prefix) const override {
    std::vector<std::pair<std::string, std::string>> rows;
    const std::unique_ptr<rocksdb::Iterator> at(
        database_->NewIterator(rocksdb::ReadOptions(), handle(family)));
    for (at->Seek(slice(prefix)); at->Valid() && at->key().starts_with(slice(prefix)); at->Next())
      rows.emplace_back(at->key().ToString(), at->value().ToString());
    if (!at->status().ok()) return to_error(at->status());
    return rows;
  }

  Result<std::unique_ptr<FileBuilder>> build(Family family,
                                             const std::string& file_name) const override {
    const rocksdb::Options options(database_options(extras_.env),
                                   families_.of[static_cast<size_t>(family)]);
    auto builder =
        std::make_unique<SstBuilder>(options, building_ + "/" + file_name, extras_.on_step);
    if (Status status = builder->open(); !status)
      return std::move(status).error().with("build " + file_name);
    return std::unique_ptr<FileBuilder>(std::move(builder));
  }

  Status ingest(const std::vector<std::string>& data_files,
                const std::vector<std::string>& index_files) override {
    rocksdb::IngestExternalFileOptions options;
    options.move_files = true;
    options.allow_global_seqno = false;
    options.write_global_seqno = false;
    options.snapshot_consistency = false;
    options.fail_if_not_bottommost_level = true;
    std::vector<rocksdb::IngestExternalFileArg> arguments;
    const auto add = [&](Family family, const std::vector<std::string>& files) {
      if (files.empty()) return;
      rocksdb::IngestExternalFileArg& argument = arguments.emplace_back();
      argument.column_family = handle(family);
      argument.external_files = files;
      argument.options = options;
    };
    add(Family::Data, data_files);
    add(Family::Index, index_files);
    if (const rocksdb::Status status = database_->IngestExternalFiles(arguments); !status.ok())
      return to_error(status).with("ingest partition files");
    reached(extras_.on_step, "ingest");
    return {};
  }

  Status delete_files(Family family, const std::string& first, const std::string& end) override {
    const rocksdb::Slice from = first;
    const rocksdb::Slice to = end;
    const rocksdb::RangePtr range(&from, &to);
    const rocksdb::Status status = rocksdb::DeleteFilesInRanges(database_.get(), handle(family),
                                                                &range, 1, /*include_end=*/false);
    if (!status.ok()) return to_error(status).with("delete partition files");
    reached(extras_.on_step, family == Family::Index ? "delete-index" : "delete-data");
    return {};
  }

  Status write_meta(const std::vector<std::pair<std::string, std::string>>& puts,
                    const std::vector<std::string>& removals) override {
    rocksdb::WriteBatch batch;
    for (const auto& [key, value] : puts)
      if (const auto status = batch.Put(handle(Family::Meta), key, value); !status.ok())
        return to_error(status);
    for (const std::string& key : removals)
      if (const auto status = batch.Delete(handle(Family::Meta), key); !status.ok())
        return to_error(status);
    rocksdb::WriteOptions options;
    options.sync = true;
    if (const rocksdb::Status status = database_->Write(options, &batch); !status.ok())
      return to_error(status).with("write keyed table");
    reached(extras_.on_step, "meta");
    return {};
  }

 private:
  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return handles_[static_cast<size_t>(family)];
  }
  Status read_format();

  const std::string path_;
  const std::string building_;
  const FamilyOptions families_;
  const RocksExtras extras_;
  std::unique_ptr<rocksdb::DB> database_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // data, index, meta, default
  uint64_t seed_ = 0;
  std::atomic<uint64_t> next_id_{1};
};

Status Database::open() {
  const std::vector<rocksdb::ColumnFamilyDescriptor> descriptors = {{"data", families_.of[0]},
                                                                    {"idx", families_.of[1]},
                                                                    {"meta", families_.of[2]},
                                                                    {"default", {}}};
  rocksdb::DB* database = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(database_options(extras_.env), path_, descriptors, &handles_, &database);
  database_.reset(database);
  if (!status.ok()) {
    const std::string text = status.ToString();
    if (text.find("lock") != std::string::npos && text.find("LOCK") != std::string::npos)
      return Error(ErrorCode::AlreadyExists,
                   fmt::format("{} is in use by another process ({}/LOCK)", path_, path_));
    if (status.IsInvalidArgument() && text.find("olumn famil") != std::string::npos)
      return Error(ErrorCode::InvalidArgument,
                   fmt::format("{} is not a database of aerie: {}", path_, text));
    return to_error(status).with("open " + path_);
  }
  std::error_code failed;
  fs::remove_all(building_, failed);  // what a crash left half-built
  if (!failed) fs::create_directories(building_, failed);
  if (failed) return Error(ErrorCode::IoError, "empty " + building_ + ": " + failed.message());
  return read_format();
}

Status Database::read_format() {
  auto found = get(Family::Meta, kFormatKey);
  if (!found) return std::move(found).error();
  if (found->has_value()) {
    ByteReader in(**found);
    const uint64_t version = in.varint();
    seed_ = in.u64();
    if (version != kFormatVersion)
      return Error(ErrorCode::InvalidArgument,
                   fmt::format("{} has format version {}, this program knows {}", path_, version,
                               kFormatVersion));
    if (in.failed()) return Error(ErrorCode::Corruption, path_ + ": format row is damaged");
    return {};
  }
  std::random_device random;
  seed_ = static_cast<uint64_t>(random()) << 32 | random();
  std::string row;
  put_varint(row, kFormatVersion);
  put_u64(row, seed_);
  return write_meta({{kFormatKey, row}}, {});
}

}  // namespace

Result<std::shared_ptr<RocksDatabase>> RocksDatabase::open(const std::string& path,
                                                           uint64_t block_cache_bytes,
                                                           RocksExtras extras) {
  if (Status status = check_marker(path); !status) return std::move(status).error();
  auto database = std::make_shared<Database>(
      path, family_options(rocksdb::NewLRUCache(block_cache_bytes, 4)), std::move(extras));
  if (Status status = database->open(); !status) return std::move(status).error();
  return std::shared_ptr<RocksDatabase>(std::move(database));
}

}  // namespace aerie::store
