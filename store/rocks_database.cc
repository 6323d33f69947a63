#include "store/rocks_database.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include <fmt/core.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include "base/log.h"
#include "store/byte_io.h"
#include "store/manifest_tail.h"
#include "store/rocks_repair.h"

namespace aerie::store {
namespace {

namespace fs = std::filesystem;

constexpr char kMarkerFile[] = "AERIE_PARTITIONS";
constexpr char kMarkerText[] = "aerie partitions ";
constexpr int kFormatVersion = 0;
constexpr char kFormatKey[] = "f";
constexpr size_t kFamilies = 3;
constexpr int kBottomLevel = 6;

/// RocksDB compares with memcmp, which wants an address also of nothing.
rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data() != nullptr ? bytes.data() : "", bytes.size()};
}

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
Status check_marker(const std::string& folder, bool read_only) {
  std::error_code failed;
  if (!read_only) fs::create_directories(folder, failed);
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
    if (read_only) return Error(ErrorCode::NotFound, path + " is missing");
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
  std::shared_ptr<rocksdb::Cache> cache;
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
  options.cache = cache;
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
  // Stand-ins for damaged files have neither the size nor the identity that the manifest says;
  // checksums of ours and of RocksDB stand in every block.
  options.skip_checking_sst_file_sizes_on_db_open = true;
  options.verify_sst_unique_id_in_manifest = false;
  options.max_total_wal_size = 16 << 20;
  // Its manifest and the log of `meta` are small: reserved space would be most of a small store.
  options.allow_fallocate = false;
  options.keep_log_file_num = 4;
  options.max_log_file_size = 1 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  // What a recovery flushes has no durable name yet when the manifest speaks of it: a power cut
  // then loses the file. The write-ahead log of the small tables is kept instead.
  options.avoid_flush_during_recovery = true;
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
    if (is_open_ && extras_.env == nullptr) list_files();  // a test's disk may be gone by now
    for (rocksdb::ColumnFamilyHandle* handle : handles_)
      if (database_) database_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    if (database_) database_->Close().PermitUncheckedError();
  }

  Status open();

  uint64_t seed() const override { return seed_; }
  uint64_t cached_bytes() const override { return families_.cache->GetUsage(); }
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
        all.push_back(
            {file.smallestkey, file.size, path_ + "/" + file.relative_filename,
             std::find(aside_.begin(), aside_.end(), file.relative_filename) != aside_.end()});
    std::sort(all.begin(), all.end(),
              [](const FileSize& a, const FileSize& b) { return a.first_key < b.first_key; });
    return all;
  }

  Status verify_file(const FileSize& file) const override {
    return verify_sst(options_of(Family::Data), file.path);
  }

  Status checkpoint(const std::string& folder) const override {
    rocksdb::Checkpoint* made = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(database_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    if (status.ok()) status = checkpoint->CreateCheckpoint(folder, /*log_size_for_flush=*/0);
    if (!status.ok()) return to_error(status).with("link the database into " + folder);
    return write_marker(folder);
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
    auto builder = std::make_unique<SstBuilder>(options_of(family), building_ + "/" + file_name,
                                                extras_.on_step);
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
  rocksdb::Options options_of(Family family) const {
    return {database_options(extras_.env), families_.of[static_cast<size_t>(family)]};
  }
  rocksdb::Status open_database(bool read_only);
  Status check_file_list();
  void list_files();
  Status open_repaired(rocksdb::Status refusal);
  Status refuse_damaged_tables() const;
  Status read_format();

  const std::string path_;
  const std::string building_;
  const FamilyOptions families_;
  const RocksExtras extras_;
  std::unique_ptr<rocksdb::DB> database_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // data, index, meta, default
  std::vector<std::string> aside_;                     // names of files that others stand in for
  uint64_t seed_ = 0;
  std::atomic<uint64_t> next_id_{1};
  bool is_open_ = false;  // to be written to, and everything in it was found
};

/// Before the database may delete anything: all files of the last orderly close must be known to
/// it.
Status Database::check_file_list() {
  const auto listed = read_file_list(path_);
  if (!listed) return {};
  // What does not open gets its own treatment later.
  if (!open_database(/*read_only=*/true).ok()) return {};
  std::set<std::string> known;
  for (const Family family : {Family::Data, Family::Index, Family::Meta})
    for (const FileSize& file : files(family)) known.insert(fs::path(file.path).filename());
  for (rocksdb::ColumnFamilyHandle* handle : handles_)
    database_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  handles_.clear();
  database_.reset();
  std::string lost;
  for (const std::string& name : *listed)
    if (!known.contains(name)) lost += (lost.empty() ? "" : ", ") + name;
  if (lost.empty()) return {};
  return Error(
      ErrorCode::Corruption,
      fmt::format("{}: the manifest is damaged, it no longer knows {}; restore the MANIFEST "
                  "file, or start on a snapshot. Nothing was changed",
                  path_, lost));
}

void Database::list_files() {
  rocksdb::CancelAllBackgroundWork(database_.get(), /*wait=*/true);
  std::vector<std::string> names;
  for (const Family family : {Family::Data, Family::Index, Family::Meta})
    for (const FileSize& file : files(family)) names.push_back(fs::path(file.path).filename());
  write_file_list(path_, std::move(names))
      .ignore("without it a damaged manifest is noticed later, as after a crash");
}

rocksdb::Status Database::open_database(bool read_only) {
  const std::vector<rocksdb::ColumnFamilyDescriptor> descriptors = {{"data", families_.of[0]},
                                                                    {"idx", families_.of[1]},
                                                                    {"meta", families_.of[2]},
                                                                    {"default", {}}};
  rocksdb::DB* database = nullptr;
  rocksdb::DBOptions options = database_options(extras_.env);
  // A family that a damaged manifest has forgotten must not be made anew, empty.
  options.create_missing_column_families = !holds_sorted_files(path_);
  const rocksdb::Status status =
      read_only ? rocksdb::DB::OpenForReadOnly(options, path_, descriptors, &handles_, &database)
                : rocksdb::DB::Open(options, path_, descriptors, &handles_, &database);
  database_.reset(database);
  return status;
}

Status Database::open() {
  if (lacks_current(path_))
    return Error(ErrorCode::Corruption,
                 path_ + "/CURRENT is missing: restore it, or start on a snapshot");
  if (!extras_.read_only) {
    if (Status cut = cut_torn_manifest_tail(path_); !cut) return cut;
  }
  if (Status known = check_file_list(); !known) return known;
  const rocksdb::Status status = open_database(extras_.read_only);
  aside_ = files_set_aside(path_);
  if (!status.ok()) {
    const std::string text = status.ToString();
    if (text.find("lock") != std::string::npos && text.find("LOCK") != std::string::npos)
      return Error(ErrorCode::AlreadyExists,
                   fmt::format("{} is in use by another process ({}/LOCK)", path_, path_));
    if (status.IsInvalidArgument() && text.find("olumn famil") != std::string::npos)
      return Error(ErrorCode::InvalidArgument,
                   fmt::format("{} is not a database of aerie: {}", path_, text));
    if (Status repaired = open_repaired(status); !repaired) return repaired;
  }
  if (Status status_of_tables = refuse_damaged_tables(); !status_of_tables) return status_of_tables;
  if (extras_.read_only) return read_format();
  std::error_code failed;
  fs::remove_all(building_, failed);  // what a crash left half-built
  if (!failed) fs::create_directories(building_, failed);
  if (failed) return Error(ErrorCode::IoError, "empty " + building_ + ": " + failed.message());
  if (Status forgotten = forget_file_list(path_); !forgotten) return forgotten;
  is_open_ = true;
  return read_format();
}

/// Damaged files keep RocksDB closed; with others in their place it opens, and the partitions that
/// they belonged to are known to be damaged.
Status Database::open_repaired(rocksdb::Status refusal) {
  const auto failure = [&] {
    const ErrorCode code =
        refusal.IsNoSpace() ? ErrorCode::Unavailable
        : refusal.IsCorruption() || refusal.IsInvalidArgument() || refusal.IsNotSupported()
            ? ErrorCode::Corruption
            : ErrorCode::IoError;
    return Error(code, refusal.ToString()).with("open " + path_);
  };
  // Each opening names the missing files that it met.
  for (int attempt = 0; attempt < 100 && !refusal.ok(); ++attempt) {
    if (extras_.read_only || refusal.IsNoSpace()) return failure();
    auto aside = set_damaged_files_aside(options_of(Family::Data), path_, refusal.ToString());
    if (!aside) return std::move(aside).error();
    if (aside->empty()) return failure();
    refusal = open_database(extras_.read_only);
  }
  aside_ = files_set_aside(path_);
  return refusal.ok() ? Status() : Status(failure());
}

/// The small tables cannot be left out: nobody would notice what is missing from them.
Status Database::refuse_damaged_tables() const {
  for (const FileSize& file : files(Family::Meta)) {
    if (!file.set_aside) continue;
    const std::string name = fs::path(file.path).filename();
    put_back(path_, name).ignore("the next start finds it set aside and says the same");
    return Error(ErrorCode::Corruption,
                 fmt::format("{} of the small tables (alert state, metric metadata, elections) is "
                             "damaged: restore it, or start on a snapshot",
                             file.path));
  }
  return {};
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
  if (Status status = check_marker(path, extras.read_only); !status)
    return std::move(status).error();
  auto database = std::make_shared<Database>(
      path, family_options(rocksdb::NewLRUCache(block_cache_bytes, 4)), std::move(extras));
  if (Status status = database->open(); !status) return std::move(status).error();
  return std::shared_ptr<RocksDatabase>(std::move(database));
}

}  // namespace aerie::store
