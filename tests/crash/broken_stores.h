#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "store/file_system.h"
#include "store/partition_set.h"

namespace aerie::crash {

/// Real files behind a page cache that dies with the process: what was written reaches the disk
/// only through sync(). A SIGKILL is a power cut for everything that goes through it. Thread-safe.
class VolatileFileSystem final : public store::FileSystem {
 public:
  Result<std::unique_ptr<store::LogFile>> open(const std::string& path, bool create) override;
  Status make_folders(const std::string& path) override { return disk_.make_folders(path); }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    return disk_.list(folder);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  Status remove(const std::string& path) override { return disk_.remove(path); }
  Status sync_folder(const std::string& path) override { return disk_.sync_folder(path); }
  Result<store::DiskSpace> space(const std::string& path) const override {
    return disk_.space(path);
  }
  Status link(const std::string& from, const std::string& to) override {
    return disk_.link(from, to);
  }

 private:
  store::PosixFileSystem disk_;
};

/// Deliberately broken: every other seal() says that the partition is durable and has written
/// nothing.
class ForgetfulPartitionSet final : public store::PartitionSet {
 public:
  explicit ForgetfulPartitionSet(std::unique_ptr<store::PartitionSet> real)
      : real_(std::move(real)) {}

  std::vector<store::PartitionInfo> live() const override { return real_->live(); }
  store::LogPosition sealed_end(uint16_t shard) const override { return real_->sealed_end(shard); }
  Result<store::PartitionInfo> seal(store::PartitionInfo info,
                                    const std::function<bool(store::SealSeries&)>& next) override;
  Status drop_before(model::TimestampMs t) override { return real_->drop_before(t); }
  Result<store::PartitionInfo> merge(const store::MergeRequest& request) override {
    return real_->merge(request);
  }
  Result<bool> concerned(const store::PartitionInfo& partition,
                         const store::Erasures& erasures) const override {
    return real_->concerned(partition, erasures);
  }
  Status drop(const std::vector<store::PartitionInfo>& partitions) override {
    return real_->drop(partitions);
  }
  std::shared_ptr<const model::SampleSource> pin(
      std::shared_ptr<const store::Erasures> erasures) const override {
    return real_->pin(std::move(erasures));
  }
  uint64_t cached_bytes() const override { return real_->cached_bytes(); }
  Result<std::shared_ptr<store::KeyedTable>> table(const std::string& name) override {
    return real_->table(name);
  }
  std::vector<store::DamagedPartition> damaged() const override { return real_->damaged(); }
  Status check(const std::function<bool(uint64_t)>& pace,
               store::CheckReport& report) const override {
    return real_->check(pace, report);
  }
  Status checkpoint(const std::string& folder) const override { return real_->checkpoint(folder); }

 private:
  const std::unique_ptr<store::PartitionSet> real_;
  std::atomic<int> seals_{0};
};

}  // namespace aerie::crash
