#include "tests/crash/broken_stores.h"

namespace aerie::crash {
namespace {

class VolatileFile final : public store::LogFile {
 public:
  explicit VolatileFile(std::unique_ptr<store::LogFile> disk) : disk_(std::move(disk)) {}

  Status write_at(uint64_t offset, std::string_view bytes) override {
    cached_.emplace_back(offset, bytes);
    return {};
  }
  Status sync() override {
    for (const auto& [offset, bytes] : cached_) {
      if (auto written = disk_->write_at(offset, bytes); !written) return written;
    }
    cached_.clear();
    return disk_->sync();
  }
  Result<std::string> read_at(uint64_t offset, size_t length) const override {
    return disk_->read_at(offset, length);
  }
  Result<uint64_t> size() const override { return disk_->size(); }
  Status truncate(uint64_t length) override { return disk_->truncate(length); }
  Status preallocate(uint64_t length) override { return disk_->preallocate(length); }

 private:
  const std::unique_ptr<store::LogFile> disk_;
  std::vector<std::pair<uint64_t, std::string>> cached_;
};

}  // namespace

Result<std::unique_ptr<store::LogFile>> VolatileFileSystem::open(const std::string& path,
                                                                 bool create) {
  auto file = disk_.open(path, create);
  if (!file) return std::move(file).error();
  return std::unique_ptr<store::LogFile>(std::make_unique<VolatileFile>(std::move(*file)));
}

Result<store::PartitionInfo> ForgetfulPartitionSet::seal(
    store::PartitionInfo info, const std::function<bool(store::SealSeries&)>& next) {
  if (seals_++ % 2 != 0) return real_->seal(info, next);
  store::SealSeries series;
  while (next(series)) ++info.series_count;
  return info;
}

}  // namespace aerie::crash
